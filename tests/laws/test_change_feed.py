"""Whatever comes, in whatever order and parts: who applies the feed has what the store has."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.errors import Conflict, InputError, NotFound
from idweave.engine.engine import Engine
from idweave.engine.erased import Erasing
from idweave.engine.reading import all_names, follow
from idweave.ports import ChangeKind, FeedRow
from idweave.stores import OpenStore, open_store

from .mirror import Mirror
from .strategies import World, cut, shuffled, worlds
from .test_laws import P, engine_on, stores, tell
from .test_operators import BY, statement
from .test_policy_apply import sound

law = settings(max_examples=60, deadline=None)
chances = st.randoms(use_true_random=False)


def feed(store: OpenStore, after: int = 0) -> list[FeedRow]:
    with store.reader() as reader:
        return reader.feed(P, after, 1_000_000)


def check(mirror: Mirror, store: OpenStore) -> None:
    """The mirror has what the store has, older names included."""
    with store.reader() as reader:
        users = [row.name for row in reader.users(P)]
        owner = {one.identity: name for name in users for one in reader.held(P, name)}
        assert (mirror.owner, mirror.users) == (owner, set(users))
        for name in mirror.redirects:
            if mirror.lead(name) in mirror.users:  # else it leads to one that is gone
                assert mirror.lead(name) == follow(reader, P, name).name
        for name in mirror.users:
            assert {mirror.lead(older) for older in all_names(reader, P, name)} == {name}


def operate(engine: Engine, world: World, chance: random.Random, stated: list[int]) -> None:
    """State something, or take something back, where that can be."""
    try:
        if stated and chance.random() < 0.4:
            engine.take_back(P, stated.pop(chance.randrange(len(stated))), BY)
        else:
            answer = engine.operate(P, statement(world, chance))
            stated.append(int(answer.fact.operator_id))
    except (Conflict, InputError, NotFound):
        pass


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_the_feed_applied_in_order_is_who_is_who(world: World, chance: random.Random) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror()
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                mirror.follow(feed(store, mirror.cursor))
                check(mirror, store)
                if chance.random() < 0.3:
                    engine = engine_on(store, world.policy)
            assert feed(store)[-1:] == feed(store, max(mirror.cursor - 1, 0))


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_the_feed_tells_what_operators_state_and_take_back(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror, stated = engine_on(store, world.policy), Mirror(), list[int]()
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                operate(engine, world, chance, stated)
                mirror.follow(feed(store, mirror.cursor))
                check(mirror, store)
                if chance.random() < 0.3:
                    engine = engine_on(store, world.policy)


def disturb(engine: Engine, world: World, chance: random.Random) -> None:
    """Erase somebody, or put other rules in force, where that can be."""
    try:
        if chance.random() < 0.5:
            identities = sorted({one for fact in world.facts for one in fact.identities})
            engine.erase(P, Erasing(*BY, identities=(chance.choice(identities),)))
            return
        stricter = [replace(rule, values_max=1, implied_max=None) for rule in world.policy.keys]
        policy = replace(world.policy, keys=tuple(stricter))
        engine.apply_policy(P, chance.choice([policy, world.policy]), BY)
    except (Conflict, InputError, NotFound):
        pass


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_the_feed_tells_erasures_and_changes_of_rules(world: World, chance: random.Random) -> None:
    world = world._replace(policy=sound(world.policy))
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror()
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                mirror.follow(feed(store, mirror.cursor))
                disturb(engine, world, chance)
                mirror.follow(feed(store, mirror.cursor))
                check(mirror, store)
                if chance.random() < 0.3:
                    engine = engine_on(store, world.policy)
            afresh = Mirror()
            afresh.follow(feed(store))
            check(afresh, store)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_every_store_tells_the_same_and_a_repeat_tells_nothing(
    world: World, chance: random.Random
) -> None:
    batches = cut(shuffled(world.facts, chance), chance)
    with stores() as opened:
        told = []
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, batches)
            told.append(feed(store))
            tell(engine, cut(shuffled(world.facts, chance), chance))
            assert feed(store) == told[-1]
        assert told[0] == told[1]


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_any_arrival_comes_to_the_same_sum_and_so_does_a_replay(
    world: World, chance: random.Random
) -> None:
    mirrors = []
    for _ in range(2):
        store = open_store("memory:")
        engine = engine_on(store, world.policy)
        tell(engine, cut(shuffled(world.facts, chance), chance))
        again = open_store("memory:")
        engine.replay(again)
        for one in (store, again):
            mirror = Mirror()
            mirror.follow(feed(one))
            mirrors.append((mirror.owner, mirror.users))
    assert all(mirror == mirrors[0] for mirror in mirrors)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_every_cause_is_an_event_of_its_own_commit(world: World, chance: random.Random) -> None:
    store = open_store("memory:")
    engine, cursor = engine_on(store, world.policy), 0
    for batch in cut(shuffled(world.facts, chance), chance):
        tell(engine, [batch])
        sent = {f"{fact.time_ms}-{fact.event_id}" for fact in batch}
        for row in feed(store, cursor):
            assert row.change.event in sent
            assert (row.change.reason != "") == (row.change.kind is ChangeKind.LEFT)
            cursor = row.seq
