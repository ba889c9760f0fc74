"""Explanations are true: of every random history, whatever the rules."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings

from idweave.core.graph import Graph, Stay, User
from idweave.core.identity import ENDING_KINDS, Fact, Identity
from idweave.core.linking import chain, gaps, making
from idweave.core.resolve import resolve
from idweave.core.separating import separation
from idweave.core.trace import Trace, trace

from .strategies import World, worlds

law = settings(max_examples=150, deadline=None)
Table = dict[str, object]


def tables(graph: Graph) -> Table:
    names = ("owner", "held", "life", "former", "redirect", "marks", "crowded", "refusals")
    return {name: getattr(graph, name) for name in names}


def seen(told: Trace) -> list[Identity]:
    return sorted({one for done in told.decisions for one in done.fact.identities})


@law
@given(worlds())
def test_a_trace_is_the_fold_itself(world: World) -> None:
    told, right = trace(world.facts, world.policy), resolve(world.facts, world.policy)
    assert tables(told.graph) == tables(right.graph)
    assert {done.fact.event_id: done.outcome for done in told.decisions} == right.outcomes


@law
@given(worlds())
def test_decisions_tell_every_stay_merge_and_refusal_once(world: World) -> None:
    told = trace(world.facts, world.policy)
    owner: dict[Identity, User] = {}
    former: dict[Stay, int] = {}
    refused = 0
    for done in told.decisions:
        for stay in done.left:
            assert owner.pop(stay.identity) == stay.user
            former[stay] = done.fact.time_ms
        for stay in done.joined:
            assert stay.identity not in owner
            owner[stay.identity] = stay.user
        for survivor, absorbed in done.merged:
            owner = {one: survivor if of == absorbed else of for one, of in owner.items()}
        refused += len(done.refused)
    graph = told.graph
    assert {one: graph.find(of) for one, of in owner.items()} == graph.owner
    assert former == graph.former
    assert refused <= sum(times for _, _, times in graph.refusals.values())
    assert bool(refused) == bool(graph.refusals)


@law
@given(worlds())
def test_a_chain_joins_any_two_identities_of_a_user_and_every_link_carries_both(
    world: World,
) -> None:
    told = trace(world.facts, world.policy)
    for user in told.graph.users():
        for one, other in combinations(told.graph.members(user), 2):
            links = chain(told, one, other)
            assert links
            assert (links[0].one, links[-1].other) == (one, other)
            for before, after in pairwise(links):
                assert before.other == after.one
            for fact, left, right in links:
                assert fact.kind not in ENDING_KINDS
                assert {left, right} <= set(fact.identities)


@law
@given(worlds())
def test_there_is_a_chain_or_a_gap_or_no_evidence_at_all(world: World) -> None:
    told = trace(world.facts, world.policy)
    for one, other in combinations(seen(told), 2):
        links, found = chain(told, one, other), gaps(told, one, other)
        assert bool(links) == (found == [])
        for gap in found or ():
            assert gap.refused or gap.left


@law
@given(worlds(facts_max=12))
def test_without_what_separates_them_two_identities_are_apart_and_with_any_of_it_they_are_not(
    world: World,
) -> None:
    told = trace(world.facts, world.policy)
    for user in told.graph.users():
        for one, other in combinations(told.graph.members(user)[:3], 2):
            found = separation(told, one, other)
            assert found
            assert apart(world, found.facts, one, other)
            if found.is_smallest:
                fewer = combinations(world.facts, len(found.facts) - 1)
                assert not any(apart(world, some, one, other) for some in list(fewer)[:100])


def apart(world: World, without: tuple[Fact, ...], one: Identity, other: Identity) -> bool:
    left = [fact for fact in world.facts if fact not in without]
    owner = resolve(left, world.policy).graph.owner
    return owner.get(one) is None or owner.get(one) != owner.get(other)


@law
@given(worlds())
def test_the_making_of_a_user_tells_all_that_it_holds_and_held(world: World) -> None:
    told = trace(world.facts, world.policy)
    for user in told.graph.users():
        decisions = making(told, user)
        joined = {stay.identity for done in decisions for stay in done.joined}
        left = {stay for done in decisions for stay in done.left}
        assert set(told.graph.members(user)) <= joined
        former = told.graph.former
        assert {stay for stay in former if told.graph.find(stay.user) == user} <= left
