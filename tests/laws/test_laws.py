"""L1 to L7 (RESOLUTION.md §2), as properties over random policies and histories."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.identity import Fact, Kind
from idweave.core.policy import Policy
from idweave.core.record import Code, Project, Record, Rejection
from idweave.core.resolve import resolve
from idweave.engine.answers import UserAnswer
from idweave.engine.engine import Engine
from idweave.engine.intake import Delivery, state_facts
from idweave.engine.stating import record_of, stated_payload
from idweave.stores import OpenStore, open_store
from tests.golden.outcomes import of_engine, of_resolution

from .strategies import World, cut, shuffled, worlds

P = "shop"
chances = st.randoms(use_true_random=False)
law = settings(max_examples=150, deadline=None)


@contextmanager
def stores() -> Iterator[list[OpenStore]]:
    """An empty store of each kind."""
    with TemporaryDirectory() as folder:
        opened = [open_store("memory:"), open_store(f"sqlite:{Path(folder, 'store.db')}")]
        try:
            yield opened
        finally:
            for store in opened:
                store.close()


def engine_on(store: OpenStore, policy: Policy) -> Engine:
    return Engine(store, {P: Project(P, policy)}, clock=lambda: 5_000)


def tell(engine: Engine, batches: list[list[Fact]]) -> None:
    for batch in batches:
        engine.accept([state_facts(P, batch, 5_000)])


def export(engine: Engine) -> list[str]:
    return list(engine.export(P))


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l1_replaying_the_log_gives_the_same_export_to_the_byte(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            again = engine.replay(open_store("memory:"))
            assert export(again) == export(engine)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l2_every_runner_gives_what_the_pure_fold_gives(
    world: World, chance: random.Random
) -> None:
    right = of_resolution(resolve(world.facts, world.policy))
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                if chance.random() < 0.3:
                    engine = engine_on(store, world.policy)
            assert of_engine(engine, P) == right


@law
@given(worlds())
def test_l3_an_identity_has_one_owner_and_a_user_no_more_values_than_it_may(
    world: World,
) -> None:
    graph = resolve(world.facts, world.policy).graph
    owned = [identity for user in graph.users() for identity in graph.members(user)]
    assert len(owned) == len(set(owned))
    assert {identity: graph.owner[identity] for identity in owned} == graph.owner
    for user in graph.users():
        for key, values in graph.held[user].items():
            rule = world.policy.rule(key)
            assert rule is not None
            assert len(values) <= rule.values_max
            if not any(fact.kind is Kind.BIND for fact in world.facts):
                assert len(values) <= rule.limit(Kind.OBSERVE)
        members = set(graph.members(user))
        assert not any(one in members and other in members for one, other in world.policy.apart)


NO_RECORD = Rejection(Code.INVALID_FIELD, "time", "It is missing.", "Send it.")


@law
@given(worlds(), chances)
def test_l4_received_is_accepted_and_rejected_and_duplicates(
    world: World, chance: random.Random
) -> None:
    sent = [*world.facts, *chance.choices(world.facts, k=5)]
    items: list[Record | Rejection] = [*map(record_of, sent), *[NO_RECORD] * 3]
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            for batch in cut(shuffled(items, chance), chance):
                named = tuple((P, item) for item in batch)
                (receipt,) = engine.accept([Delivery(stated_payload([]), 1, named)])
                parts = receipt.accepted + receipt.rejected + receipt.duplicates
                assert receipt.received == len(batch) == parts
            stats = engine.stats(P)
            counted = (stats.accepted, stats.rejected, stats.duplicates)
            assert counted == (len(world.facts), 3, 5)
            assert stats.received == len(items)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l5_the_same_fact_twice_changes_nothing(world: World, chance: random.Random) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(world.facts, chance))
            before = export(engine)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            assert export(engine) == before


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l6_any_order_and_any_batches_give_the_same_export(
    world: World, chance: random.Random
) -> None:
    exports = []
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            exports.append(export(engine))
    assert exports[0] == exports[1]
    fresh = engine_on(open_store("memory:"), world.policy)
    tell(fresh, [world.facts])
    assert export(fresh) == exports[0]


def shown(engine: Engine) -> dict[str, UserAnswer]:
    return {name: engine.user(P, name) for name in engine.user_names(P)}


@pytest.mark.slow
@law
@given(worlds())
def test_l7_in_order_a_name_leads_to_who_holds_what_it_held_less_what_left(
    world: World,
) -> None:
    engine = engine_on(open_store("memory:"), world.policy)
    seen: dict[str, UserAnswer] = {}
    for fact in sorted(world.facts, key=lambda fact: fact.order):
        tell(engine, [[fact]])
        for name, before in seen.items():
            now = engine.user(P, name)
            held = {one.identity for one in now.identities}
            left = {(one.identity, one.life) for one in now.former}
            for one in before.identities:
                assert one.identity in held or (one.identity, one.life) in left
        seen |= shown(engine)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l7_in_any_order_a_name_once_shown_is_never_given_to_another_user(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            given_to: dict[str, str] = {}
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                for name, user in shown(engine).items():
                    assert given_to.setdefault(name, user.founder_event) == user.founder_event
            live = set(engine.user_names(P))
            for name in given_to:
                assert leads_to(engine, name) in live


def leads_to(engine: Engine, name: str) -> str:
    """The user that a name leads to."""
    return engine.user(P, name).canonical_id


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_l7_the_names_of_a_user_all_lead_to_it(world: World, chance: random.Random) -> None:
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                for name, user in shown(engine).items():
                    assert {leads_to(engine, other) for other in user.names} <= {name}
