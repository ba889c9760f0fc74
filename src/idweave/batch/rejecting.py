"""Records of files that are not believed: kept with their place and their reason."""

from __future__ import annotations

from typing import NamedTuple

from idweave.core.rejection import Rejection

RAW_LENGTH_MAX = 64 * 1024
"""Characters that are kept of what was said: enough to see what it was and to mend it."""


class Rejected(NamedTuple):
    """One record, or one whole line or request (``record`` None), and why it does not count.
    ``line`` counts from 1; in tables it is the row."""

    file: str
    line: int
    record: int | None
    code: str
    field: str
    reason: str
    fix: str
    raw: str


def rejected(place: tuple[str, int, int | None], why: Rejection, raw: str) -> Rejected:
    """A rejection of the record at ``place``: file, line, and number in the line."""
    kept = raw if len(raw) <= RAW_LENGTH_MAX else raw[: RAW_LENGTH_MAX - 1] + "…"
    return Rejected(*place, why.code.value, why.field, why.reason, why.fix, kept)
