"""Law L2 for files: the batch resolver, the engine on SQLite and the pure fold give one answer."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.batch.outcome import FACTS_IN_TASK
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.core.resolve import Resolution, names, resolve
from idweave.engine.engine import PAGE_MAX, Engine
from idweave.engine.intake import state_facts
from idweave.stores import open_store
from tests.golden.batches import of_tables, tables_of, worked_out
from tests.golden.outcomes import of_engine, of_resolution

from .strategies import World, shuffled, worlds

P = "shop"
PEOPLE = 1_000
chances = st.randoms(use_true_random=False)
law = settings(max_examples=150, deadline=None)


@st.composite
def repeating_worlds(draw: st.DrawFn) -> World:
    """Worlds in which most facts say again what was said, as real histories do."""
    world, chance = draw(worlds(12)), draw(chances)
    times = [1_001, 1_010, 1_020, 1_025, 1_031]
    again = [
        Fact(chance.choice(times), f"r{nth:03}", one.kind, one.identities, one.distinct_id)
        for nth, one in enumerate(chance.choices(world.facts, k=3 * len(world.facts)))
    ]
    return World(world.policy, shuffled([*world.facts, *again], chance))


each_world = given(st.one_of(worlds(), repeating_worlds()))


@pytest.mark.slow
@law
@each_world
def test_the_tables_say_what_the_pure_fold_gives(world: World) -> None:
    tables = tables_of(worked_out(world.facts, world.policy))
    assert of_tables(tables) == of_resolution(resolve(world.facts, world.policy))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@each_world
def test_the_tables_say_what_the_engine_on_sqlite_answers(world: World) -> None:
    tables = tables_of(worked_out(world.facts, world.policy))
    with TemporaryDirectory() as folder:
        store = open_store(str(Path(folder, "store.db")))
        engine = Engine(store, {P: Project(P, world.policy)}, clock=lambda: 5_000)
        engine.accept([state_facts(P, world.facts, 5_000)])
        assert of_tables(tables) == of_engine(engine, P)
        assert latest_of(tables["events"]) == latest_by_engine(engine)
        store.close()


def latest_of(events: pa.Table) -> dict[str, str]:
    rows = zip(events["event_id"].to_pylist(), events["latest_id"].to_pylist(), strict=True)
    return {event: name for event, name in rows if name is not None}


def latest_by_engine(engine: Engine) -> dict[str, str]:
    return {
        event.event_id: name
        for name in engine.user_names(P)
        for event in engine.events(P, name, attribution="latest", limit=PAGE_MAX).events
    }


@pytest.mark.slow
@law
@each_world
def test_a_redirect_leads_from_each_user_that_merged_to_the_one_that_it_is_now(
    world: World,
) -> None:
    resolution = resolve(world.facts, world.policy)
    rows = tables_of(worked_out(world.facts, world.policy))["redirects"].to_pylist()
    found = {row["old_id"]: row["canonical_id"] for row in rows}
    assert found == redirects_of(resolution)


def redirects_of(resolution: Resolution) -> dict[str, str]:
    graph = resolution.graph
    called = names(graph.held)
    return {str(called[one]): str(called[graph.find(one)]) for one in graph.redirect}


@pytest.mark.slow
@law
@each_world
def test_every_identity_has_one_row_for_each_of_its_stays_and_its_times(world: World) -> None:
    outcome = worked_out(world.facts, world.policy)
    rows = tables_of(outcome)["identities"].to_pylist()
    places = [(row["key"], row["value"], row["life"]) for row in rows]
    assert len(places) == len(set(places))
    for row in rows:
        assert row["first_seen"] <= row["last_seen"]


@pytest.mark.slow
@law
@each_world
def test_the_order_of_facts_never_shows_in_the_tables(world: World) -> None:
    chance = random.Random(len(world.facts))
    one = tables_of(worked_out(world.facts, world.policy))
    other = tables_of(worked_out(shuffled(world.facts, chance), world.policy))
    assert one == other


@pytest.mark.slow
def test_several_processes_give_what_one_gives() -> None:
    chance, policy = random.Random(7), preset("sensors")
    drawn = [make_fact(chance, nth) for nth in range(FACTS_IN_TASK + 5_000)]
    one = worked_out(drawn, policy)
    assert one.contested_facts > FACTS_IN_TASK
    assert tables_of(worked_out(drawn, policy, workers=2)) == tables_of(one)
    assert of_tables(tables_of(one)).assigned == of_resolution(resolve(drawn, policy)).assigned


def make_fact(chance: random.Random, nth: int) -> Fact:
    """A fact of a crowd with shared devices, junk and unbinds."""
    person = chance.randrange(PEOPLE)
    device = person if chance.random() < 0.9 else chance.randrange(PEOPLE)
    login = Identity("$identity_login_id", f"u{person}")
    phone = "0000" if chance.random() < 0.1 else f"139{person:04}"
    pool = [
        Identity("$identity_android_id", f"d{device}"),
        login,
        Identity("$identity_mobile", phone if person % 9 else "13800000000"),
    ]
    kind = chance.choice([*[Kind.OBSERVE] * 8, Kind.LOGIN, Kind.BIND, Kind.UNBIND])
    carried = tuple(chance.sample(pool, chance.randint(1, 3)))
    return Fact(1_000 + chance.randrange(2_000), f"{nth:032x}", kind, carried, login.value)
