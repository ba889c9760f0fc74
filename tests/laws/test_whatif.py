"""What if is exact: the history under other rules is the fold of its facts under them."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.graph import Graph
from idweave.core.resolve import resolve
from idweave.engine.past import NOW, Instant
from idweave.engine.whatif import GraphCounts

from .strategies import World, cut, shuffled, worlds
from .test_laws import P, engine_on, export, stores, tell

law = settings(max_examples=80, deadline=None)
chances = st.randoms(use_true_random=False)


def counts(graph: Graph) -> GraphCounts:
    refusals: Counter[str] = Counter()
    for key, seen in graph.refusals.items():
        refusals[key.reason.value] += seen.times
    users = len(list(graph.users()))
    return GraphCounts(users, len(graph.owner), len(graph.redirect), dict(refusals))


@pytest.mark.slow
@law
@given(worlds(), worlds(), chances)
def test_the_history_under_other_rules_is_the_fold_of_its_facts_under_them(
    world: World, other: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            before = export(engine)
            found = engine.what_if(P, other.policy, NOW)
            assert found.before == counts(resolve(world.facts, world.policy).graph)
            assert found.after == counts(resolve(world.facts, other.policy).graph)
            assert all(change.why for change in found.largest)
            assert export(engine) == before


@pytest.mark.slow
@law
@given(worlds())
def test_the_same_rules_change_nothing(world: World) -> None:
    with stores() as opened:
        engine = engine_on(opened[0], world.policy)
        tell(engine, [world.facts])
        found = engine.what_if(P, world.policy, NOW)
        assert found.changes.says == "Nothing changes."
        assert found.before == found.after


@pytest.mark.slow
@law
@given(worlds())
def test_a_slice_of_the_history_is_tried_as_if_it_were_all(world: World) -> None:
    with stores() as opened:
        engine = engine_on(opened[0], world.policy)
        tell(engine, [world.facts])
        found = engine.what_if(P, world.policy, Instant(1_002))
        some = [fact for fact in world.facts if fact.time_ms <= 1_002]
        assert found.after == counts(resolve(some, world.policy).graph)
        assert found.events == len(some)
