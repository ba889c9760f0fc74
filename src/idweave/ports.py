"""What the engine asks of the outside, in domain words: ``Store`` to write, ``Reader`` to answer.

A store keeps three layers: what was said (payloads, identity sets, sightings), who that makes
(owners, users, stays, refusals, runs), and what was not believed (rejections). The engine makes
every number in here (ids, names); a store keeps rows and finds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from idweave.core.identity import KIND_OF_TYPE, Fact, Identity, Order

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""


class SetKey(NamedTuple):
    """What makes an identity set: the identities that count, strongest first, and for an unbind
    also the identity that its ``distinct_id`` names."""

    identities: tuple[Identity, ...]
    named: Identity | None = None


class Place(NamedTuple):
    """Where a record stands: which stored payload, and which record of it (-1: all)."""

    payload_id: int
    nth: int


class Entry(NamedTuple):
    """One event of a sighting. ``type`` is the record's type as the wire names it, or for facts
    without a record that of their kind; ``nth`` its place in the payload."""

    time_ms: int
    event_id: str
    type: str
    nth: int


def fact_of(entry: Entry, key: SetKey) -> Fact | None:
    """The fact of an entry, from its set; None for an item."""
    kind = KIND_OF_TYPE.get(entry.type)
    if kind is None:
        return None
    distinct_id = None if key.named is None else f"{key.named.key}+{key.named.value}"
    return Fact(entry.time_ms, entry.event_id, kind, key.identities, distinct_id)


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """What one request or imported block said, as gzip of JSON (of the raw request, where that was
    refused as a whole). ``project``: whom its records are for that do not say so themselves.
    ``stated``: facts that we were told without records, in the form of ``engine.stating``."""

    payload_id: int
    project: str
    received_at_ms: int
    body: bytes
    stated: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """The events of one payload that carried one identity set."""

    set_id: int
    payload_id: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class SetRow:
    """A known identity set; ``newest_ms`` is the latest time it was seen at."""

    set_id: int
    group_id: int | None
    newest_ms: int


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """A known identity and the group that it is in."""

    identity_id: int
    identity: Identity
    group_id: int


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group: facts that share identities, directly or through others (RESOLUTION.md §7).
    ``founder`` and ``founder_set`` are those of its one user, None and 0 when contested."""

    group_id: int
    contested: bool
    size: int
    founder: Order | None
    founder_set: int


@dataclass(frozen=True, slots=True)
class UserRow:
    """A name that was given to a user, for ever. ``merged_into`` is the name that it leads to;
    ``gone`` says that a late fact took it away: then it leads where its founding event belongs."""

    name: int
    founder: Order
    founder_set: int
    merged_into: int | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class IdentityState:
    """Who holds an identity now. ``owner`` is a name; the marks are times in ms, or None."""

    identity_id: int
    identity: Identity
    owner: int | None
    life: int = 0
    unbound_ms: int | None = None
    crowded_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StayRow:
    """A past stay of an identity with a user."""

    name: int
    identity_id: int
    identity: Identity
    life: int
    left_ms: int


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """An identity that the rules did not let in; one per home, identity and reason."""

    home: int | None
    identity_id: int
    identity: Identity
    reason: str
    first: Order
    last: Order
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """From ``start`` on, events of this set belong to ``name`` (None: nobody), decided by
    the identity ``anchor_id``; until the next run of the set. Only contested groups have any."""

    set_id: int
    start: Order
    name: int | None
    anchor_id: int | None


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """One record (or request, ``index`` -1) that was kept and not believed."""

    rejection_id: int
    project: str
    code: str
    field: str
    reason: str
    fix: str
    received_at_ms: int
    place: Place


@dataclass(slots=True)
class Changes:
    """Everything that one commit writes, all of it or nothing."""

    payloads: list[PayloadRow] = field(default_factory=list)
    new_identities: list[tuple[str, IdentityRow, int | None]] = field(default_factory=list)
    """Project, row, and the name of its owner."""
    new_sets: list[tuple[str, int, SetKey, tuple[int, ...]]] = field(default_factory=list)
    """Project, set id, key, and the ids of its identities (the named one last)."""
    sightings: list[Sighting] = field(default_factory=list)
    untimed: list[tuple[str, str]] = field(default_factory=list)  # project, event_id
    groups: list[tuple[str, GroupRow]] = field(default_factory=list)
    joined_groups: list[tuple[int, int]] = field(default_factory=list)  # from, into: in order
    group_owners: list[tuple[int, int]] = field(default_factory=list)  # group, name of all in it
    users: list[tuple[str, UserRow]] = field(default_factory=list)  # insert or replace
    gone: list[tuple[str, int]] = field(default_factory=list)  # project, name, where it exists
    identities: list[IdentityState] = field(default_factory=list)
    stays: list[tuple[str, StayRow]] = field(default_factory=list)
    ended_stays: list[tuple[str, int, int, int]] = field(default_factory=list)
    """Project, name, identity id, life: stays that are not so any more."""
    refusals: list[tuple[str, RefusalRow]] = field(default_factory=list)
    ended_refusals: list[tuple[str, int | None, int, str]] = field(default_factory=list)
    """Project, home, identity id, reason: refusals that are not so any more."""
    dropped_runs: list[tuple[int, Order | None]] = field(default_factory=list)
    """Set id, order: runs of the set from there on (None: all) are forgotten, then `runs` come."""
    runs: list[Run] = field(default_factory=list)
    rejections: list[RejectionRow] = field(default_factory=list)
    settled_rejections: list[int] = field(default_factory=list)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)  # project, name → added


