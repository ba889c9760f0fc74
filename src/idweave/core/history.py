"""The facts of one group in order, with the graph that they make: late ones are put in their place.

A fact that comes in order is one step. For a late one the steps after it are undone, newest first,
and done again behind it: as they were, where the late one changed nothing at its own time, else
anew. So it costs what came after it and never the whole log.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from .graph import Graph, Trail, User
from .identity import Fact, Identity, Kind, Order
from .policy import Policy
from .resolve import Outcome, step

ELSEWHERE = Order(-1, Kind.OBSERVE, "")
"""Since when an identity is crowded that became so by facts of another group: before all else."""


class Step:
    """One applied fact: where it was seen (``set_id``), what came of it, and how to undo it."""

    __slots__ = ("fact", "is_new", "order", "outcome", "set_id", "trail")

    def __init__(self, fact: Fact, set_id: int) -> None:
        self.order: Order = fact.order
        self.fact = fact
        self.set_id = set_id
        self.outcome: Outcome
        self.trail: Trail = []
        self.is_new = True  # not applied yet


def _order(step: Step) -> Order:
    return step.order


class History:
    """A group's steps by order, and its graph after the last of them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.graph = Graph()
        self.steps: list[Step] = []
        self._rehomed: set[Order] = set()
        self.loose: dict[int, frozenset[Identity]] = {}
        """By set: identities that are crowded by facts of another group, at each fact of the set.
        They do not tie it to that group (RESOLUTION.md §7)."""
        self._applied: list[Step] = []

    def loosen(self, set_id: int, identities: Iterable[Identity]) -> None:
        """Take it as given that these identities of a set are crowded at each of its facts."""
        self.loose[set_id] = self.loose.get(set_id, frozenset()).union(identities)
        for identity in self.loose[set_id]:
            self.graph.crowded.setdefault(identity, ELSEWHERE)

    def loosened(self) -> set[Identity]:
        """All identities that are taken to be crowded by facts of another group."""
        return set[Identity]().union(*self.loose.values())

    def tie(self, identities: Iterable[Identity]) -> None:
        """The facts that make these identities crowded come into this history: nothing is taken
        as given of them any more."""
        tied = frozenset(identities)
        left = ((set_id, loose - tied) for set_id, loose in self.loose.items())
        self.loose = {set_id: loose for set_id, loose in left if loose}
        for identity in tied:
            if self.graph.crowded.get(identity) == ELSEWHERE:
                del self.graph.crowded[identity]

    def overcrowded(self) -> list[Step]:
        """The steps, of those applied since the last :meth:`take_applied`, of loose sets of which
        all else is crowded, too: their events belong to whoever holds what is loose. (A step that
        brings anything counts at least the refusal of what is loose.)"""
        return [done for done in self._applied if done.set_id in self.loose and not done.trail]

    def again(self, since_ms: int) -> None:
        """Apply every step from a time on anew: what was given for them was not so."""
        at = bisect_left(self.steps, since_ms, key=lambda done: done.order.time_ms)
        for done in self._take_off(at):
            self._apply(done)

    def _take_off(self, at: int) -> list[Step]:
        """Undo the steps from a place on, newest first; returns them, oldest first."""
        late = self.steps[at:]
        del self.steps[at:]
        for done in reversed(late):
            self.graph.undo(done.trail)
        return late

    def extend(self, facts: Iterable[tuple[int, Fact]]) -> None:
        """Put facts (each with its set) in their places. None of them may be here already."""
        new = sorted((Step(fact, set_id) for set_id, fact in facts), key=_order)
        if not new:
            return
        at = bisect_left(self.steps, new[0].order, key=_order)
        touched = self.graph.touched.copy() if at < len(self.steps) else None
        has_changed = self._redo(sorted(self._take_off(at) + new, key=_order))
        if touched and not has_changed:
            touched.refusals |= self.graph.touched.refusals
            self.graph.touched = touched  # what was undone is as it was

    def _redo(self, steps: list[Step]) -> bool:
        """Do steps in order. Until one that is applied changes who holds what, an old one is done
        as it was, unless a refusal was counted of a user that it is about: then it is applied, to
        count again. (What it makes is then not what later trails refer to, so that one is a change,
        too.) Returns whether anything changed."""
        graph, has_changed = self.graph, False
        again, counted = set[int](), set[User | None]()
        for done in steps:
            if done.is_new or has_changed or not counted.isdisjoint(graph.homes(done.trail)):
                self._apply(done)
                counted |= graph.homes(done.trail)
                has_changed |= graph.changes(done.trail)
                again.add(done.set_id)
                continue
            graph.undo(done.trail)
            self.steps.append(done)
            if done.set_id in again:
                self._applied.append(done)
        return has_changed

    def _apply(self, following: Step) -> None:
        self.graph.trail = []
        outcome = step(self.graph, following.fact, self.policy)
        if not following.is_new and outcome.home != following.outcome.home:
            self._rehomed.add(following.order)
        following.outcome = outcome
        following.trail = self.graph.trail
        following.is_new = False
        self.steps.append(following)
        self._applied.append(following)

    def absorb(self, other: History) -> None:
        """Take over the history of a group that shared no fact with this one until now."""
        self.graph.absorb(other.graph, (done.trail for done in other.steps))
        if other.steps:
            at = bisect_left(self.steps, other.steps[0].order, key=_order)
            self.steps[at:] = sorted(self.steps[at:] + other.steps, key=_order)
        self._applied += other._applied
        self._rehomed |= other._rehomed
        self.loose |= other.loose

    def step_at(self, order: Order) -> Step | None:
        """The step of the fact at this place, None where there is none."""
        at = bisect_left(self.steps, order, key=_order)
        found = self.steps[at] if at < len(self.steps) else None
        return found if found is not None and found.order == order else None

    def set_at(self, order: Order) -> int:
        """The set that the fact at this place was seen under."""
        return self.steps[bisect_left(self.steps, order, key=_order)].set_id

    def take_applied(self) -> list[Step]:
        """The steps applied since the last call, by order, each once; forgets them. For every
        set these are its last steps: whatever is applied again, all after it is, too."""
        applied = sorted({id(done): done for done in self._applied}.values(), key=_order)
        self._applied = []
        return applied

    def take_rehomed(self) -> set[Order]:
        """The facts that since the last call were applied again and belong to others; forgets
        them."""
        rehomed, self._rehomed = self._rehomed, set()
        return rehomed
