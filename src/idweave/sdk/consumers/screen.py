"""Records on a screen, to see what would be sent."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from .face import Record


class ConsoleConsumer:
    """Prints each record as JSON; ``indent`` None makes it one line."""

    def __init__(self, stream: TextIO | None = None, *, indent: int | None = 2) -> None:
        self._stream = stream
        self._indent = indent

    def send(self, record: Record) -> None:
        """Print the record."""
        stream = self._stream or sys.stdout
        try:
            stream.write(json.dumps(record, ensure_ascii=False, indent=self._indent) + "\n")
        except UnicodeEncodeError:  # a screen that cannot show all of it
            stream.write(json.dumps(record, indent=self._indent) + "\n")

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Flush the stream."""
        (self._stream or sys.stdout).flush()
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Flush the stream; whoever opened it closes it."""
        return self.flush(timeout_s)
