"""The rules in force: a project's policy, and what operators stated beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from idweave.core.identity import Identity, Kind
from idweave.core.policy import Policy
from idweave.ports import OperatorRow, Reader


class OperatorKind(StrEnum):
    """What operators may state (RESOLUTION.md §8)."""

    JOIN = "join"
    DETACH = "detach"
    RELEASE = "release"
    RETRACT = "retract"
    BLOCK = "block"
    APART = "apart"
    ERASE = "erase"
    """Nothing that can be stated or taken back: that an erasure was made (:mod:`.erasing`)."""


TIMED: dict[OperatorKind, Kind] = {
    OperatorKind.JOIN: Kind.BIND,
    OperatorKind.DETACH: Kind.DETACH,
    OperatorKind.RELEASE: Kind.RELEASE,
}
"""Those that are facts of the log, with a time; the others hold at all times."""


class Rules(NamedTuple):
    """A policy with what operators blocked and keep apart, and the events they took out."""

    policy: Policy
    withdrawn: frozenset[str]


def rules_of(policy: Policy, reader: Reader, project: str) -> Rules:
    """The rules in force in a project."""
    return ruled(policy, reader.operators(project))


def ruled(policy: Policy, rows: Iterable[OperatorRow]) -> Rules:
    """A policy with these operator facts. A removed one with a time is an event taken out."""
    blocked: set[Identity] = set()
    apart, withdrawn = [], set[str]()
    for row in rows:
        kind, holds = OperatorKind(row.kind), row.removed_ms is None
        if holds and kind is OperatorKind.BLOCK:
            blocked.update(row.identities)
        elif holds and kind is OperatorKind.APART:
            apart.append((row.identities[0], row.identities[1]))
        elif holds == (kind is OperatorKind.RETRACT) and row.event_id:
            withdrawn.add(row.event_id)
    if blocked or apart:
        policy = replace(policy, blocked=policy.blocked | blocked, apart=(*policy.apart, *apart))
    return Rules(policy, frozenset(withdrawn))
