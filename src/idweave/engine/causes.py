"""Which event caused what in a contested group: found in what its steps moved.

An event causes what its own step did. Where a late event lets others be decided anew, what they
do then is caused by it: they were there before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from idweave.core.graph import Graph, User
from idweave.core.history import Step
from idweave.core.identity import Identity, Kind, Order
from idweave.core.policy import Policy

from .feed import Why, reference


def why_of(
    graph: Graph, applied: Sequence[Step], new: Iterable[Order], names: Mapping[User, int]
) -> Why:
    """The causes of a group's changes: ``applied`` are its steps since it was published last, and
    ``new`` the facts among them that were not there before."""
    arrived = sorted(new)
    if not arrived:
        return Why()
    last = _last_moves(graph, applied)

    def cause(done: Step) -> str:
        at = bisect_right(arrived, done.order) - 1
        return reference(arrived[max(at, 0)])

    why = Why(reference(arrived[0]))
    for moved, done in last.items():
        if isinstance(moved, Identity):
            why.moved[moved] = cause(done)
        elif moved in names:
            why.users[names[moved]] = cause(done)
    return why


def _last_moves(graph: Graph, applied: Sequence[Step]) -> dict[Identity | User, Step]:
    """The last step that moved each identity, founded each user, or let it go on as another."""
    tables = (graph.owner, graph.redirect, graph.held)
    return {
        key: done
        for done in applied
        for table, key, _ in done.trail
        if any(table is one for one in tables)
    }


def left_by(graph: Graph, applied: Sequence[Step], policy: Policy) -> dict[Identity, str]:
    """Why identities that nobody holds now left who held them."""
    found: dict[Identity, str] = {}
    for done in applied:
        left = [key for table, key, _ in done.trail if table is graph.owner]
        for identity in left:
            if identity not in graph.owner:
                found[identity] = _reason(graph, done, identity, (left, policy))
    return found


def _reason(
    graph: Graph, done: Step, identity: Identity, beside: tuple[list[Identity], Policy]
) -> str:
    left, policy = beside
    if done.fact.kind is Kind.DETACH:
        return "detach"
    if done.fact.kind is Kind.UNBIND and identity in done.fact.identities:
        return "unbind"
    if graph.crowded.get(identity) == done.order:
        return "crowded"
    rule = policy.rule(identity.key)
    if rule is not None and any(other.key == rule.parent for other in left):
        return "parent"
    return "evicted"
