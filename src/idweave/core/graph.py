"""The user graph as a value with exact undo: who holds what now, and what was refused.

Rules live in ``resolve.py``; here are only the moves they make. Every move goes through
:meth:`Graph.put` and :meth:`Graph.drop`, which remember what was there before, so that a graph
can be taken back to any earlier mark. Nothing here depends on the order of a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from .identity import Identity, Order

User = Order
"""A user is known by the order of the fact that founded it."""


class Reason(StrEnum):
    """Why an identity of a fact was not let in."""

    APART = "apart"
    CROWDED = "crowded"
    TAKEN = "taken"
    FULL = "full"
    UNBOUND = "unbound"
    UNKNOWN = "unknown"
    NOT_OWNER = "not_owner"


class RefusalKey(NamedTuple):
    """What refusals are counted by. ``home`` is None where no user asked."""

    home: User | None
    identity: Identity
    reason: Reason


class Seen(NamedTuple):
    """First and last fact of a refusal, and how many there were."""

    first: Order
    last: Order
    times: int

    def __add__(self, other: object) -> Seen:
        if not isinstance(other, Seen):
            return NotImplemented
        first, last = min(self.first, other.first), max(self.last, other.last)
        return Seen(first, last, self.times + other.times)


class Mark(NamedTuple):
    """That identities are unbound: when they left, and all that left together."""

    left: Order
    together: tuple[Identity, ...]


class Stay(NamedTuple):
    """A past stay of an identity with a user, as the user remembers it."""

    user: User
    identity: Identity
    life: int


Trail = list[tuple[dict[Any, Any], Any, Any]]
"""Moves of one step, oldest first: the table, the cell, and what was in it before."""


class _Missing:
    """What was there before, where nothing was."""


_MISSING = _Missing()


@dataclass(slots=True)
class Touched:
    """What changed since somebody last asked: the rows that a store has to write again."""

    identities: set[Identity]
    users: set[User]
    refusals: set[RefusalKey]
    stays: set[Stay]

    @classmethod
    def nothing(cls) -> Touched:
        """An empty one."""
        return cls(set(), set(), set(), set())

    def copy(self) -> Touched:
        """Another one with the same in it."""
        return Touched(*(set(getattr(self, name)) for name in self.__slots__))


class Graph:
    """Who holds what. Read the tables freely; change them only by the methods."""

    __slots__ = (
        "askers",
        "crowded",
        "former",
        "held",
        "life",
        "marks",
        "mates",
        "owner",
        "redirect",
        "refusals",
        "refused",
        "touched",
        "trail",
    )

    def __init__(self) -> None:
        self.owner: dict[Identity, User] = {}
        self.held: dict[User, dict[str, dict[str, Order]]] = {}  # user → key → value → joined
        self.life: dict[Identity, int] = {}  # stays that ended
        self.former: dict[Stay, int] = {}  # → time it left, ms
        self.redirect: dict[User, User] = {}
        self.marks: dict[Identity, Mark] = {}
        self.mates: dict[Identity, Identity] = {}  # → what it goes by
        self.crowded: dict[Identity, Order] = {}  # → since when
        self.askers: dict[Identity, frozenset[User]] = {}
        self.refusals: dict[RefusalKey, Seen] = {}
        self.refused: dict[User, frozenset[RefusalKey]] = {}  # by home
        self.trail: Trail = []
        self.touched = Touched.nothing()

    # -- undo ---------------------------------------------------------------------------------

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set one cell and remember what was there."""
        self.trail.append((table, key, table.get(key, _MISSING)))
        table[key] = value
        self._touch(table, key)

    def drop(self, table: dict[Any, Any], key: Any) -> None:
        """Empty one cell and remember what was there."""
        if key in table:
            self.trail.append((table, key, table.pop(key)))
            self._touch(table, key)

    def undo(self, trail: Trail) -> None:
        """Take back the moves of one step. Steps are undone in reverse order. The trail is turned
        round: undone again, it does the moves again."""
        trail.reverse()
        for place, (table, key, before) in enumerate(trail):
            trail[place] = (table, key, table.get(key, _MISSING))
            if before is _MISSING:
                del table[key]
            else:
                table[key] = before
            self._touch(table, key)

    def changes(self, trail: Trail) -> bool:
        """Whether moves change what later facts meet; refusals are only counted."""
        return any(table is not self.refusals and table is not self.refused for table, *_ in trail)

    def homes(self, trail: Trail) -> set[User | None]:
        """The users whose refusals moves count or hand on."""
        found: set[User | None] = set()
        for table, key, _ in trail:
            if table is self.refusals:
                found.add(key.home)
            elif table is self.refused or table is self.redirect:
                found.add(key)
        return found

    def _touch(self, table: dict[Any, Any], key: Any) -> None:
        if table is self.refusals:
            self.touched.refusals.add(key)
        elif table is self.former:
            self.touched.stays.add(key)
        elif table is self.refused:
            return
        elif table is self.redirect or table is self.held:
            self.touched.users.add(key)
        elif isinstance(key, Identity):
            self.touched.identities.add(key)

    def take_touched(self) -> Touched:
        """What changed since the last call; forgets it."""
        touched, self.touched = self.touched, Touched.nothing()
        return touched

    def absorb(self, other: Graph, trails: Iterable[Trail]) -> None:
        """Take over a graph that shares no identity with this one, and the trails of its steps,
        which are rewritten in place to undo here. ``other`` is not used again."""
        tables = {}
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                mine.update(theirs)
                tables[id(theirs)] = mine
        for trail in trails:
            trail[:] = [(tables.get(id(table), table), *rest) for table, *rest in trail]
        for name in Touched.__slots__:
            getattr(self.touched, name).update(getattr(other.touched, name))

    # -- questions ----------------------------------------------------------------------------

    def find(self, user: User) -> User:
        """The user that this one is now, merges followed."""
        while user in self.redirect:
            user = self.redirect[user]
        return user

    def values(self, user: User, key: str) -> dict[str, Order]:
        """The values of a key that a user holds, each with the order of the fact it joined by."""
        return self.held[user].get(key, {})

    def users(self) -> Iterator[User]:
        """All users that were not merged into another, empty ones too, by founder."""
        return (user for user in sorted(self.held) if user not in self.redirect)

    def members(self, user: User) -> list[Identity]:
        """All identities of a user, sorted."""
        held = self.held[user].items()
        return sorted(Identity(key, value) for key, values in held for value in values)

    # -- moves --------------------------------------------------------------------------------

    def found(self, user: User) -> User:
        """A new user, empty."""
        self.put(self.held, user, {})
        return user

    def join(self, user: User, identity: Identity, joined: Order) -> None:
        """An identity that nobody owns begins a stay with a user."""
        self._hold(user, identity, joined)
        self.put(self.owner, identity, user)

    def part(self, identity: Identity, time_ms: int) -> User:
        """An identity's stay ends; the user remembers it. Returns that user."""
        user = self.owner[identity]
        life = self.life.get(identity, 0)
        self.drop(self.held[user][identity.key], identity.value)
        self.drop(self.owner, identity)
        self.put(self.life, identity, life + 1)
        self.put(self.former, Stay(user, identity, life), time_ms)
        return user

    def merge(self, one: User, other: User) -> User:
        """Two users become one: the earlier founded survives, with its name. Stays go on, and what
        one of them was refused is now refused to both."""
        survivor, absorbed = min(one, other), max(one, other)
        for identity in self.members(absorbed):
            joined = self.held[absorbed][identity.key][identity.value]
            self._hold(survivor, identity, joined)
            self.put(self.owner, identity, survivor)
        self.put(self.held, absorbed, {})
        self.put(self.redirect, absorbed, survivor)
        for key in sorted(self.refused.get(absorbed, ())):
            self._count(key._replace(home=survivor), self.refusals[key])
            self.drop(self.refusals, key)
        self.drop(self.refused, absorbed)
        return survivor

    def refuse(self, home: User | None, identity: Identity, reason: Reason, by: Order) -> None:
        """Count a refusal."""
        self._count(RefusalKey(home, identity, reason), Seen(by, by, 1))

    def _count(self, key: RefusalKey, seen: Seen) -> None:
        before = self.refusals.get(key)
        self.put(self.refusals, key, seen if before is None else before + seen)
        if before is None and key.home is not None:
            others = self.refused.get(key.home, frozenset())
            self.put(self.refused, key.home, others | {key})

    def _hold(self, user: User, identity: Identity, joined: Order) -> None:
        values = self.held[user].get(identity.key)
        if values is None:
            values = {}
            self.put(self.held[user], identity.key, values)
        self.put(values, identity.value, joined)