@dataclass(frozen=True, slots=True)
class HighMarks:
    """The largest id given so far of each kind, 0 where there is none."""

    payload: int
    identity: int
    set: int
    group: int
    rejection: int


class Store(Protocol):
    """What the engine needs to decide and to write. Called by one thread at a time."""

    def high_marks(self) -> HighMarks:
        """The largest ids in use; asked once, when the engine starts."""
        ...

    def find_sets(self, project: str, keys: Sequence[SetKey]) -> dict[SetKey, SetRow]:
        """The known ones of these sets."""
        ...

    def find_identities(
        self, project: str, identities: Sequence[Identity]
    ) -> dict[Identity, IdentityRow]:
        """The known ones of these identities."""
        ...

    def find_groups(self, group_ids: Sequence[int]) -> dict[int, GroupRow]:
        """These groups."""
        ...

    def find_users(self, project: str, names: Sequence[int]) -> dict[int, str]:
        """Those of these names that were given, each with the event that founded its user."""
        ...

    def members(self, group_id: int) -> list[IdentityRow]:
        """All identities of a group."""
        ...

    def facts(self, group_id: int) -> Iterator[tuple[int, SetKey, Fact]]:
        """All facts of a group with the set of each, in no particular order."""
        ...

    def seen(self, project: str, set_id: int, from_ms: int, to_ms: int) -> set[str]:
        """The event ids of a set in sightings that overlap the time range (ends included)."""
        ...

    def seen_untimed(self, project: str, event_ids: Sequence[str]) -> set[str]:
        """Those of these event ids that were accepted with a time that they did not carry."""
        ...

    def commit(self, changes: Changes) -> None:
        """Write all of it durably, or raise StoreError and write nothing."""
        ...

    def reader(self) -> AbstractContextManager[Reader]:
        """A consistent view of what is committed, for one answer. May be called by any thread."""
        ...


class Reader(Protocol):
    """What answers need: one consistent view. Every list is ordered as its docstring says."""

    def identity(self, project: str, identity: Identity) -> IdentityState | None:
        """The state of an identity, None when it was never seen."""
        ...

    def user(self, project: str, name: int) -> UserRow | None:
        """The row of a name, None when it was never given."""
        ...

    def group_of(self, project: str, identity: Identity) -> int | None:
        """The group that an identity is in, None when it was never seen."""
        ...

    def told(self, group_id: int) -> Iterator[tuple[SetKey, Sighting]]:
        """Everything that was said of a group, each sighting with its set, in no order."""
        ...

    def names_into(self, project: str, name: int) -> list[int]:
        """Names merged directly into this one, ascending."""
        ...

    def held(self, project: str, name: int) -> list[IdentityState]:
        """Identities that the user holds now, by key and value."""
        ...

    def stays(self, project: str, names: Sequence[int]) -> list[StayRow]:
        """Past stays with any of these names, by time left, key, value."""
        ...

    def last_stay(self, identity_id: int) -> int | None:
        """The name that an identity stayed with last, of stays that ended; None: it had none."""
        ...

    def refusals(
        self, project: str, names: Sequence[int] | None, after: int, limit: int
    ) -> list[RefusalRow]:
        """Refusals (of these homes, or of all), most recent first, skipping ``after``."""
        ...

    def sets_of(self, identity_ids: Sequence[int]) -> list[int]:
        """Sets that hold any of these identities, ascending."""
        ...

    def set_members(self, set_id: int) -> list[IdentityState]:
        """The identities of a set, strongest first (an unbind's named one is left out)."""
        ...

    def runs(self, set_ids: Sequence[int]) -> list[Run]:
        """The runs of these sets, by set and start."""
        ...

    def run_sets(self, project: str, names: Sequence[int], anchor_ids: Sequence[int]) -> list[int]:
        """Sets of the project with a run that names any of these users or anchors, ascending."""
        ...

    def seen_range(self, identity_id: int) -> tuple[int, int] | None:
        """First and last time (ms) that an identity was seen in any set, unbinds included."""
        ...

    def sightings(self, set_ids: Sequence[int], until_ms: int) -> Iterator[Sighting]:
        """Sightings of these sets that begin no later than ``until_ms``, latest end first."""
        ...

    def payload(self, payload_id: int) -> PayloadRow | None:
        """What was said under this number, None where nothing was."""
        ...

    def rejections(
        self, project: str | None, after: int, limit: int, ids: Sequence[int] | None = None
    ) -> list[RejectionRow]:
        """Open rejections (of one project, or all; only these ids) with an id > after, by id."""
        ...

    def counters(self, project: str | None) -> dict[tuple[str, str], int]:
        """The counters of one project, or of all."""
        ...

    def projects(self) -> list[str]:
        """The projects that anything was said of, by name."""
        ...

    def users(self, project: str) -> Iterable[UserRow]:
        """All live users of a project by name."""
        ...

    def largest(self, project: str, limit: int) -> list[tuple[int, int]]:
        """Users with the most identities: name and count, most first, then by name."""
        ...

    def log(self) -> Iterator[Sighting]:
        """All sightings by payload, in order of writing."""
        ...

    def tallies(self, project: str) -> tuple[int, int]:
        """How many live users and how many identities a project has."""
        ...

    def store_bytes(self) -> int:
        """How much room the store takes on disk (or would)."""
        ...
