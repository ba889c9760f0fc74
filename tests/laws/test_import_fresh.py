"""A fresh store filled at once is the store that the same records make one after the other: it
gives the same answers, and whatever comes later does the same to it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.policy_file import policy_from
from idweave.core.record import Project
from idweave.engine.answers import Receipt
from idweave.engine.door import Door
from idweave.engine.engine import ATTRIBUTIONS, PAGE_MAX, Engine
from idweave.engine.loading import Loading
from idweave.engine.operators import Statement
from idweave.engine.parcels import parcel_of
from idweave.engine.past import Instant
from idweave.engine.ruling import TIMED, OperatorKind
from idweave.stores import filling, is_fresh, open_store
from idweave.wire import Decoded, read_payload
from tests.golden.outcomes import facts_of, of_engine
from tests.golden.vectors import load

from .strategies import KEYS, VALUES, World, cut, shuffled, worlds

CASES = load("resolution")
P, OTHER = "shop", "other"
NOW = 5_000
TYPES = {
    Kind.LOGIN: "track_signup",
    Kind.BIND: "track_id_bind",
    Kind.UNBIND: "track_id_unbind",
}
"""The types of records; those of operators, and observations, come as ``track``."""

Raw = dict[str, Any]
chances = st.randoms(use_true_random=False)
law = settings(max_examples=60, deadline=None)


def record(fact: Fact, nth: int, chance: random.Random) -> Raw:
    """A record that says what a fact says; now and then one with something wrong or unusual."""
    said = {
        "type": TYPES.get(fact.kind, "track"),
        "event": "E",
        "distinct_id": fact.distinct_id or "nobody",
        "original_id": "before",
        "time": fact.time_ms,
        "_track_id": nth,
        "identities": dict(fact.identities),
        "properties": {"n": nth},
    }
    match chance.randint(0, 30):
        case 0:
            del said["time"]
        case 1:
            said["identities"] = {"undeclared": "a"}
        case 2:
            said["project"] = "nobody"
        case 3:
            said |= {"type": "item_set", "item_type": "book", "item_id": "7"}
        case 4:
            said["project"] = OTHER
        case _:
            pass
    return said


def requests(world: World, chance: random.Random) -> list[list[Decoded]]:
    """The records of a world in requests, in batches; some of them come twice."""
    sent = [record(fact, nth, chance) for nth, fact in enumerate(world.facts)]
    sent += chance.sample(sent, min(3, len(sent)))
    return cut([decoded(some, chance) for some in cut(shuffled(sent, chance), chance)], chance)


def decoded(records: Sequence[Raw], chance: random.Random) -> Decoded:
    content = json.dumps(records).encode()
    crc_ok = chance.choice([None, None, True, False])
    return Decoded(read_payload(content), gzip.compress(content, mtime=0), crc_ok=crc_ok, project=P)


class Two:
    """Two stores of the same records: one filled at once, one in the ordinary way."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        roomy = replace(policy, keys=tuple(replace(rule, values_max=9) for rule in policy.keys))
        self.projects = {P: Project(P, policy), OTHER: Project(OTHER, roomy)}
        self.paths = [str(folder / name) for name in ("filled.db", "ordinary.db")]

    def begin(self, batches: list[list[Decoded]]) -> None:
        """Fill one at once; tell the other all of it, batch by batch."""
        assert is_fresh(self.paths[0])
        with filling(self.paths[0]) as store:
            door, loading = Door(self.projects), Loading(store, self.projects)
            for number, batch in enumerate(batches):
                given = (door.parse(one, NOW + number, live=False) for one in batch)
                parcels = [parcel_of(one, self.projects) for one in given]
                loading.take(parcels)
            loading.finish(lambda done, total: None)
        with self.engine(1) as engine:
            told(engine, batches)

    @contextmanager
    def engine(self, which: int) -> Iterator[Engine]:
        """An engine that was just started, on one of the two."""
        with closing(open_store(self.paths[which])) as store:
            yield Engine(store, self.projects, clock=lambda: NOW)

    def each(self, act: Callable[[Engine], Any]) -> list[Any]:
        """What each of the two makes of it."""
        found = []
        for which in (0, 1):
            with self.engine(which) as engine:
                found.append(act(engine))
        return found


def told(engine: Engine, batches: list[list[Decoded]]) -> list[Receipt]:
    receipts = []
    for number, batch in enumerate(batches):
        given = [engine.parse(one, NOW + number, live=False) for one in batch]
        receipts += engine.accept(given)
    return receipts


@contextmanager
def two(policy: Policy) -> Iterator[Two]:
    with TemporaryDirectory() as folder:
        yield Two(Path(folder), policy)


# -- every question --------------------------------------------------------------------------------


