"""An erasure is as if what it takes had never been seen: in every store, whenever it is made,
whatever arrives again afterwards, and in every replay."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.errors import NotFound
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.resolve import Resolution, first_name, resolve
from idweave.engine.engine import Engine
from idweave.engine.erased import Erasing
from idweave.stores import open_store
from tests.golden.outcomes import of_engine, of_resolution

from .strategies import World, cut, kiosks, shuffled, worlds
from .test_laws import P, engine_on, export, stores, tell

law = settings(max_examples=60, deadline=None)
any_worlds = worlds() | kiosks()
chances = st.randoms(use_true_random=False)
BY = ("ann", "ticket 17")


@dataclass
class Gone:
    """What an erasure takes, in the plainest words: identities, and events by their ids."""

    policy: Policy
    identities: frozenset[Identity]
    events: frozenset[str]
    whole: bool

    def left(self, facts: list[Fact]) -> list[Fact]:
        """The facts as if it had never been seen."""
        found = (self._left(fact) for fact in facts if fact.event_id not in self.events)
        return [fact for fact in found if fact is not None]

    def _left(self, fact: Fact) -> Fact | None:
        named = self.policy.named_by(fact.distinct_id)
        is_named = fact.kind in (Kind.LOGIN, Kind.UNBIND) and named in self.identities
        rest = tuple(one for one in fact.identities if one not in self.identities)
        if is_named or not rest:
            return None
        if len(rest) == len(fact.identities):
            return fact
        linking = self.policy.effective(fact.identities)
        strongest = linking[0] if linking else min(fact.identities)
        if self.whole or strongest in self.identities:
            return None
        return replace(fact, identities=rest)


def person(done: Resolution, name: str, policy: Policy) -> Gone:
    """What is of a user alone."""
    graph = done.graph
    (user,) = (one for one in graph.users() if str(first_name(one.event_id)) == name)
    own = set(graph.members(user))
    for identity in {stay.identity for stay in graph.former}:
        of = {graph.find(stay.user) for stay in graph.former if stay.identity == identity}
        if of == {user} and identity not in graph.owner:
            own.add(identity)
    events = frozenset(event for event in done.outcomes if done.home(event) == user)
    return Gone(policy, frozenset(own), events, whole=False)


def somebody(done: Resolution, policy: Policy, chance: random.Random) -> tuple[Erasing, Gone]:
    """A user, or one identity."""
    names = [str(first_name(user.event_id)) for user in done.graph.users()]
    seen = sorted({stay.identity for stay in done.graph.former} | set(done.graph.owner))
    if names and (not seen or chance.random() < 0.7):
        name = chance.choice(sorted(names))
        return Erasing(*BY, user=name), person(done, name, policy)
    if not seen:
        return Erasing(*BY), Gone(policy, frozenset(), frozenset(), whole=True)
    identity = chance.choice(seen)
    gone = Gone(policy, frozenset({identity}), frozenset(), whole=True)
    return Erasing(*BY, identities=(identity,)), gone


def received(engine: Engine) -> int:
    stats = engine.stats(P)
    assert stats.received == stats.accepted + stats.rejected + stats.duplicates
    return stats.received


@pytest.mark.slow
@law
@given(any_worlds, chances)
def test_an_erasure_leaves_the_graph_of_the_facts_that_it_leaves(
    world: World, chance: random.Random
) -> None:
    facts = shuffled(world.facts, chance)
    early = facts[: chance.randint(1, len(facts))]
    asked, gone = somebody(resolve(early, world.policy), world.policy, chance)
    if not gone.identities and not gone.events:
        return
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(early, chance))
            before = export(engine)
            engine.erase(P, asked, dry_run=True)
            assert export(engine) == before
            engine.erase(P, asked)
            left = gone.left(early)
            assert of_engine(engine, P) == of_resolution(resolve(left, world.policy))
            if chance.random() < 0.5:
                engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(facts, chance), chance))
            left = gone.left(facts)
            assert of_engine(engine, P) == of_resolution(resolve(left, world.policy))
            assert received(engine) == len(early) + len(facts)
            again = engine.replay(open_store("memory:"))
            assert export(again) == export(engine)
            tell(again, cut(shuffled(facts, chance), chance))
            assert export(again) == export(engine)


@pytest.mark.slow
@law
@given(any_worlds, chances)
def test_erased_names_lead_to_nobody_and_what_is_younger_is_a_new_person(
    world: World, chance: random.Random
) -> None:
    done = resolve(world.facts, world.policy)
    asked, gone = somebody(done, world.policy, chance)
    if asked.user is None:
        return
    later = [
        replace(fact, event_id=f"n{fact.event_id}", time_ms=fact.time_ms + 10_000)
        for fact in world.facts
    ]
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            names = {asked.user, *engine.user(P, asked.user).names}
            engine.erase(P, asked)
            tell(engine, [*cut(shuffled(later, chance), chance), world.facts])
            left = gone.left(world.facts) + later
            assert of_engine(engine, P) == of_resolution(resolve(left, world.policy))
            for name in names:
                with pytest.raises(NotFound, match="was erased"):
                    engine.user(P, name)
            again = engine.replay(open_store("memory:"))
            with pytest.raises(NotFound, match="was erased"):
                again.user(P, asked.user)


@pytest.mark.slow
@law
@given(any_worlds, chances)
def test_who_is_erased_for_ever_never_comes_back(world: World, chance: random.Random) -> None:
    done = resolve(world.facts, world.policy)
    asked, gone = somebody(done, world.policy, chance)
    if not gone.identities:
        return
    later = [replace(f, event_id=f"n{f.event_id}", time_ms=f.time_ms + 10_000) for f in world.facts]
    with stores() as opened:
        for store in opened:
            engine = engine_on(store, world.policy)
            tell(engine, cut(shuffled(world.facts, chance), chance))
            engine.erase(P, replace(asked, forever=True))
            tell(engine, cut(shuffled([*world.facts, *later], chance), chance))
            left = gone.left([*world.facts, *later])
            assert of_engine(engine, P) == of_resolution(resolve(left, world.policy))
