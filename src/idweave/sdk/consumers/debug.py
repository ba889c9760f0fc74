"""One record at a time to the collector's debug door, which says at once what is wrong."""

from __future__ import annotations

import json
from urllib.parse import urlsplit, urlunsplit

from idweave.core.errors import DeliveryError, InputError
from idweave.wire import encode_data_list

from ..clock import Clock, SystemClock
from ..transport import Answer, HttpTransport, Transport, checked_url
from .face import Record


class DebugConsumer:
    """Posts each record to ``/debug`` and waits for the verdict; for development, not for users.

    ``dry_run``: the collector checks and stores nothing. Raises InputError, with what the
    collector said, for a record it rejects, and DeliveryError where no verdict came.
    """

    def __init__(
        self,
        url: str,
        *,
        dry_run: bool = True,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._url = debug_url(url)
        self._headers = {"Dry-Run": "true"} if dry_run else {}
        self._transport = transport or HttpTransport()
        self._clock = clock or SystemClock()

    def send(self, record: Record) -> None:
        """Post the record and wait."""
        body = encode_data_list([{**record, "_flush_time": self._clock.now_ms()}])
        answer = self._transport.post(self._url, body, self._headers)
        if answer.status == 400:
            raise InputError(f"The collector rejects the record: {_said(answer)}")
        if answer.status != 200:
            raise DeliveryError(f"{self._url} answered {answer.status}.")

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Nothing waits."""
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Nothing to stop."""
        return True


def debug_url(url: str) -> str:
    """The debug door of a collector's address: its last path part replaced."""
    parts = urlsplit(checked_url(url))
    folder = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{folder}/debug"))


def _said(answer: Answer) -> str:
    """What was wrong and how to mend it, as the collector put it."""
    try:
        errors = json.loads(answer.body)["errors"]
        return " ".join(f"{e['field']}: {e['reason']} {e['fix']}" for e in errors)
    except (ValueError, LookupError, TypeError):
        return answer.body[:500].decode("utf-8", "replace")
