"""The tables of a store say what its engine answers, whatever operators stated; and every name
that was ever shown leads in them where it leads in the engine (law L7)."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.batch.spreading import Spread
from idweave.batch.stored import Source, export_tables
from idweave.batch.tables import SCHEMA
from idweave.batch.writing import folder
from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.policy import Policy
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import OpenStore, open_store
from tests.golden.batches import Tables, of_tables
from tests.golden.outcomes import of_engine

from .strategies import World, cut, shuffled, worlds
from .test_batch import latest_by_engine, latest_of
from .test_laws import P, engine_on, tell
from .test_operators import BY, leads, statement

law = settings(max_examples=60, deadline=None)
chances = st.randoms(use_true_random=False)


def tables_of(store: OpenStore, policy: Policy) -> Tables:
    """The tables that are written of a store."""
    with TemporaryDirectory() as name:
        with folder(Path(name, "out")) as made:
            source = Source(store, {P: Project(P, policy)}, P)
            export_tables(source, made, Spread(1), lambda phase, done, total, events: None)
        return {name: pq.read_table(made.path / f"{name}.parquet") for name in SCHEMA}


def anything_stated(engine: Engine, world: World, chance: random.Random) -> None:
    """Some operator fact, where it can be; now and then an older one is taken back."""
    try:
        engine.operate(P, statement(world, chance))
    except (Conflict, InputError, NotFound):
        return
    stated = engine.operators(P)
    if chance.random() < 0.3:
        engine.take_back(P, int(chance.choice(stated).operator_id), BY)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_the_tables_of_a_store_say_what_its_engine_answers_whatever_operators_stated(
    world: World, chance: random.Random
) -> None:
    shown = set[str]()
    with closing(open_store("memory:")) as store:
        engine = engine_on(store, world.policy)
        for batch in cut(shuffled(world.facts, chance), chance):
            tell(engine, [batch])
            anything_stated(engine, World(world.policy, world.facts), chance)
            shown |= set(engine.user_names(P))
        tables = tables_of(store, world.policy)
        assert of_tables(tables) == of_engine(engine, P)
        assert latest_of(tables["events"]) == latest_by_engine(engine)
        live = set(tables["users"]["canonical_id"].to_pylist())
        into = {row["old_id"]: row["canonical_id"] for row in tables["redirects"].to_pylist()}
        assert live == set(engine.user_names(P))
        assert live.isdisjoint(into)
        assert {name: into.get(name) for name in shown - live} == {
            name: leads(engine, name) for name in shown - live
        }
