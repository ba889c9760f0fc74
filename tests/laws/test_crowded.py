"""An identity that is crowded ties no more groups together, and nobody can tell by the answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.identity import LOGIN_KEY, Fact, Identity, Kind
from idweave.core.policy import KeyRule, Policy
from idweave.core.resolve import resolve
from idweave.engine.engine import Engine
from idweave.stores import OpenStore, open_store
from tests.golden.outcomes import of_engine, of_resolution

from .strategies import World, cut, kiosks, shuffled
from .test_laws import P, engine_on, stores, tell


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(kiosks(), st.randoms(use_true_random=False))
def test_crowds_in_any_order_and_any_batches_give_what_the_pure_fold_gives(
    world: World, chance: random.Random
) -> None:
    right = of_resolution(resolve(world.facts, world.policy))
    in_order = sorted(world.facts, key=lambda fact: fact.order)
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            arriving = in_order if chance.random() < 0.5 else shuffled(world.facts, chance)
            for batch in cut(arriving, chance):
                tell(engine, [batch])
                if chance.random() < 0.2:
                    engine = engine_on(store, world.policy)
            assert of_engine(engine, P) == right


KIOSK = Identity("device", "kiosk")
FULL = Policy(
    (KeyRule(LOGIN_KEY, rank=0), KeyRule("device", rank=1, values_max=9, conflicts_max=3))
)


def visit(who: int, time_ms: int) -> list[Fact]:
    """Somebody at the kiosk, and with a device of their own."""
    person = Identity(LOGIN_KEY, f"user {who}")
    own = Identity("device", f"device {who}")
    return [
        Fact(time_ms, f"a{who}", Kind.LOGIN, (person, KIOSK)),
        Fact(time_ms, f"b{who}", Kind.BIND, (person, own)),
    ]


def visitors(store: OpenStore) -> Engine:
    """Twenty people come to the kiosk, one after the other; after the fourth it is crowded."""
    engine = engine_on(store, FULL)
    for who in range(20):
        tell(engine, [visit(who, 1_000 + who)])
    return engine


def test_whoever_comes_to_a_crowded_kiosk_is_a_group_of_their_own() -> None:
    store = open_store("memory:")
    visitors(store)
    with store.reader() as reader:
        around = reader.group_of(P, KIOSK)
        assert around is not None
        others = [group for group in reader.groups(P) if group != around]
        assert len(others) == 16
        assert {group for _, group in reader.loose_groups(around)} == set(others)
        assert [reader.groups_behind(group) for group in others] == [[around]] * 16


def test_a_release_ties_all_of_them_that_relied_on_the_crowd() -> None:
    store = open_store("memory:")
    tell(visitors(store), [[Fact(2_000, "r", Kind.RELEASE, (KIOSK,))]])
    with store.reader() as reader:
        assert len(reader.groups(P)) == 1


def test_a_late_visit_before_the_crowd_ties_one_group_and_leaves_the_others() -> None:
    store = open_store("memory:")
    engine = visitors(store)
    person = Identity(LOGIN_KEY, "user 10")
    tell(engine, [[Fact(900, "late", Kind.LOGIN, (person, KIOSK))]])
    with store.reader() as reader:
        assert reader.group_of(P, person) == reader.group_of(P, KIOSK)
        assert len(reader.groups(P)) == 16
