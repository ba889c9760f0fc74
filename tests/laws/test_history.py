"""A history is the fold of its facts at any moment, in whatever order they were put in."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.graph import Graph
from idweave.core.history import History
from idweave.core.resolve import resolve

from .strategies import World, cut, shuffled, worlds

TABLES = ("owner", "life", "former", "redirect", "marks", "crowded", "askers", "refusals")
TOUCHES = {
    "owner": "identities",
    "life": "identities",
    "marks": "identities",
    "crowded": "identities",
    "redirect": "users",
    "former": "stays",
    "refusals": "refusals",
}


def shown(graph: Graph) -> dict[str, Any]:
    """Everything that a graph says; what is empty says nothing."""
    tables = {name: dict(getattr(graph, name)) for name in TABLES}
    held = {
        user: {key: values for key, values in keys.items() if values}
        for user, keys in graph.held.items()
    }
    refused = {user: keys for user, keys in graph.refused.items() if keys}
    return {**tables, "held": held, "refused": refused}


@settings(max_examples=300, deadline=None)
@given(worlds(facts_max=30), st.randoms(use_true_random=False))
def test_a_history_is_the_fold_of_its_facts_after_every_batch(
    world: World, chance: random.Random
) -> None:
    history, told = History(world.policy), []
    for batch in cut(shuffled(world.facts, chance), chance):
        history.extend((1, fact) for fact in batch)
        told += batch
        right = resolve(told, world.policy)
        assert shown(history.graph) == shown(right.graph)
        assert {one.fact.event_id: one.outcome for one in history.steps} == right.outcomes


@settings(max_examples=150, deadline=None)
@given(worlds(facts_max=30), st.randoms(use_true_random=False))
def test_what_changed_since_it_was_last_asked_is_all_touched(
    world: World, chance: random.Random
) -> None:
    history = History(world.policy)
    before = shown(history.graph)
    for batch in cut(shuffled(world.facts, chance), chance):
        history.extend((1, fact) for fact in batch)
        after, touched = shown(history.graph), history.graph.take_touched()
        for name, rows in TOUCHES.items():
            changed = {*before[name].items()} ^ {*after[name].items()}
            assert {key for key, _ in changed} <= getattr(touched, rows)
        assert {*before["held"]} ^ {*after["held"]} <= touched.users
        before = after
