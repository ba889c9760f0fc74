"""What the engine asks of the outside, in domain words: ``Store`` to write, ``Reader`` to answer.

A store keeps three layers: what was said (payloads, identity sets, sightings), who that makes
(owners, users, stays, refusals, runs), and what was not believed (rejections). The engine makes
every number in here (ids, names); a store keeps rows and finds them again.
"""

from __future__ import annotations

from collections.abc import Callable

from .asking import Reader, Store
from .rows import (
    Changes,
    Entry,
    Erased,
    GroupRow,
    HighMarks,
    IdentityRow,
    IdentityState,
    OperatorRow,
    PayloadRow,
    Place,
    PolicyRow,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    SetRow,
    Sighting,
    StayRow,
    Suppressed,
    UserRow,
    fact_of,
    is_erased,
)

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""

__all__ = [
    "Changes",
    "Clock",
    "Entry",
    "Erased",
    "GroupRow",
    "HighMarks",
    "IdentityRow",
    "IdentityState",
    "OperatorRow",
    "PayloadRow",
    "Place",
    "PolicyRow",
    "Reader",
    "RefusalRow",
    "RejectionRow",
    "Run",
    "SetKey",
    "SetRow",
    "Sighting",
    "StayRow",
    "Store",
    "Suppressed",
    "UserRow",
    "fact_of",
    "is_erased",
]
