"""Contested groups, folded by the one law: every fact in order through ``core.resolve.step``.

Most facts of a contested group repeat what is known. A shape whose last step changed nothing but
refusal counts does so again until something is moved that the step looked at: one of its
identities, or a user that holds one. Until then the step is not taken, only counted
(RESOLUTION.md §7: they change nothing and cost one look-up).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from idweave.core.graph import Graph, Reason, RefusalKey, Seen, Trail
from idweave.core.identity import ENDING_KINDS, Fact, Identity, Order
from idweave.core.policy import Policy
from idweave.core.resolve import Outcome, first_name, step

from .shape import Shape

NOBODY = -1

REASONS = tuple(Reason)

Numbers: TypeAlias = "array[int]"
"""Whole numbers of 64 bits: an eighth of the memory of a list, and quickly handed on."""


def _numbers() -> Numbers:
    return array("q")


Row = tuple[int, int]
"""One fact of a group: the number of its event and that of its shape."""


class Known:
    """What a shape came to, as of change number ``asof``; how often that was since, from where to
    where; and the refusals that each time counts."""

    __slots__ = ("asof", "first", "last", "outcome", "refusals", "times")

    def __init__(self, outcome: Outcome, asof: int, refusals: tuple[RefusalKey, ...]) -> None:
        self.outcome = outcome
        self.asof = asof
        self.refusals = refusals
        self.times = 0
        self.first = self.last = NOBODY


class Fold:
    """One group on its way through the law. ``fact(event, shape)`` gives a fact when needed."""

    def __init__(self, policy: Policy, shapes: Sequence[Shape], fact: Callable[..., Fact]) -> None:
        self.graph = Graph()
        self.outcomes: list[Outcome] = []
        self.event_of: dict[Order, int] = {}
        self._policy = policy
        self._shapes = shapes
        self._fact = fact
        self._known: dict[int, Known] = {}
        self._changes = 0
        self._changed: dict[object, int] = {}

    def run(self, rows: Sequence[Row]) -> None:
        """Apply facts that are in order; none may repeat another's event id."""
        for event, shape in rows:
            known = self._known.get(shape)
            if known is not None and self._holds(known, shape):
                if not known.times:
                    known.first = event
                known.last = event
                known.times += 1
                self.outcomes.append(known.outcome)
            else:
                self.outcomes.append(self._step(event, shape))
        for shape in sorted(self._known):
            self._settle(self._known[shape], shape)

    def _holds(self, known: Known, shape: int) -> bool:
        """Whether nothing that the step looked at was moved since."""
        asof, changed = known.asof, self._changed
        if asof == self._changes:
            return True
        owner = self.graph.owner
        for identity in self._shapes[shape].identities:
            if changed.get(identity, 0) > asof:
                return False
            holder = owner.get(identity)
            if holder is not None and changed.get(holder, 0) > asof:
                return False
        known.asof = self._changes
        return True

    def _step(self, event: int, shape: int) -> Outcome:
        graph, fact = self.graph, self._fact(event, shape)
        before = self._known.pop(shape, None)
        if before is not None:
            self._settle(before, shape)
        self.event_of[fact.order] = event
        graph.trail = []
        outcome = step(graph, fact, self._policy)
        if self._note(graph.trail) or fact.kind in ENDING_KINDS:  # those ask for a claimant, too
            return outcome
        refusals = tuple(key for table, key, _ in graph.trail if table is graph.refusals)
        self._known[shape] = Known(outcome, self._changes, refusals)
        return outcome

    def _note(self, trail: Trail) -> bool:
        """Whether anything was moved but refusals; each identity and user that was is marked.
        What a user holds moves with the owner of an identity, so the owners tell it all."""
        graph = self.graph
        moved: set[object] = set()
        for table, key, before in trail:
            if table is graph.owner:
                moved.update((key, before, graph.owner.get(key)))
            elif table is graph.redirect:
                moved.update((key, graph.redirect[key]))
            elif isinstance(key, Identity | Order) and table is not graph.refused:
                moved.add(key)
        if moved:
            self._changes += 1
            self._changed.update(dict.fromkeys(moved, self._changes))
        return bool(moved)

    def _settle(self, known: Known, shape: int) -> None:
        """Write down the refusals that were only counted; merges may have moved them meanwhile."""
        if not known.times or not known.refusals:
            return
        graph, orders = self.graph, []
        for event in (known.first, known.last):
            order = self._fact(event, shape).order
            self.event_of[order] = event
            orders.append(order)
        for key in known.refusals:
            home = None if key.home is None else graph.find(key.home)
            now = key._replace(home=home)
            seen = Seen(orders[0], orders[1], known.times)
            graph.put(graph.refusals, now, graph.refusals[now] + seen)


