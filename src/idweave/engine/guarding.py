"""The collapse guard: users and identities that look like many people taken for one.

Read from the facts of each group, one group at a time. Every row has its numbers and says what to
do about it; nothing is done by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from idweave.core.graph import User
from idweave.core.identity import Identity
from idweave.core.policy import Policy
from idweave.core.trace import Decision
from idweave.ports import Reader

from .telling import Story, all_groups

ROWS_MAX = 20
"""Rows of each list: the worst come first, and who mends those asks again."""

SHARED_MIN = 3
"""People that carried one identity before it is called shared: two are a couple with one phone."""

BRIDGED_MIN = 3
"""Identities that each side of a merge held before it is called a bridge: a visitor who signs in
brings one or two."""

GROWTH_MS = 7 * 24 * 3600 * 1000
"""How far back growth is counted, from the newest event on: a week has every kind of day in it."""


@dataclass(frozen=True, slots=True)
class SuspiciousUser:
    """A user by its size: identities now, of these joined in the last week, and people in it
    (values of the strongest key)."""

    canonical_id: str
    identities: int
    joined_lately: int
    people: int
    fix: str


@dataclass(frozen=True, slots=True)
class SharedIdentity:
    """An identity that events carried together with several people."""

    key: str
    value: str
    people: int
    events: int
    fix: str


@dataclass(frozen=True, slots=True)
class CrowdedIdentity:
    """An identity that too many users asked for, since when, who holds it, and who asked."""

    key: str
    value: str
    since_ms: int
    holder: str | None
    askers: tuple[str, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class BridgeEvent:
    """An event that made one user of two that were both more than a visit: how many identities
    each held."""

    reference: str
    survivor: str
    absorbed: str
    survivor_identities: int
    absorbed_identities: int
    fix: str


@dataclass(frozen=True, slots=True)
class KeyWithoutPerson:
    """A key most of whose identities belong to users without a value of the strongest key."""

    key: str
    identities: int
    without_person: int
    fix: str


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What looks suspicious in a project. ``person_keys``: the strongest keys, which tell people
    apart."""

    project: str
    person_keys: tuple[str, ...]
    largest: tuple[SuspiciousUser, ...]
    growing: tuple[SuspiciousUser, ...]
    shared: tuple[SharedIdentity, ...]
    crowded: tuple[CrowdedIdentity, ...]
    bridges: tuple[BridgeEvent, ...]
    without_person: tuple[KeyWithoutPerson, ...]


FIXES = {
    "user": "`idweave how {name}` tells how it was made; retract the event that went too far.",
    "shared": "Give {key} a `conflicts_max`, or block this value if it is nobody's.",
    "crowded": "Release it if it is one person's after all; block it if it is nobody's.",
    "bridge": "`idweave operator retract {name} --dry-run` shows what undoing it would do.",
    "key": "Send {person} with the events that carry {key}, at the latest when a person signs in.",
}
"""What to do about each."""


