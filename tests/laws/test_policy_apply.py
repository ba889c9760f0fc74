"""Applying a policy is exact: the graph is what the whole log comes to under it, and going back is
as if it had never been applied."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.errors import NotFound
from idweave.core.identity import Fact
from idweave.core.policy import Policy
from idweave.core.policy_file import parse_policy
from idweave.core.policy_text import policy_text, same_rules
from idweave.core.resolve import resolve
from idweave.engine.engine import Engine
from idweave.engine.past import NOW
from idweave.stores import open_store
from tests.golden.outcomes import of_engine, of_resolution

from .strategies import World, cut, policies, shuffled, worlds
from .test_laws import P, engine_on, export, stores, tell

law = settings(max_examples=60, deadline=None)
chances = st.randoms(use_true_random=False)
BY = ("ann", "fewer junk merges")


@st.composite
def other_policies(draw: st.DrawFn, policy: Policy) -> Policy:
    """Another policy that declares the same keys: any at all, or one that differs in a few rules
    and so leaves much as it is."""
    other = draw(policies)
    named = {rule.key: rule for rule in other.keys}
    if draw(st.booleans()):
        taken = draw(st.sets(st.sampled_from([rule.key for rule in policy.keys]), max_size=2))
        named = {key: rule for key, rule in named.items() if key in taken}
        other = policy
    keys = [named.get(rule.key, rule) for rule in policy.keys]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(keys) - 1))
        keys[at] = replace(keys[at], enabled=not keys[at].enabled)
    return replace(other, keys=tuple(keys))


@st.composite
def changes(draw: st.DrawFn) -> tuple[World, Policy]:
    """A world, and the policy that comes next."""
    world = draw(worlds())
    world = world._replace(policy=sound(world.policy))
    return world, sound(draw(other_policies(world.policy)))


def sound(policy: Policy) -> Policy:
    """The same rules as a file may say them: no limit beyond another."""
    limits = ((rule, rule.implied_max) for rule in policy.keys)
    keys = (
        rule if most is None else replace(rule, implied_max=min(most, rule.values_max))
        for rule, most in limits
    )
    return replace(policy, keys=tuple(keys))


def fresh_export(world: World, policy: Policy) -> list[str]:
    """What a new engine under a policy makes of the facts."""
    engine = engine_on(open_store("memory:"), policy)
    tell(engine, [world.facts])
    return export(engine)


@pytest.mark.slow
@law
@given(changes(), chances)
def test_after_apply_the_graph_is_that_of_the_whole_log_under_the_new_policy(
    change: tuple[World, Policy], chance: random.Random
) -> None:
    world, policy = change
    early, late = cut_in_two(shuffled(world.facts, chance), chance)
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(early, chance))
            engine.apply_policy(P, policy, BY)
            assert of_engine(engine, P) == of_resolution(resolve(early, policy))
            assert export(engine) == fresh_export(World(policy, early), policy)
            if chance.random() < 0.5:
                engine = engine_on(store, chance.choice([world.policy, policy]))
            tell(engine, cut(late, chance))
            assert export(engine) == fresh_export(world, policy)
            assert export(engine.replay(open_store("memory:"))) == export(engine)


@pytest.mark.slow
@law
@given(changes(), chances)
def test_going_back_is_as_if_it_had_never_been_applied(
    change: tuple[World, Policy], chance: random.Random
) -> None:
    world, policy = change
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            before, applied = export(engine), engine.apply_policy(P, policy, BY)
            if chance.random() < 0.5:
                engine = engine_on(store, chance.choice([world.policy, policy]))
            if applied.changed:
                engine.policy_back(P, BY)
            assert export(engine) == before
            assert same_rules(engine.projects[P].policy, world.policy)


@pytest.mark.slow
@law
@given(changes(), chances)
def test_names_once_shown_lead_to_who_holds_what_they_held(
    change: tuple[World, Policy], chance: random.Random
) -> None:
    world, policy = change
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            shown = set[str]()
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                shown.update(engine.user_names(P))
            before = held(engine)
            led_to = {name: leads(engine, name) for name in sorted(shown)}
            engine.apply_policy(P, policy, BY)
            now = held(engine)
            for name, user in led_to.items():
                leads_to = leads(engine, name)
                assert leads_to in {None, *now}
                if user is not None and any(before[user] & some for some in now.values()):
                    assert leads_to is not None


@pytest.mark.slow
@law
@given(changes(), chances)
def test_what_a_policy_would_change_is_what_applying_it_changes(
    change: tuple[World, Policy], chance: random.Random
) -> None:
    world, policy = change
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            tried = engine.what_if(P, policy, NOW)
            done = engine.apply_policy(P, policy, BY)
            assert done.changes == tried.changes


@law
@given(policies)
def test_a_policy_written_down_is_read_as_the_same(policy: Policy) -> None:
    policy = sound(policy)
    assert parse_policy(policy_text(policy)) == policy


def cut_in_two(facts: list[Fact], chance: random.Random) -> tuple[list[Fact], list[Fact]]:
    at = chance.randint(0, len(facts))
    return facts[:at], facts[at:]


def held(engine: Engine) -> dict[str, set[tuple[str, str]]]:
    """Every live user with what it holds."""
    found = {}
    for name in engine.user_names(P):
        user = engine.user(P, name)
        found[name] = {(one.identity.key, one.identity.value) for one in user.identities}
    return found


def leads(engine: Engine, name: str) -> str | None:
    try:
        return engine.user(P, name).canonical_id
    except NotFound:
        return None
