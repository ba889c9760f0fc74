"""The past as it was: who was who at an instant of event time, or as known at a log position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from idweave.core.difference import Difference, difference
from idweave.core.errors import Conflict, NotFound
from idweave.core.graph import Graph, User
from idweave.core.identity import Identity
from idweave.core.policy import Policy
from idweave.core.resolve import Resolution, resolve
from idweave.ports import Reader

from .reading import canonical_number
from .telling import Told, all_groups, groups_of, stored_name, told_of


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in the past. ``time_ms``: events that happened up to then (None: all);
    ``position``: what had been received up to this payload of the log (None: all)."""

    time_ms: int | None = None
    position: int | None = None

    def holds(self, told: Told) -> bool:
        """Whether a fact had happened, and had been heard of."""
        if self.time_ms is not None and told.fact.time_ms > self.time_ms:
            return False
        return self.position is None or told.place.payload_id <= self.position

    def __str__(self) -> str:
        words = [] if self.time_ms is None else [f"at {self.time_ms} ms"]
        words += [] if self.position is None else [f"at log position {self.position}"]
        return " and ".join(words) or "now"


NOW = Instant()


@dataclass(frozen=True, slots=True)
class PastHeld:
    """An identity that a user held then, and since when."""

    key: str
    value: str
    joined_at_ms: int
    life: int


@dataclass(frozen=True, slots=True)
class PastFormer:
    """An identity that had left a user by then."""

    key: str
    value: str
    life: int
    left_at_ms: int


@dataclass(frozen=True, slots=True)
class PastUser:
    """A user as it was. ``canonical_id`` is its name then; ``events`` how many belonged to it."""

    canonical_id: str
    founded_at_ms: int
    identities: tuple[PastHeld, ...]
    former: tuple[PastFormer, ...]
    events: int


@dataclass(frozen=True, slots=True)
class PastIdentity:
    """Who held an identity then; ``user`` is None where nobody did."""

    key: str
    value: str
    user: PastUser | None
    unbound_at_ms: int | None
    crowded_since_ms: int | None


@dataclass(frozen=True, slots=True)
class PastEvent:
    """Whose an event was, as seen from then: its user, and the identity that decided."""

    reference: str
    canonical_id: str | None
    key: str | None
    value: str | None


class View(NamedTuple):
    """One consistent view of a project, under its rules."""

    reader: Reader
    project: str
    policy: Policy


class Past:
    """The facts of some groups as they were at an instant."""

    def __init__(self, view: View, groups: list[int], at: Instant) -> None:
        self._view = view
        self.at = at
        everything = told_of(view.reader, groups)
        self.told = [told for told in everything if at.holds(told)]
        self._first_ms = everything[0].fact.time_ms if everything else None
        facts = (told.fact for told in self.told)
        self._resolution: Resolution = resolve(facts, view.policy)

    @property
    def graph(self) -> Graph:
        """Who held what."""
        return self._resolution.graph

    def name(self, user: User) -> str:
        """The name of a user of then."""
        return str(stored_name(self._view.reader, self._view.project, user))

    def identity(self, identity: Identity) -> PastIdentity:
        """Who held an identity. Raises NotFound where it had not been seen yet."""
        if not any(identity in told.fact.identities for told in self.told):
            raise self._unknown(str(identity))
        owner, mark = self.graph.owner.get(identity), self.graph.marks.get(identity)
        crowded = self.graph.crowded.get(identity)
        return PastIdentity(
            *identity,
            None if owner is None else self.user(owner),
            None if mark is None else mark.left.time_ms,
            None if crowded is None else crowded.time_ms,
        )

    def user(self, user: User) -> PastUser:
        """A live user of then."""
        graph = self.graph
        former = sorted(
            (left_ms, stay.identity, stay.life)
            for stay, left_ms in graph.former.items()
            if graph.find(stay.user) == user
        )
        homes = (self._resolution.home(event_id) for event_id in self._resolution.outcomes)
        return PastUser(
            self.name(user),
            user.time_ms,
            tuple(
                PastHeld(*one, graph.held[user][one.key][one.value].time_ms, graph.life.get(one, 0))
                for one in graph.members(user)
            ),
            tuple(PastFormer(*identity, life, left_ms) for left_ms, identity, life in former),
            sum(home == user for home in homes),
        )

    def named(self, name: int) -> PastUser:
        """The user that a name led to then. Raises NotFound."""
        for user in self.graph.held:
            if stored_name(self._view.reader, self._view.project, user) == name:
                return self.user(self.graph.find(user))
        raise self._unknown(f"A user called {name}")

    def event(self, event_id: str) -> PastEvent:
        """Whose an event was. Raises NotFound."""
        for told in self.told:
            if told.fact.event_id == event_id:
                home = self._resolution.home(event_id)
                anchor = self._resolution.outcomes[event_id].anchor
                return PastEvent(
                    f"{told.fact.time_ms}-{event_id}",
                    None if home is None else self.name(home),
                    *(anchor or (None, None)),
                )
        raise self._unknown(f"Event {event_id[:100]}")

    def _unknown(self, what: str) -> NotFound:
        fix = "Ask for a later instant."
        if self._first_ms is not None:
            fix = f"The first event that has to do with it is of {self._first_ms} ms. {fix}"
        return NotFound(f"{what} was not known {self.at}.", fix=fix)


def groups_of_event(reader: Reader, project: str, event: str) -> tuple[str, list[int]]:
    """The id of an event that is named by its reference or id, and its group. Raises NotFound."""
    time_ms, dash, rest = event.partition("-")
    event_id = rest if dash and time_ms.isascii() and time_ms.isdigit() else event
    for key, _ in reader.find_event(project, event_id):
        if key.identities:
            return event_id, groups_of(reader, project, key.identities)
    fix = "Name an event as `idweave events` shows it: time-event_id."
    raise NotFound(f"No event {event[:100]!r} links anything in {project!r}.", fix=fix)


def groups_of_name(reader: Reader, project: str, canonical_id: str) -> tuple[int, list[int]]:
    """The number of a name, and the group of its founding event. Raises NotFound."""
    name = canonical_number(canonical_id)
    row = reader.user(project, name)
    if row is None:
        fix = "Look the user up by one of its identities."
        raise NotFound(f"No user of project {project!r} was ever called {name}.", fix=fix)
    members = reader.set_members(row.founder_set)
    return name, groups_of(reader, project, (state.identity for state in members))


def differences(view: View, between: tuple[Instant, Instant]) -> Iterator[Difference]:
    """What differs between two instants, group by group."""
    for groups in all_groups(view.reader, view.project):
        told = told_of(view.reader, groups)
        before, after = (
            resolve((one.fact for one in told if at.holds(one)), view.policy).graph
            for at in between
        )
        yield difference(before, after)


def check_order(between: tuple[Instant, Instant]) -> None:
    """Raise Conflict where the first of two instants is the later one."""
    for name in ("time_ms", "position"):
        first, then = (getattr(at, name) for at in between)
        if then is not None and (first is None or first > then):
            fix = "Name the earlier instant first."
            raise Conflict(f"The second instant is before the first: {then}.", fix=fix)
