"""The two protocols: who decides and writes, and who answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from idweave.core.identity import Fact, Identity

from .rows import (
    Changes,
    Erased,
    FeedRow,
    GroupRow,
    HighMarks,
    IdentityRow,
    IdentityState,
    OperatorRow,
    PayloadRow,
    PolicyRow,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    SetRow,
    Sighting,
    StayRow,
    UserRow,
)


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

    def find_users(self, project: str, names: Sequence[int]) -> dict[int, UserRow]:
        """Those of these names that were given."""
        ...

    def find_owners(self, identity_ids: Sequence[int]) -> dict[int, int | None]:
        """The name of who holds each of these identities (None: nobody); only known ones."""
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

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        """Write all of it durably, or raise StoreError and write nothing. Several are written one
        after the other as they come, and whoever makes them may ask meanwhile."""
        ...

    def scrub(self) -> None:
        """Leave no byte of what was deleted anywhere on the disk. Takes time and room like a copy
        of the store. Raises StoreError; what is due then is done when the store is opened next."""
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

    def groups(self, project: str) -> list[int]:
        """All groups of a project, ascending."""
        ...

    def groups_behind(self, group_id: int) -> list[int]:
        """The groups of identities that sets of this group carry without being tied to them:
        identities that are crowded there; ascending."""
        ...

    def loose_groups(self, group_id: int) -> list[tuple[int, int]]:
        """The ids of identities of this group that are in sets of other groups, without tying
        them to this, each with such a group; ascending."""
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

    def payloads(self) -> Iterator[PayloadRow]:
        """Everything that was said, by number."""
        ...

    def erased(self) -> Erased:
        """What is remembered of erasures, by project and digest or name."""
        ...

    def rejections(
        self, project: str | None, after: int, limit: int, ids: Sequence[int] | None = None
    ) -> list[RejectionRow]:
        """Open rejections (of one project, or all; only these ids) with an id > after, by id."""
        ...

    def operators(self, project: str | None) -> list[OperatorRow]:
        """What operators stated of one project, or of all, removed ones included, by id."""
        ...

    def policies(self, project: str | None) -> list[PolicyRow]:
        """The policies that held in one project, or in each, up to the one in force, by number."""
        ...

    def unlinked(self, project: str) -> list[Sighting]:
        """The sightings of what links nothing: items, and facts of which nothing counts."""
        ...

    def find_event(self, project: str, event_id: str) -> list[tuple[SetKey, Sighting]]:
        """The sightings that hold an event, with their sets, by payload; looks at all of them."""
        ...

    def counters(self, project: str | None) -> dict[tuple[str, str], int]:
        """The counters of one project, or of all."""
        ...

    def projects(self) -> list[str]:
        """The projects that anything was said of, by name."""
        ...

    def feed(self, project: str, after: int, limit: int) -> list[FeedRow]:
        """The changes of a project with a number > ``after``, by number."""
        ...

    def feed_end(self, project: str) -> int:
        """The number of the last change of a project, 0 where there is none."""
        ...

    def users(self, project: str) -> Iterable[UserRow]:
        """All live users of a project by name."""
        ...

    def old_names(self, project: str) -> Iterable[int]:
        """All names that were given and are no live user's any more, ascending."""
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
