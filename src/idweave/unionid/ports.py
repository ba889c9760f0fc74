"""What this room asks of the outside: a way to send requests, a place for facts, time, chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""

Sleep = Callable[[float], None]
"""Waits that many seconds."""

Chance = Callable[[], float]
"""A number from 0 to 1, for the jitter that keeps many workers from doing things at once."""

WireRecord = Mapping[str, Any]
"""A record as the wire protocol has it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. It holds secrets, so nothing of it but method and host is printed."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Reply(NamedTuple):
    """What came back: the HTTP status and the body."""

    status: int
    body: bytes


class TransportFailed(Exception):
    """No answer came; the text says why and holds nothing of the request. It never leaves the
    room: the client makes a :class:`~idweave.unionid.errors.PlatformError` of it."""


class Transport(Protocol):
    """Sends requests. Called by several threads at once."""

    def send(self, request: Request) -> Reply:
        """The reply, whatever its status. Raises TransportFailed when none came in time."""
        ...

    def close(self) -> None:
        """Give up the connections."""
        ...


class Delivered(NamedTuple):
    """What became of records: ``duplicates`` and ``rejected`` are None where nobody said."""

    sent: int
    duplicates: int | None = None
    rejected: int | None = None


class Sink(Protocol):
    """Where facts go, as records of the wire protocol."""

    def put(self, records: Sequence[WireRecord]) -> Delivered:
        """Make them durable, all of them, or raise; sending them again changes nothing."""
        ...
