"""How graphs differ, and what operators stated: frozen values, every id as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MergedUsers:
    """Users that went on as one."""

    canonical_id: str
    merged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitUser:
    """A user whose identities are held by several."""

    canonical_id: str
    into: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenamedUser:
    """The same user under another name."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MovedIdentity:
    """An identity that another user holds than before (None: nobody)."""

    key: str
    value: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class DifferenceAnswer:
    """How a graph differs from another. ``counts`` has the whole numbers of users made, gone,
    merged, split and renamed and of identities moved; the lists hold the first of each.
    ``refusals``: by reason, how many more or (negative) fewer."""

    says: str
    counts: Mapping[str, int]
    made: tuple[str, ...]
    gone: tuple[str, ...]
    merged: tuple[MergedUsers, ...]
    split: tuple[SplitUser, ...]
    renamed: tuple[RenamedUser, ...]
    moved: tuple[MovedIdentity, ...]
    refusals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class IdentityText:
    """An identity as two texts."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class OperatorFact:
    """What an operator stated. ``event`` is the event that it retracts, or that it added to the
    log; ``removed_at_ms`` says that it does not hold any more. ``counts``: of an erasure, how much
    of what went; of whom is not kept."""

    operator_id: str
    project: str
    kind: str
    identities: tuple[IdentityText, ...]
    event: str | None
    time_ms: int | None
    author: str
    reason: str
    stated_at_ms: int
    removed_at_ms: int | None
    removed_by: str | None
    removed_because: str | None
    counts: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class OperatorAnswer:
    """An operator fact that was stated or removed, and what that changed; or, with ``dry_run``,
    what it would change: then nothing was written."""

    fact: OperatorFact
    dry_run: bool
    changes: DifferenceAnswer


@dataclass(frozen=True, slots=True)
class OperatorFacts:
    """The operator facts of a project, oldest first."""

    operators: tuple[OperatorFact, ...]
