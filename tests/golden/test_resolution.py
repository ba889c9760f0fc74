"""Every golden case, in any order and any batches: by the pure fold, and by the engine on each
store, with the engine started anew between batches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from idweave.core.identity import Fact
from idweave.core.policy_file import policy_from
from idweave.core.record import Project
from idweave.core.resolve import resolve
from idweave.engine.engine import Engine
from idweave.engine.intake import state_facts
from idweave.stores import OpenStore, open_store

from .batches import of_tables, tables_of, worked_out
from .outcomes import expected, facts_of, of_engine, of_resolution
from .vectors import load

CASES = load("resolution")
SHUFFLES = 20
BATCH_ORDERS = 5
RESTARTED_ONE_IN = 3
"""Every how many batches the engine forgets all that is not in the store."""

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


def orders(case: dict[str, Any]) -> list[list[Fact]]:
    """The facts as given, reversed, and shuffled; the same at every run."""
    facts = facts_of(case)
    chance = random.Random(case["name"])
    shuffled = [chance.sample(facts, len(facts)) for _ in range(SHUFFLES)]
    return [facts, facts[::-1], *shuffled]


def batches(facts: list[Fact], chance: random.Random) -> list[list[Fact]]:
    """The facts cut anywhere. Now and then a batch comes again."""
    cut, rest = [], facts
    while rest:
        size = chance.randint(1, len(rest))
        cut.append(rest[:size])
        rest = rest[size:]
        if chance.random() < 0.2:
            cut.append(chance.choice(cut))
    return cut


@each_case
def test_the_pure_fold_gives_what_the_case_says_in_any_order(case: dict[str, Any]) -> None:
    policy = policy_from(case["policy"])
    for facts in orders(case):
        assert of_resolution(resolve(facts, policy)) == expected(case)


@each_case
def test_the_batch_resolver_gives_what_the_case_says_in_any_order(case: dict[str, Any]) -> None:
    policy = policy_from(case["policy"])
    for facts in orders(case)[:BATCH_ORDERS]:
        assert of_tables(tables_of(worked_out(facts, policy))) == expected(case)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    """One store for all cases: every order of every case is a project of its own."""
    path = Path(tmp_path_factory.mktemp("golden"), "store.db")
    opened = open_store("memory:" if request.param == "memory" else f"sqlite:{path}")
    yield opened
    opened.close()


@each_case
def test_the_engine_gives_what_the_case_says_in_any_order_and_batches(
    case: dict[str, Any], store: OpenStore
) -> None:
    chance = random.Random(case["name"])
    policy = policy_from(case["policy"])
    told = {f"{case['name']} {n}": batches(facts, chance) for n, facts in enumerate(orders(case))}
    projects = {name: Project(name, policy) for name in told}
    start = partial(Engine, store, projects, clock=lambda: 0)
    engine = start()
    for parts in zip_longest(*told.values(), fillvalue=[]):
        engine.accept(
            [state_facts(name, part, 0) for name, part in zip(told, parts, strict=True) if part]
        )
        if chance.randrange(RESTARTED_ONE_IN) == 0:
            engine = start()
    for name in told:
        assert of_engine(engine, name) == expected(case)
