"""What stores keep and give back, as rows: plain values, without a store's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from idweave.core.identity import KIND_OF_TYPE, Fact, Identity, Kind, Order


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
    """A known identity set; ``newest_ms`` is the latest time it was seen at. ``loose_after_ms``:
    its later facts do not tie it to the groups of its crowded identities (None: all tie it)."""

    set_id: int
    group_id: int | None
    newest_ms: int
    loose_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """A known identity, the group that it is in, and since when it is crowded."""

    identity_id: int
    identity: Identity
    group_id: int
    crowded_ms: int | None = None


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


NOBODYS = Order(0, Kind.OBSERVE, "")
"""The founder of a name whose user was erased: no event has an empty id."""


def is_erased(row: UserRow) -> bool:
    """Whether a name was of somebody who was erased: then it leads to nobody."""
    return row.founder == NOBODYS


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


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """What an operator stated (RESOLUTION.md §8), for ever; ``removed_ms`` says that it does not
    hold any more. ``event_id``: of the fact that was stated, or of the event that is retracted."""

    operator_id: int
    project: str
    kind: str
    identities: tuple[Identity, ...]
    event_id: str
    time_ms: int | None
    author: str
    reason: str
    stated_ms: int
    removed_ms: int | None = None
    removed_by: str = ""
    removed_because: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    """Of an erasure: how much of what went. It says nothing of whom."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is refused for ever since an erasure: the keyed ``digest`` of an identity, or of an
    event, and up to which time (None: at any). ``whole``: all that carries the identity, not only
    what it is the strongest of. Nobody can read the identity in it."""

    project: str
    digest: bytes
    until_ms: int | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Erased:
    """What a store remembers of erasures: the key of its digests (empty before the first one),
    what is refused since, and the names that nobody gets again, each with its project."""

    key: bytes = b""
    suppressed: tuple[Suppressed, ...] = ()
    names: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy that a project's graph was made under from ``since_ms`` on, until the next one of
    the project; ``text`` is a policy file. Numbers are of all projects, ascending."""

    number: int
    project: str
    name: str
    text: str
    author: str
    reason: str
    since_ms: int


class ChangeKind(StrEnum):
    """What the feed tells of a user."""

    CREATED = "created"
    JOINED = "joined"
    LEFT = "left"
    MERGED = "merged"
    SPLIT = "split"
    RENAMED = "renamed"
    GONE = "gone"
    ERASED = "erased"


class Change(NamedTuple):
    """One change of who is who (docs/decisions/0017). ``other``: the name that leads to ``user``
    now (``merged``, ``renamed``), or the user that it came from (``split``, ``joined``).
    ``reason``: of ``left``. ``event``: the reference of what caused it, or empty; ``operator_id``:
    0 for nobody. ``identity`` is None where the change is about a user, and where it was erased."""

    kind: ChangeKind
    user: int
    other: int | None = None
    identity: Identity | None = None
    reason: str = ""
    event: str = ""
    operator_id: int = 0


class FeedRow(NamedTuple):
    """A change in its place: ``seq`` counts the changes of a project from 1, without holes."""

    seq: int
    recorded_at_ms: int
    change: Change


@dataclass(slots=True)
class Changes:
    """Everything that one commit writes, all of it or nothing."""

    dropped_groups: list[int] = field(default_factory=list)
    """Forgotten before anything else: these groups, their identities and sets, and all that was
    seen and made of them. Names stay as they are, and payloads."""
    dropped_sightings: list[Sighting] = field(default_factory=list)
    """Sightings that are forgotten, before anything else: these very entries."""
    payloads: list[PayloadRow] = field(default_factory=list)
    new_identities: list[tuple[str, IdentityRow, int | None]] = field(default_factory=list)
    """Project, row, and the name of its owner."""
    new_sets: list[tuple[str, int, SetKey, tuple[int, ...]]] = field(default_factory=list)
    """Project, set id, key, and the ids of its identities (the named one last)."""
    loose_sets: list[tuple[int, int, int]] = field(default_factory=list)
    """Of new sets: the id, that of an identity of the group that it is in (others have their
    first), and the time after which its facts are not tied to the groups of the others."""
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
    operators: list[OperatorRow] = field(default_factory=list)  # insert or replace
    policies: list[PolicyRow] = field(default_factory=list)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)  # project, name → added
    dropped_payloads: list[int] = field(default_factory=list)
    edited_payloads: list[tuple[int, bytes]] = field(default_factory=list)  # number, new body
    dropped_untimed: list[tuple[str, str]] = field(default_factory=list)  # project, event_id
    dropped_operators: list[int] = field(default_factory=list)
    erased_identities: list[tuple[str, Identity]] = field(default_factory=list)
    """Of this erasure, for whoever keeps anything else that names them. Not kept themselves; with
    any of them the store notes that it is to be scrubbed."""
    erased: Erased | None = None
    """What is remembered of an erasure, added to what is remembered already. Its names lead to
    nobody, whatever ``users`` says."""
    forgotten: list[tuple[str, frozenset[Identity]]] = field(default_factory=list)
    """Project, identities: rows of the feed that name them lose identity and event, and stay."""
    feed: list[tuple[str, int, Sequence[Change]]] = field(default_factory=list)
    """Project, time of recording in ms, changes: added to the project's feed, in this order."""


@dataclass(frozen=True, slots=True)
class HighMarks:
    """The largest id given so far of each kind, 0 where there is none."""

    payload: int
    identity: int
    set: int
    group: int
    rejection: int
