"""Explanations are true: of every random history, whatever the rules."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings

from idweave.core.graph import Graph, Reason, Stay, User
from idweave.core.identity import ENDING_KINDS, LOGIN_KEY, Fact, Identity, Kind
from idweave.core.linking import chain, gaps, making
from idweave.core.policy import KeyRule, Policy
from idweave.core.resolve import resolve
from idweave.core.separating import separation
from idweave.core.trace import Trace, trace

from .strategies import DEVICE, UNION, World, worlds

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
        into = {absorbed: survivor for survivor, absorbed in done.merged}
        for stay in done.left:
            was = owner.pop(stay.identity)
            while was != stay.user:  # it left just after its user was merged
                was = into[was]
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


def test_what_crowded_identities_alone_do_not_tie_is_explained() -> None:
    one, other = Identity(UNION, "a"), Identity(DEVICE, "a")
    keys = (KeyRule(LOGIN_KEY, rank=0), *(_crowding(identity.key) for identity in (one, other)))
    logins = [Identity(LOGIN_KEY, value) for value in "abcd"]
    carried = [*zip(logins, (one, other, one, other), strict=True), (one, other)]
    facts = [Fact(n, f"e{n}", Kind.OBSERVE, some) for n, some in enumerate(carried)]
    found = gaps(trace(facts, Policy(keys)), one, other)
    told = {
        (refused.identity, refused.reason, refused.times)
        for gap in found or ()
        for refused in gap.refused
    }
    assert told == {(one, Reason.CROWDED, 1), (other, Reason.CROWDED, 1)}


def _crowding(key: str) -> KeyRule:
    return KeyRule(key, rank=1, conflicts_max=1)


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
