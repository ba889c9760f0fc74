"""What the engine asks of the outside, in domain words: ``Store`` to write, ``Reader`` to answer.

A store keeps four layers: what was said (payloads, identity sets, sightings), who that makes
(owners, users, stays, refusals, runs), what changed of that (the feed), and what was not believed
(rejections). The engine makes every number in here (ids, names) but those of the feed; a store
keeps rows and finds them again.
"""

from __future__ import annotations

from collections.abc import Callable

from .asking import Reader, Store
from .rows import (
    Change,
    ChangeKind,
    Changes,
    Entry,
    Erased,
    FeedRow,
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
    "Change",
    "ChangeKind",
    "Changes",
    "Clock",
    "Entry",
    "Erased",
    "FeedRow",
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
