"""Logs: one JSON object a line on standard error; no bodies, no tokens, no identities."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from traceback import extract_tb

LOGGER = "idweave.server"
SHOWN_FRAMES = 5


class JsonLines(logging.Formatter):
    """Formats a record as one line of ASCII: control characters and escapes cannot get through."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = place_of(record.exc_info[1])
        return json.dumps(line).replace("\x7f", "\\u007f")


def log(level: int, message: str, **fields: object) -> None:
    """Log a fixed sentence; what varies goes into fields."""
    logging.getLogger(LOGGER).log(level, message, extra={"fields": fields})


def place_of(error: BaseException) -> str:
    """An unexpected error by its kind and where it happened. Its message is left out: it may
    repeat what somebody sent."""
    frames = extract_tb(error.__traceback__)[-SHOWN_FRAMES:]
    where = " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} in {where}" if where else type(error).__name__


class _ToStandardError(logging.Handler):
    """Writes to standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(self.format(record) + "\n")


def configure_logging(*, level: int = logging.INFO) -> None:
    """Send the server's logs, and uvicorn's warnings, to standard error as JSON lines. For
    programs: ``serve`` leaves logging as it finds it."""
    handler = _ToStandardError()
    handler.setFormatter(JsonLines())
    for name, least in (("idweave", level), ("uvicorn", max(level, logging.WARNING))):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False