def answers(engine: Engine) -> dict[str, Any]:
    """What an engine says to everything there is to ask; but names that were shown between one
    batch and the next, as in a store that was filled at once nothing was."""
    found: dict[str, Any] = {"rejections": engine.rejections()}
    for project in (P, OTHER):
        users = [engine.user(project, name) for name in engine.user_names(project)]
        found |= {
            f"{project} export": list(engine.export(project)),
            f"{project} users": [replace(user, names=()) for user in users],
            f"{project} largest": [user.canonical_id for user in engine.top_users(project)],
            f"{project} refusals": engine.refusals(project, limit=PAGE_MAX),
            f"{project} stats": replace(engine.stats(project), store_bytes=0),
            f"{project} identities": [asked(engine, project, one) for one in IDENTITIES],
            f"{project} events": [
                engine.events(project, user.canonical_id, attribution=how, limit=PAGE_MAX)
                for user in users
                for how in ATTRIBUTIONS
            ],
            f"{project} past": list(engine.past_users(project, Instant(1_001))),
        }
    found["why"] = [because(engine, *pair) for pair in combinations(IDENTITIES[:6], 2)]
    return found


IDENTITIES = [Identity(key, value) for key in KEYS for value in VALUES]


def asked(engine: Engine, project: str, identity: Identity) -> Any:
    try:
        found = engine.lookup(project, identity)
    except NotFound as error:
        return error.message
    user = None if found.user is None else replace(found.user, names=())
    return replace(found, user=user)


def because(engine: Engine, one: Identity, other: Identity) -> Any:
    try:
        return unplaced(asdict(engine.why(P, one, other)))
    except NotFound as error:
        return error.message


def unplaced(answer: Any) -> Any:
    """An answer without places in the log: requests of one transaction have no order."""
    if isinstance(answer, dict):
        return {name: unplaced(one) for name, one in answer.items() if name != "position"}
    if isinstance(answer, list | tuple):
        return [unplaced(one) for one in answer]
    return answer


def assert_alike(both: Two) -> None:
    filled, ordinary = both.each(answers)
    assert filled == ordinary


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_a_store_filled_at_once_answers_as_one_that_was_told_one_by_one(
    world: World, chance: random.Random
) -> None:
    with two(world.policy) as both:
        both.begin(requests(world, chance))
        assert_alike(both)


@pytest.mark.slow
@law
@given(worlds(40), chances)
def test_whatever_comes_later_does_the_same_to_both(world: World, chance: random.Random) -> None:
    sent = requests(world, chance)
    at = chance.randint(0, len(sent))
    before, after = sent[:at], [*chance.sample(sent[:at], min(2, at)), *sent[at:]]
    with two(world.policy) as both:
        both.begin(before)
        for batch in after:  # late, repeated and new, and the engine started anew each time
            filled, ordinary = both.each(partial(told, batches=[batch]))
            assert filled == ordinary
        assert_alike(both)


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_what_operators_state_does_the_same_to_both(world: World, chance: random.Random) -> None:
    with two(world.policy) as both:
        both.begin(requests(world, chance))
        for _ in range(3):
            said = statement(both, chance)
            filled, ordinary = both.each(partial(stated, said=said))
            assert filled == ordinary
        assert_alike(both)


def statement(both: Two, chance: random.Random) -> Statement:
    """Anything that an operator may say of what is there."""
    by, kind = ("ann", "a slip"), chance.choice(list(OperatorKind))
    if kind is OperatorKind.RETRACT:
        with both.engine(0) as engine:
            names = list(engine.user_names(P))
            pages = [engine.events(P, name, limit=PAGE_MAX).events for name in names]
        events = [event.event_id for page in pages for event in page] or ["none"]
        return Statement(kind, *by, event=chance.choice(events))
    count = 2 if kind in (OperatorKind.JOIN, OperatorKind.APART) else 1
    time_ms = chance.randint(1_000, 1_031) if kind in TIMED else None
    return Statement(kind, *by, tuple(chance.sample(IDENTITIES, count)), time_ms=time_ms)


def stated(engine: Engine, said: Statement) -> str:
    try:
        engine.operate(P, said)
    except (Conflict, InputError, NotFound) as error:
        return error.code
    return "done"


@pytest.mark.slow
@law
@given(worlds(), chances)
def test_a_store_filled_at_once_replays_to_itself(world: World, chance: random.Random) -> None:
    with two(world.policy) as both:
        both.begin(requests(world, chance))
        with both.engine(0) as engine, closing(open_store("memory:")) as store:
            again = engine.replay(store)
            for project in (P, OTHER):
                assert list(again.export(project)) == list(engine.export(project))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_golden_histories_come_to_the_same_in_both(case: dict[str, Any]) -> None:
    world, chance = World(policy_from(case["policy"]), facts_of(case)), random.Random(case["name"])
    with two(world.policy) as both:
        both.begin(requests(world, chance))
        filled, ordinary = both.each(partial(of_engine, project=P))
        assert filled == ordinary