@dataclass(slots=True)
class Folded:
    """What groups came to, in rows of numbers, one behind the other. Events and identities are
    numbers; a user is the number of the event that founded it, -1 is nobody."""

    events: Numbers = field(default_factory=_numbers)
    """Event, user as seen, and latest user."""
    users: Numbers = field(default_factory=_numbers)
    redirects: Numbers = field(default_factory=_numbers)
    """The user that merged, and the one it is now."""
    stays: Numbers = field(default_factory=_numbers)
    """Identity, user, life, and when it left (ms; -1: it did not)."""
    refusals: Numbers = field(default_factory=_numbers)
    """Home, identity, place of the reason in ``REASONS``, first event, last event, count."""

    def add(self, fold: Fold, rows: Sequence[Row], number: dict[Identity, int]) -> None:
        """Add what one group came to."""
        self._add_events(fold, rows)
        self._add_users(fold)
        self._add_stays(fold, number)
        event_of, find = fold.event_of, fold.graph.find
        for key, seen in sorted(fold.graph.refusals.items(), key=lambda pair: pair[1].first):
            home = NOBODY if key.home is None else event_of[find(key.home)]
            first, last = event_of[seen.first], event_of[seen.last]
            reason = REASONS.index(key.reason)
            self.refusals.extend((home, number[key.identity], reason, first, last, seen.times))

    def _add_events(self, fold: Fold, rows: Sequence[Row]) -> None:
        graph, event_of = fold.graph, fold.event_of
        where: dict[int, tuple[int, int]] = {}
        for (event, _), outcome in zip(rows, fold.outcomes, strict=True):
            found = where.get(id(outcome))  # outcomes live as long as the fold
            if found is None:
                home, anchor = outcome.home, outcome.anchor
                owner = None if anchor is None else graph.owner.get(anchor)
                found = where[id(outcome)] = (
                    NOBODY if home is None else event_of[graph.find(home)],
                    NOBODY if owner is None else event_of[owner],
                )
            self.events.extend((event, *found))

    def _add_users(self, fold: Fold) -> None:
        graph, event_of = fold.graph, fold.event_of
        self.users.extend(event_of[user] for user in graph.users())
        for user in sorted(graph.redirect):
            self.redirects.extend((event_of[user], event_of[graph.find(user)]))

    def _add_stays(self, fold: Fold, number: dict[Identity, int]) -> None:
        graph, event_of = fold.graph, fold.event_of
        for identity, owner in graph.owner.items():
            life = graph.life.get(identity, 0)
            self.stays.extend((number[identity], event_of[owner], life, NOBODY))
        for stay, left_ms in graph.former.items():
            user = event_of[graph.find(stay.user)]
            self.stays.extend((number[stay.identity], user, stay.life, left_ms))


@dataclass(slots=True)
class Task:
    """Contested groups for one process: facts by group and order, with what they refer to."""

    policy: Policy
    groups: Numbers
    events: Numbers
    times: Numbers
    event_ids: list[str]
    shapes: Numbers
    texts: list[Shape]
    numbers: dict[Identity, int]


def fold_all(task: Task) -> Folded:
    """Fold every group of a task."""
    folded = Folded()
    for places in _groups(task):
        rows, fold = _start(task, places)
        fold.run(rows)
        folded.add(fold, rows, task.numbers)
    return folded


def _groups(task: Task) -> Iterator[list[int]]:
    for _, places in groupby(range(len(task.groups)), key=task.groups.__getitem__):
        yield list(places)


def _start(task: Task, places: Sequence[int]) -> tuple[list[Row], Fold]:
    events, times, ids, texts = task.events, task.times, task.event_ids, task.texts
    rows = [(events[place], task.shapes[place]) for place in places]
    place_of = dict(zip((event for event, _ in rows), places, strict=True))

    def fact(event: int, shape: int) -> Fact:
        place = place_of[event]
        return texts[shape].fact(times[place], ids[place])

    return rows, Fold(task.policy, texts, fact)


def first_names(event_ids: list[str]) -> Numbers:
    """The name that each founding event gives, before collisions."""
    return array("q", map(first_name, event_ids))
