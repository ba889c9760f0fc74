"""Why identities are one user, and why they are not: read from what each fact did.

Everything here is exact about the decisions of a :class:`.trace.Trace`; nothing guesses.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from .graph import Reason, RefusalKey, Stay, User
from .identity import ENDING_KINDS, Fact, Identity, Order
from .trace import Decision, Trace

Life = tuple[Identity, int]
"""One stay of an identity, whoever it was with: a merge does not end it."""


class Link(NamedTuple):
    """One step of a chain: the fact that says that the two are one person's."""

    fact: Fact
    one: Identity
    other: Identity


def chain(told: Trace, one: Identity, other: Identity) -> list[Link] | None:
    """The fewest facts that tie two identities of one user together, and of these the earliest;
    None where no user holds both. It may lead over identities that left since: what came to the
    user by them stayed when they went."""
    owner, life = told.graph.owner, told.graph.life
    if one not in owner or owner[one] != owner.get(other):
        return None
    start, end = (one, life.get(one, 0)), (other, life.get(other, 0))
    came: dict[Life, tuple[Fact, Life] | None] = {start: None}
    ties = _ties(told.decisions)
    at = defaultdict(list)
    for tie, fact in ties.items():
        for stay in tie:
            at[stay].append((tie, fact))
    front = deque([start])
    while front and end not in came:
        here = front.popleft()
        for tie, fact in at[here]:
            for there in tie:
                if there not in came:
                    came[there] = (fact, here)
                    front.append(there)
    return _walked_back(came, end)


def _ties(decisions: Iterable[Decision]) -> dict[tuple[Life, ...], Fact]:
    """Stays that were tied together, each with the earliest fact that did."""
    ties: dict[tuple[Life, ...], Fact] = {}
    for done in decisions:
        if len(done.tied) > 1:
            ties.setdefault(tuple((stay.identity, stay.life) for stay in done.tied), done.fact)
        for along in done.along:
            ties.setdefault(along.lives, along.by)
    return ties


def _walked_back(came: dict[Life, tuple[Fact, Life] | None], end: Life) -> list[Link]:
    links, here = [], end
    while (step := came[here]) is not None:
        fact, before = step
        links.append(Link(fact, before[0], here[0]))
        here = before
    return links[::-1]


# -- why not -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """An identity that a fact would have tied to others, and that was not let in."""

    home: User | None
    identity: Identity
    reason: Reason
    first: Order
    last: Order
    times: int


@dataclass(frozen=True, slots=True)
class Left:
    """An identity that was tied, and left since: by which fact."""

    stay: Stay
    by: Fact


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where evidence leads from one user (or unowned identity) to another, and the two
    are not one: by facts that carried identities of both, ``first`` to ``last``."""

    one: Identity
    other: Identity
    first: Fact
    last: Fact
    facts: int
    refused: tuple[Refused, ...]
    left: tuple[Left, ...]


def gaps(told: Trace, one: Identity, other: Identity) -> list[Gap] | None:
    """What keeps two identities apart: where the evidence that leads from one to the other, over
    the fewest users, does not hold. None where no evidence leads there; empty where they are one
    user's."""
    nodes = _Nodes(told)
    path = nodes.path(nodes.of(one), nodes.of(other))
    return None if path is None else [nodes.gap(*hop) for hop in pairwise(path)]


Node = User | Identity
Pair = tuple[Node, Node]


