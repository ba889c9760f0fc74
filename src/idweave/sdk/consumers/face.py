"""What a tracker needs of a consumer, and the smallest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = Mapping[str, Any]


class Consumer(Protocol):
    """Takes records one by one, in their order. One that several trackers share is called from
    several threads."""

    def send(self, record: Record) -> None:
        """Take a record. Returns soon; keeps no reference to what the caller may change."""

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Get out what waits; False when some still does after so many seconds."""

    def close(self, timeout_s: float = 10.0) -> bool:
        """Flush and stop; a second call does nothing. False as for :meth:`flush`."""


class CallConsumer:
    """Gives every record to a function: ``CallConsumer(records.append)``."""

    def __init__(self, call: Callable[[Record], object]) -> None:
        self._call = call

    def send(self, record: Record) -> None:
        """Call the function with the record."""
        self._call(record)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Nothing waits."""
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Nothing to stop."""
        return True
