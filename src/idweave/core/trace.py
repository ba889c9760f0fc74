"""What each fact did: the law's own steps, watched from outside.

Nothing here decides. Every decision is read from the moves that ``step`` made in the graph, so an
explanation cannot differ from what happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .graph import Graph, Reason, RefusalKey, Stay, Trail, User
from .identity import ENDING_KINDS, Fact, Identity, Order
from .policy import Policy
from .resolve import Aside, Outcome, set_aside, step


class Merged(NamedTuple):
    """Two users became one: who survived, and whose name leads there now."""

    survivor: User
    absorbed: User


@dataclass(frozen=True, slots=True)
class Decision:
    """What one fact did. Users are those of the moment; a later merge may have absorbed them.

    ``tied``: the stays that this fact is evidence for: those of its identities that it brought and
    that its home held afterwards, and of what went along with them. ``aside``: those it only
    carried, unbound or crowded. ``joined`` stays began and ``left`` ones ended with it; what moved
    did both. ``unbound`` and ``crowded`` became so; ``freed`` are neither any more.
    """

    fact: Fact
    outcome: Outcome
    tied: tuple[Stay, ...] = ()
    aside: tuple[tuple[Identity, Reason], ...] = ()
    founded: User | None = None
    joined: tuple[Stay, ...] = ()
    left: tuple[Stay, ...] = ()
    merged: tuple[Merged, ...] = ()
    refused: tuple[RefusalKey, ...] = ()
    unbound: tuple[Identity, ...] = ()
    crowded: tuple[Identity, ...] = ()
    freed: tuple[Identity, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether it changed nothing: it only repeated what was known."""
        moves = (self.joined, self.left, self.merged, self.refused)
        return not any((*moves, self.unbound, self.crowded, self.freed))


@dataclass(frozen=True, slots=True)
class Trace:
    """A fold with a record of it: the graph at the end, and every decision in order."""

    policy: Policy
    graph: Graph
    decisions: tuple[Decision, ...]


def trace(facts: Iterable[Fact], policy: Policy) -> Trace:
    """Resolve facts as :func:`.resolve.resolve` does, and say what each of them did."""
    graph = Graph()
    done: dict[str, Decision] = {}
    for fact in sorted(facts, key=lambda fact: fact.order):
        if fact.event_id not in done:
            done[fact.event_id] = _watched(graph, fact, policy)
    graph.trail = []
    return Trace(policy, graph, tuple(done.values()))


def _watched(graph: Graph, fact: Fact, policy: Policy) -> Decision:
    graph.trail = []
    found = Aside(()) if fact.kind in ENDING_KINDS else set_aside(graph, fact, policy)
    outcome = step(graph, fact, policy)
    home, trail = outcome.home, graph.trail
    left = tuple(_cells(trail, graph.former))
    joined = _joined(graph, trail, {stay.identity for stay in left})
    along = (stay.identity for stay in joined)
    return Decision(
        fact,
        outcome,
        tied=tuple(
            Stay(home, identity, graph.life.get(identity, 0))
            for identity in dict.fromkeys((*found.brought, *along))
            if home is not None and graph.owner.get(identity) == home
        ),
        aside=(
            *((identity, Reason.UNBOUND) for identity in found.unbound),
            *((identity, Reason.CROWDED) for identity in found.crowded),
        ),
        founded=fact.order if fact.order in _cells(trail, graph.held) else None,
        joined=joined,
        left=left,
        merged=tuple(Merged(graph.redirect[one], one) for one in _cells(trail, graph.redirect)),
        refused=_refused(graph, trail, fact.order),
        unbound=_still(graph.marks, trail),
        crowded=_still(graph.crowded, trail),
        freed=_freed(graph, trail),
    )


def _cells(trail: Trail, table: dict[Any, Any]) -> dict[Any, Any]:
    """The cells of a table that a step moved, in that order, each with what was in it before."""
    found: dict[Any, Any] = {}
    for moved, cell, before in trail:
        if moved is table:
            found.setdefault(cell, before)
    return found


def _joined(graph: Graph, trail: Trail, left: set[Identity]) -> tuple[Stay, ...]:
    """Stays that began: the identity is owned now, and was not before or left in the same step.
    Those whose owner was merged go on."""
    return tuple(
        Stay(graph.owner[identity], identity, graph.life.get(identity, 0))
        for identity, before in _cells(trail, graph.owner).items()
        if identity in graph.owner and (identity in left or not isinstance(before, Order))
    )


def _refused(graph: Graph, trail: Trail, by: Order) -> tuple[RefusalKey, ...]:
    """Refusals of this very fact; others that moved were only handed on by a merge."""
    return tuple(
        key
        for key in _cells(trail, graph.refusals)
        if key in graph.refusals and graph.refusals[key].last == by
    )


def _still(table: dict[Identity, Any], trail: Trail) -> tuple[Identity, ...]:
    return tuple(cell for cell in _cells(trail, table) if cell in table)


def _freed(graph: Graph, trail: Trail) -> tuple[Identity, ...]:
    moved = [*_cells(trail, graph.marks), *_cells(trail, graph.crowded)]
    return tuple(
        cell
        for cell in dict.fromkeys(moved)
        if cell not in graph.marks and cell not in graph.crowded
    )
