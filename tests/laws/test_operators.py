"""Operator facts are exact laws: what they do is the fold of other facts under other rules, and
taking them back is as if they had never been."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.identity import Fact, Identity
from idweave.core.policy import Policy
from idweave.core.resolve import resolve
from idweave.engine.engine import Engine
from idweave.engine.operated import OperatorAnswer
from idweave.engine.operators import Statement
from idweave.engine.ruling import TIMED, OperatorKind
from idweave.stores import open_store
from tests.golden.outcomes import Outcomes, of_engine, of_resolution

from .strategies import KEYS, VALUES, World, cut, shuffled, worlds
from .test_laws import P, engine_on, export, stores, tell

law = settings(max_examples=80, deadline=None)
chances = st.randoms(use_true_random=False)
BY = ("ann", "a slip")


@dataclass
class Mirror:
    """What an engine should hold: the facts, and what operators stated, in the plainest form."""

    policy: Policy
    facts: list[Fact]
    stated: dict[str, tuple[Statement, Fact | None]] = field(default_factory=dict)

    def outcomes(self) -> Outcomes:
        policy, facts = self.policy, list(self.facts)
        for said, fact in self.stated.values():
            match said.kind:
                case OperatorKind.RETRACT:
                    facts = [one for one in facts if one.event_id != said.event]
                case OperatorKind.BLOCK:
                    policy = replace(policy, blocked=policy.blocked | set(said.identities))
                case OperatorKind.APART:
                    pair = (said.identities[0], said.identities[1])
                    policy = replace(policy, apart=(*policy.apart, pair))
                case _:
                    assert fact is not None
                    facts.append(fact)
        return of_resolution(resolve(facts, policy))

    def note(self, said: Statement, answer: OperatorAnswer) -> None:
        fact = None
        if said.kind in TIMED:
            assert answer.fact.event is not None
            time_ms, _, event_id = answer.fact.event.partition("-")
            fact = Fact(int(time_ms), event_id, TIMED[said.kind], said.identities)
        self.stated[answer.fact.operator_id] = (said, fact)


def statement(world: World, chance: random.Random) -> Statement:
    """Anything an operator may say of few identities, sensible or not."""
    kind = chance.choice(list(OperatorKind))
    if kind is OperatorKind.RETRACT:
        return Statement(kind, *BY, event=chance.choice(world.facts).event_id)
    seen = sorted({identity for fact in world.facts for identity in fact.identities})
    some = [chance.choice(seen) for _ in range(8)]
    if chance.random() < 0.3:
        some = [Identity(chance.choice(KEYS), chance.choice(VALUES)) for _ in range(8)]
    count = 2 if kind in (OperatorKind.JOIN, OperatorKind.APART) else chance.choice([1, 1, 2])
    time_ms = chance.randint(1_000, 1_031) if kind in TIMED else None
    return Statement(kind, *BY, tuple(dict.fromkeys(some))[:count], time_ms=time_ms)


def stated(engine: Engine, mirror: Mirror, said: Statement) -> str | None:
    """State it where it can be; a refusal must leave everything as it was."""
    before = export(engine)
    try:
        previewed = engine.operate(P, said, dry_run=True)
    except (Conflict, InputError, NotFound):
        assert export(engine) == before
        return None
    assert export(engine) == before
    answer = engine.operate(P, said)
    assert answer.changes == previewed.changes
    mirror.note(said, answer)
    return answer.fact.operator_id


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_what_operators_state_is_the_fold_of_other_facts_under_other_rules(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror(world.policy, [])
            for batch in cut(shuffled(world.facts, chance), chance):
                tell(engine, [batch])
                mirror.facts += batch
                stated(engine, mirror, statement(World(world.policy, mirror.facts), chance))
                if mirror.stated and chance.random() < 0.3:
                    number = chance.choice(sorted(mirror.stated))
                    engine.take_back(P, int(number), BY)
                    del mirror.stated[number]
                assert of_engine(engine, P) == mirror.outcomes()
                if chance.random() < 0.3:
                    engine = engine_on(store, world.policy)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_stating_and_taking_back_is_the_identity(world: World, chance: random.Random) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror(world.policy, world.facts)
            tell(engine, cut(world.facts, chance))
            before = export(engine)
            numbers = [stated(engine, mirror, statement(world, chance)) for _ in range(4)]
            for number in shuffled([one for one in numbers if one], chance):
                engine.take_back(P, int(number), BY)
            assert export(engine) == before
            assert engine.operators(P) == []


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_a_replay_of_the_log_and_of_what_operators_stated_is_the_same_to_the_byte(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror(world.policy, world.facts)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            numbers = [stated(engine, mirror, statement(world, chance)) for _ in range(4)]
            for number in [one for one in numbers if one][:1]:
                engine.take_back(P, int(number), BY)
            again = engine.replay(open_store("memory:"))
            assert export(again) == export(engine)
            assert again.operators(P, removed=True) == engine.operators(P, removed=True)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_a_fact_told_twice_changes_nothing_retracted_or_not(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror(world.policy, world.facts)
            tell(engine, cut(world.facts, chance))
            event = chance.choice(world.facts).event_id
            stated(engine, mirror, Statement(OperatorKind.RETRACT, *BY, event=event))
            before = export(engine)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            assert export(engine) == before


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_names_once_shown_lead_to_a_live_user_or_are_known_to_hold_nothing(
    world: World, chance: random.Random
) -> None:
    with stores() as opened:
        for store in opened:
            engine, mirror = engine_on(store, world.policy), Mirror(world.policy, world.facts)
            shown: set[str] = set()
            tell(engine, cut(world.facts, chance))
            for _ in range(3):
                shown |= set(engine.user_names(P))
                stated(engine, mirror, statement(world, chance))
            live = set(engine.user_names(P))
            for name in shown:
                assert leads(engine, name) in {None, *live}


def leads(engine: Engine, name: str) -> str | None:
    try:
        return engine.user(P, name).canonical_id
    except NotFound:
        return None
