"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

from idweave.core.errors import InputError
from idweave.core.record import time_ms_of


def time_typed(word: str, name: str = "time") -> int:
    """Milliseconds since 1970 of a typed time: a number as records have it, or ISO text, in local
    time where it names no zone. Raises InputError."""
    number = int(word) if word.isascii() and word.isdigit() and len(word) <= 15 else None
    found = time_ms_of(number)
    if found is not None:
        return found
    try:
        moment = datetime.fromisoformat(word)
        found = round(moment.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        found = -1
    if found < 0:
        fix = "Write it as 2026-11-25T08:30, 2026-11-25T08:30:00Z, or in ms since 1970."
        raise InputError(f"{word[:50]!r} is not a {name}.", fix=fix)
    return found