class _Nodes:
    """Users, and identities that nobody holds; facts that carried something of two of them."""

    def __init__(self, told: Trace) -> None:
        self._told = told
        self._carried: dict[Pair, list[Decision]] = defaultdict(list)
        for done in told.decisions:
            if done.fact.kind in ENDING_KINDS:
                continue
            found = list(dict.fromkeys(map(self.of, self._effective(done))))
            for place, node in enumerate(found):
                for another in found[place + 1 :]:
                    self._carried[node, another].append(done)
                    self._carried[another, node].append(done)

    def _effective(self, done: Decision) -> tuple[Identity, ...]:
        return self._told.policy.effective(done.fact.identities)

    def of(self, identity: Identity) -> Node:
        return self._told.graph.owner.get(identity, identity)

    def path(self, start: Node, end: Node) -> list[Node] | None:
        """From one node to another over the fewest, the earliest facts first."""
        next_to = defaultdict(list)
        for node, another in self._carried:
            next_to[node].append(another)
        came: dict[Node, Node | None] = {start: None}
        front = deque([start])
        while front and end not in came:
            here = front.popleft()
            for there in next_to[here]:
                if there not in came:
                    came[there] = here
                    front.append(there)
        if end not in came:
            return None
        path: list[Node] = []
        at: Node | None = end
        while at is not None:
            path.append(at)
            at = came[at]
        return path[::-1]

    def gap(self, node: Node, another: Node) -> Gap:
        """What happened between two nodes that facts carried together."""
        carried = self._carried[node, another]
        last = carried[-1]
        mine, theirs = (
            next(one for one in self._effective(last) if self.of(one) == end)
            for end in (node, another)
        )
        both = {one for done in carried for one in self._effective(done)}
        ours = {one for one in both if self.of(one) in (node, another)}
        refused = _refusals(carried, ours)
        left = _leavings(self._told.decisions, carried, ours)
        if not refused and not left:
            refused = _set_aside(carried, ours)
        return Gap(mine, theirs, carried[0].fact, last.fact, len(carried), refused, left)


def _refusals(carried: Sequence[Decision], ours: set[Identity]) -> tuple[Refused, ...]:
    """What these facts were refused of these identities, last one first."""
    return _counted((done, key) for done in carried for key in done.refused if key.identity in ours)


def _set_aside(carried: Sequence[Decision], ours: set[Identity]) -> tuple[Refused, ...]:
    """What these facts only carried, where that was no refusal: crowded identities by themselves,
    and unbound ones of the user that held them. It tied nothing all the same."""
    return _counted(
        (done, RefusalKey(done.outcome.home, identity, reason))
        for done in carried
        for identity, reason in done.aside
        if identity in ours
    )


def _counted(keys: Iterable[tuple[Decision, RefusalKey]]) -> tuple[Refused, ...]:
    found: dict[tuple[Identity, Reason], Refused] = {}
    for done, (home, identity, reason) in keys:
        order, before = done.fact.order, found.get((identity, reason))
        first, times = (before.first, before.times) if before else (order, 0)
        found[identity, reason] = Refused(home, identity, reason, first, order, times + 1)
    return tuple(sorted(found.values(), key=lambda one: one.last, reverse=True))


def _leavings(
    decisions: Iterable[Decision], carried: Sequence[Decision], ours: set[Identity]
) -> tuple[Left, ...]:
    """Stays of these identities that ended after these facts had tied them, last one first."""
    tied = {
        (stay.identity, stay.life)
        for done in carried
        if len({stay.identity for stay in done.tied} & ours) > 1
        for stay in done.tied
    }
    found = [
        Left(stay, done.fact)
        for done in decisions
        for stay in done.left
        if stay.identity in ours and (stay.identity, stay.life) in tied
    ]
    return tuple(reversed(found))


# -- how it was made -----------------------------------------------------------------------------


def making(told: Trace, user: User) -> list[Decision]:
    """The decisions that made a user what it is, in order: those that changed what it, or a user
    that was merged into it, holds, and the facts that it was refused something by."""
    graph = told.graph
    of = {one for one in graph.held if graph.find(one) == user}
    return [
        done
        for done in told.decisions
        if not done.is_quiet
        and not of.isdisjoint(
            {
                done.outcome.home,
                *(stay.user for stay in (*done.joined, *done.left)),
                *(one for both in done.merged for one in both),
                *(key.home for key in done.refused),
            }
        )
    ]
