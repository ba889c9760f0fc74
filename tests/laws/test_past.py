"""The past is what the facts up to an instant come to; the log as known then is what was sent."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.graph import Graph
from idweave.core.identity import Identity
from idweave.core.resolve import names, resolve
from idweave.engine.past import NOW, Instant, PastUser

from .strategies import World, cut, shuffled, worlds
from .test_laws import P, engine_on, export, stores, tell

law = settings(max_examples=80, deadline=None)
chances = st.randoms(use_true_random=False)


def partition(graph: Graph) -> dict[str, list[Identity]]:
    """Everybody by name, with what they hold."""
    called = names(graph.users())
    return {str(name): graph.members(user) for user, name in called.items()}


def shown(users: list[PastUser]) -> dict[str, list[Identity]]:
    return {
        user.canonical_id: [Identity(one.key, one.value) for one in user.identities]
        for user in users
    }


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_the_partition_at_an_instant_is_the_fold_of_the_facts_up_to_it(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            for time_ms in (999, 1_001, chance.randint(1_000, 1_030), 1_030):
                then = [fact for fact in world.facts if fact.time_ms <= time_ms]
                right = partition(resolve(then, world.policy).graph)
                assert shown(list(engine.past_users(P, Instant(time_ms)))) == right


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_what_was_known_at_a_log_position_is_what_was_answered_then(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, answers = engine_on(store, world.policy), []
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                users = (engine.user(P, name) for name in engine.user_names(P))
                held = {one.canonical_id: [h.identity for h in one.identities] for one in users}
                answers.append((store.high_marks().payload, held))
            for position, held in answers:
                assert shown(list(engine.past_users(P, Instant(None, position)))) == held


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_a_difference_tells_every_identity_that_changed_its_user(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        engine = engine_on(opened[0], world.policy)
        tell(engine, [world.facts])
        first, then = sorted(chance.choices(range(999, 1_031), k=2))
        graphs = [
            resolve([fact for fact in world.facts if fact.time_ms <= at], world.policy).graph
            for at in (first, then)
        ]
        found = engine.past_difference(P, (Instant(first), Instant(then)))
        went = {one.canonical_id for one in found.split} | {one.before for one in found.renamed}
        went |= {name for one in found.merged for name in one.merged} | set(found.gone)
        moved = {Identity(one.key, one.value) for one in found.moved}
        before, after = map(partition, graphs)
        for name, members in before.items():
            stayed = [one for one in members if one not in moved]
            assert name in went or set(stayed) <= set(after.get(name, ()))
        assert set(after) - set(before) <= {*found.made, *(one.after for one in found.renamed)} | {
            one.canonical_id for one in found.merged
        }


@pytest.mark.slow
@law
@given(worlds())
def test_nothing_differs_between_an_instant_and_itself_and_asking_changes_nothing(
    world: World,
) -> None:
    with stores() as opened:
        engine = engine_on(opened[0], world.policy)
        tell(engine, [world.facts])
        before = export(engine)
        assert engine.past_difference(P, (NOW, NOW)).says == "Nothing changes."
        assert export(engine) == before
