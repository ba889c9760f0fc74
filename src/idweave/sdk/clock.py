"""The clock and the chance of a device, to be replaced where a run must be repeatable."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias
from uuid import uuid4

from idweave.core.device.properties import date_text
from idweave.core.device.start import Visit

TRACK_ID_END = 10**15
"""Track ids are below this: JavaScript reads them exactly, and two in one ms do not meet."""


class Clock(Protocol):
    """What time it is."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""

    def local(self, at_ms: int) -> datetime:
        """A moment as the device's wall clock shows it, with its zone."""


class SystemClock:
    """The machine's clock and zone."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""
        return time.time_ns() // 1_000_000

    def local(self, at_ms: int) -> datetime:
        """A moment as the machine's wall clock shows it."""
        return datetime.fromtimestamp(at_ms / 1000).astimezone()


class Chance(Protocol):
    """What nobody can foresee."""

    def new_id(self) -> str:
        """An id that no other device has."""

    def track_id(self) -> int:
        """A number that tells records of one moment apart."""


class SystemChance:
    """The operating system's randomness: two devices never get the same id."""

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid4())

    def track_id(self) -> int:
        """A number of up to 15 digits."""
        return secrets.randbelow(TRACK_ID_END)


def visit_at(clock: Clock, at_ms: int) -> Visit:
    """What a first start notes of a moment."""
    local = clock.local(at_ms)
    day_end = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Visit(at_ms, int(day_end.timestamp() * 1000), date_text(local))


def timezone_offset(clock: Clock, at_ms: int) -> int:
    """Minutes that UTC is ahead of the device's clock, as JavaScript counts: -480 in Beijing."""
    offset = clock.local(at_ms).utcoffset() or timedelta()
    return -int(offset.total_seconds() // 60)


Jitter: TypeAlias = Callable[[], float]
"""A number from 0 up to 1, anew at each call."""

system_jitter: Jitter = random.random  # noqa: S311 - spreads retries, guards nothing
