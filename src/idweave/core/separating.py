"""What would part two identities of one user: the fewest facts whose retraction does."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from .identity import ENDING_KINDS, Fact, Identity, Kind
from .policy import Merge, Policy
from .resolve import resolve
from .trace import Decision, Trace

SEARCH_STEPS_MAX = 30_000
"""Facts folded while looking for a smaller set: about half a second, so that an answer is one."""

Ties = Mapping[tuple[object, ...], Sequence[Fact]]
"""Nodes that facts tie together, each with these facts."""


@dataclass(frozen=True, slots=True)
class Separation:
    """Facts whose retraction parts two identities, in order. ``is_smallest``: it is proven that no
    fewer do; else they are the fewest that were found."""

    facts: tuple[Fact, ...]
    is_smallest: bool


def separation(told: Trace, one: Identity, other: Identity) -> Separation | None:
    """The fewest facts without which the two are not one user's; None where they are not now.

    Where facts only ever united, these are a smallest cut. Elsewhere a cut is tried first, and
    then every smaller set, as far as ``SEARCH_STEPS_MAX`` allows. What is returned was always
    tried: resolved without these facts, the two are apart.
    """
    owner = told.graph.owner
    if one == other or one not in owner or owner[one] != owner.get(other):
        return None
    facts = [done.fact for done in told.decisions]
    trial = _Trial(facts, told.policy, (one, other))
    life = told.graph.life
    cut = _cut(_tied(told.decisions), (one, life.get(one, 0)), (other, life.get(other, 0)))
    if _only_unites(told):
        return Separation(_ordered(cut), is_smallest=True)
    if not trial.parts(cut):
        cut = _cut(_carried(told), one, other)
    found = trial.without_the_needless(cut)
    smaller, is_smallest = trial.smaller(len(found))
    return Separation(_ordered(smaller or found), is_smallest)


def _ordered(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple(sorted(facts, key=lambda fact: fact.order))


def _only_unites(told: Trace) -> bool:
    """Whether these facts just unite, in any order and whichever of them are taken away."""
    return (
        told.policy.merge is Merge.ANY
        and not any(
            done.fact.kind in ENDING_KINDS or done.refused or done.left for done in told.decisions
        )
        and not _leans_on_binds(told)
    )


def _leans_on_binds(told: Trace) -> bool:
    """Whether a user holds what only a bind brings together: without it others would not unite."""
    rule = told.policy.rule
    return any(
        len(values) > found.limit(Kind.OBSERVE)
        for held in told.graph.held.values()
        for key, values in held.items()
        if (found := rule(key)) is not None
    )


def _tied(decisions: Iterable[Decision]) -> Ties:
    """The ties that made the user as it is."""
    ties: dict[tuple[object, ...], list[Fact]] = defaultdict(list)
    for done in decisions:
        if len(done.tied) > 1:
            ties[tuple((stay.identity, stay.life) for stay in done.tied)].append(done.fact)
    return ties


def _carried(told: Trace) -> Ties:
    """Everything that was carried together, let in or not: without it nothing can link."""
    ties: dict[tuple[object, ...], list[Fact]] = defaultdict(list)
    for done in told.decisions:
        carried = told.policy.effective(done.fact.identities)
        if len(carried) > 1 and done.fact.kind not in ENDING_KINDS:
            ties[carried].append(done.fact)
    return ties


class _Trial:
    """Folds without some facts, counted."""

    def __init__(
        self, facts: Sequence[Fact], policy: Policy, pair: tuple[Identity, Identity]
    ) -> None:
        self._facts = facts
        self._policy = policy
        self._pair = pair
        self._steps_left = SEARCH_STEPS_MAX

    def parts(self, without: Collection[Fact]) -> bool:
        """Whether the pair is apart without these facts."""
        gone = {fact.event_id for fact in without}
        self._steps_left -= len(self._facts)
        left = (fact for fact in self._facts if fact.event_id not in gone)
        owner = resolve(left, self._policy).graph.owner
        one, other = map(owner.get, self._pair)
        return one is None or one != other

    def without_the_needless(self, cut: Sequence[Fact]) -> Sequence[Fact]:
        """The same less every fact that the others can do without."""
        needed = list(cut)
        for fact in cut:
            fewer = [one for one in needed if one is not fact]
            if self._steps_left <= 0:
                break
            if self.parts(fewer):
                needed = fewer
        return needed

    def smaller(self, size: int) -> tuple[Sequence[Fact] | None, bool]:
        """The first smaller set that parts the pair, and whether all that are smaller than the
        answer were tried."""
        for count in range(1, size):
            for some in combinations(self._facts, count):
                if self._steps_left <= 0:
                    return None, False
                if self.parts(some):
                    return some, True
        return None, True


# -- a smallest cut -------------------------------------------------------------------------------


class _Flow:
    """Residual capacities between two sides of ties, and from nodes into and out of them."""

    def __init__(self, ties: Ties) -> None:
        self.left: dict[object, dict[object, float]] = defaultdict(dict)
        for number, (nodes, facts) in enumerate(ties.items()):
            enter, leave = ("in", number), ("out", number)
            self._edge(enter, leave, len(facts))
            for node in nodes:
                self._edge(("node", node), enter, float("inf"))
                self._edge(leave, ("node", node), float("inf"))

    def _edge(self, start: object, end: object, room: float) -> None:
        self.left[start][end] = room
        self.left[end].setdefault(start, 0)

    def reach(self, start: object) -> dict[object, object]:
        """Everything that can still be reached, each with where from; nearest first."""
        came: dict[object, object] = {start: None}
        front = deque([start])
        while front:
            here = front.popleft()
            for there, room in self.left[here].items():
                if room > 0 and there not in came:
                    came[there] = here
                    front.append(there)
        return came

    def push(self, came: Mapping[object, object], end: object) -> None:
        """Fill the path that leads to the end."""
        path, here = [], end
        while (before := came[here]) is not None:
            path.append((before, here))
            here = before
        room = min(self.left[start][stop] for start, stop in path)
        for start, stop in path:
            self.left[start][stop] -= room
            self.left[stop][start] += room


def _cut(ties: Ties, one: object, other: object) -> list[Fact]:
    """The fewest facts whose ties are all that leads from one node to the other (a vertex cut, by
    the shortest augmenting paths)."""
    flow = _Flow(ties)
    start, end = ("node", one), ("node", other)
    came = flow.reach(start)
    while end in came:
        flow.push(came, end)
        came = flow.reach(start)
    return [
        fact
        for number, facts in enumerate(ties.values())
        if ("in", number) in came and ("out", number) not in came
        for fact in facts
    ]