class Guard:
    """Gathers the report of one project, group by group."""

    def __init__(self, project: str, policy: Policy) -> None:
        self._project = project
        self._policy = policy
        best = min((rule.rank for rule in policy.keys if rule.enabled), default=0)
        self._person = {rule.key for rule in policy.keys if rule.enabled and rule.rank == best}
        self._users: list[SuspiciousUser] = []
        self._shared: list[SharedIdentity] = []
        self._crowded: list[CrowdedIdentity] = []
        self._bridges: list[BridgeEvent] = []
        self._held: Counter[str] = Counter()
        self._lonely: Counter[str] = Counter()

    def report(self, reader: Reader, newest_ms: int) -> GuardReport:
        """Look at every group; growth is counted up to the newest event."""
        for groups in all_groups(reader, self._project):
            story = Story(reader, self._project, self._policy, groups)
            self._look_at_users(story, newest_ms - GROWTH_MS)
            self._look_at_identities(story)
            self._look_at_merges(story)
            self._trim()
        return GuardReport(
            self._project,
            tuple(sorted(self._person)),
            tuple(_worst(self._users, lambda row: row.identities)),
            tuple(_worst(self._users, lambda row: row.joined_lately)),
            tuple(_worst(self._shared, lambda row: row.people)),
            tuple(_worst(self._crowded, lambda row: len(row.askers))),
            tuple(_worst(self._bridges, _bridged)),
            tuple(self._keys()),
        )

    def _look_at_users(self, story: Story, since_ms: int) -> None:
        graph = story.trace.graph
        for user in graph.users():
            members = graph.members(user)
            people = sum(one.key in self._person for one in members)
            lately = sum(graph.held[user][one.key][one.value].time_ms > since_ms for one in members)
            for one in members:
                self._held[one.key] += 1
                self._lonely[one.key] += not people
            if len(members) > 1:
                name = story.name(user)
                fix = FIXES["user"].format(name=name)
                self._users.append(SuspiciousUser(name, len(members), lately, people, fix))

    def _look_at_identities(self, story: Story) -> None:
        graph = story.trace.graph
        people: dict[Identity, set[Identity]] = defaultdict(set)
        events: Counter[Identity] = Counter()
        for done in story.trace.decisions:
            carried = self._policy.effective(done.fact.identities)
            persons = {one for one in carried if one.key in self._person}
            for one in carried:
                if one.key not in self._person and persons:
                    people[one] |= persons
                    events[one] += 1
        for one, persons in sorted(people.items()):
            if len(persons) >= SHARED_MIN:
                fix = FIXES["shared"].format(key=one.key)
                self._shared.append(SharedIdentity(*one, len(persons), events[one], fix))
        for one, since in sorted(graph.crowded.items()):
            holder = graph.owner.get(one)
            askers = sorted({story.name(asker) for asker in graph.askers.get(one, ())})
            name = None if holder is None else story.name(holder)
            row = CrowdedIdentity(*one, since.time_ms, name, tuple(askers), FIXES["crowded"])
            self._crowded.append(row)

    def _look_at_merges(self, story: Story) -> None:
        sizes: Counter[User] = Counter()
        for done in story.trace.decisions:
            grown = _grown(done)
            for survivor, absorbed in done.merged:
                if min(sizes[survivor], sizes[absorbed]) >= BRIDGED_MIN:
                    self._bridges.append(_bridge(story, done, (survivor, absorbed), sizes))
                sizes[survivor] += sizes.pop(absorbed, 0)
            for user, more in grown.items():
                sizes[user] += more

    def _keys(self) -> Iterable[KeyWithoutPerson]:
        """Keys of which more than half have nobody's name, most identities first."""
        rows = [
            KeyWithoutPerson(key, held, lonely, self._fix_of(key))
            for key, held in self._held.items()
            if (lonely := self._lonely[key]) * 2 > held
        ]
        return _worst(rows, lambda row: row.without_person)

    def _fix_of(self, key: str) -> str:
        return FIXES["key"].format(person=" or ".join(sorted(self._person)), key=key)

    def _trim(self) -> None:
        """Keep what may still be among the worst."""
        if len(self._users) > 10 * ROWS_MAX:
            largest = _worst(self._users, lambda row: row.identities)
            growing = _worst(self._users, lambda row: row.joined_lately)
            self._users = list(dict.fromkeys([*largest, *growing]))
        self._shared = _worst(self._shared, lambda row: row.people)
        self._crowded = _worst(self._crowded, lambda row: len(row.askers))
        self._bridges = _worst(self._bridges, _bridged)


Row = TypeVar("Row")


def _worst(rows: Iterable[Row], size: Callable[[Row], int]) -> list[Row]:
    """The rows of the greatest size, in one order."""
    return sorted(rows, key=lambda row: (-size(row), repr(row)))[:ROWS_MAX]


def _bridged(row: BridgeEvent) -> int:
    return min(row.survivor_identities, row.absorbed_identities)


def _grown(done: Decision) -> Counter[User]:
    """How many identities more or fewer each user holds by an event, merges left out."""
    grown: Counter[User] = Counter(stay.user for stay in done.joined)
    grown.subtract(stay.user for stay in done.left)
    return grown


def _bridge(
    story: Story, done: Decision, users: tuple[User, User], sizes: Counter[User]
) -> BridgeEvent:
    reference = f"{done.fact.time_ms}-{done.fact.event_id}"
    survivor, absorbed = (str(story.own_name(user)) for user in users)
    fix = FIXES["bridge"].format(name=reference)
    return BridgeEvent(reference, survivor, absorbed, sizes[users[0]], sizes[users[1]], fix)


def newest_ms(reader: Reader, project: str) -> int:
    """The time of the newest event of a project, 0 where there is none."""
    times = (
        entry.time_ms
        for group in reader.groups(project)
        for _, sighting in reader.told(group)
        for entry in sighting.entries
    )
    return max(times, default=0)
