"""Whatever is sent, in whatever parts: every store gives the same answers to every question."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import KeyRule, Merge, Policy, Rebind, WhenCrowded, WhenFull, WhenTaken
from idweave.core.record import Code, Project, Record, Rejection
from idweave.engine.intake import UNKNOWN_PROJECT, Delivery, Intake, Parsed
from idweave.engine.stating import FACT_TYPES
from idweave.stores import OpenStore, open_store
from tests.contract.answers import answers

LOGIN, OPENID, UNIONID, DEVICE = "$identity_login_id", "openid", "unionid", "device"
KEYS = (LOGIN, OPENID, UNIONID, DEVICE)

STRICT = Policy(
    (
        KeyRule(LOGIN, rank=0, conflicts_max=3),
        KeyRule(UNIONID, rank=30),
        KeyRule(OPENID, rank=40, parent=UNIONID, when_taken=WhenTaken.MOVE),
        KeyRule(
            DEVICE,
            rank=70,
            values_max=2,
            when_full=WhenFull.REPLACE,
            conflicts_max=2,
            when_crowded=WhenCrowded.QUARANTINE,
        ),
    ),
    apart=((Identity(LOGIN, "a"), Identity(DEVICE, "b")),),
)
ROOMY = Policy(tuple(KeyRule(key, values_max=9) for key in KEYS))
CAREFUL = Policy(
    tuple(KeyRule(key, values_max=3) for key in KEYS), merge=Merge.EXPLICIT, rebind=Rebind.ANY
)
PROJECTS = {
    name: Project(name, policy)
    for name, policy in (("strict", STRICT), ("roomy", ROOMY), ("careful", CAREFUL))
}
ASKED = [*PROJECTS, UNKNOWN_PROJECT, "nobody's"]

REJECTED = Rejection(Code.INVALID_FIELD, "time", "It is missing.", "Send it.")
Item = TypeVar("Item")

UNKNOWN = (UNKNOWN_PROJECT, Rejection(Code.UNKNOWN_PROJECT, "project", "There is none.", "Add it."))


class World(NamedTuple):
    """What the records of one example are about: the fewer, the more they have to do with each
    other; the more, the more groups there are that can unite."""

    projects: list[str]
    texts: str
    kinds: list[Kind]


worlds = st.builds(
    World,
    st.lists(st.sampled_from(sorted(PROJECTS)), min_size=1, max_size=2, unique=True),
    st.sampled_from(["abc", "abcdef", "abcdefghijkl"]),
    st.sampled_from([[Kind.OBSERVE], [Kind.OBSERVE, Kind.BIND, Kind.LOGIN], list(Kind)]),
)
times = st.integers(1_000, 1_004) | st.integers(1_000, 2_000)


@st.composite
def facts(draw: st.DrawFn, world: World, event_id: str) -> Fact:
    """A fact of few identities at one of few times; what it names is often one of its own."""
    identities = st.builds(Identity, st.sampled_from(KEYS), st.sampled_from(world.texts))
    carried = draw(st.lists(identities, min_size=1, max_size=3, unique=True))
    named = draw(st.sampled_from(carried) | identities)
    kind = draw(st.sampled_from(world.kinds))
    return Fact(draw(times), event_id, kind, tuple(carried), f"{named.key}+{named.value}")


@st.composite
def records(draw: st.DrawFn, world: World, number: int) -> Parsed:
    """A record of some project, or why it is none. Its event id is its own."""
    project = draw(st.sampled_from(world.projects))
    event_id = draw(st.sampled_from([f"{number:032x}", f"{number:032x}", f"stated-{number}"]))
    match draw(st.integers(0, 20)):
        case 1:
            return project, Record(event_id, "item_set", draw(times), True, None)
        case 2:
            return project, REJECTED
        case 3:
            return UNKNOWN
        case _:
            fact = draw(facts(world, event_id))
            timed = draw(st.integers(0, 4)) > 0
            return project, Record(event_id, FACT_TYPES[fact.kind], fact.time_ms, timed, fact)


def cut(items: Sequence[Item], sizes: Iterable[int]) -> list[tuple[Item, ...]]:
    """The items in parts of these sizes, begun again when they run out; all of them."""
    parts: list[tuple[Item, ...]] = []
    rest = tuple(items)
    for size in cycle(sizes):
        if not rest:
            return parts
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


@st.composite
def days(draw: st.DrawFn) -> list[list[Delivery]]:
    """Batches of deliveries. Some records come twice: at once, in the same batch, or later."""
    world, amount = draw(worlds), draw(st.integers(10, 30))
    sent = [draw(records(world, number)) for number in range(amount)]
    for again in draw(st.lists(st.sampled_from(sent), max_size=5)):
        sent.insert(draw(st.integers(0, len(sent))), again)
    sizes = st.lists(st.integers(1, 4), min_size=3, max_size=5)
    payloads = st.sampled_from([gzip.compress(body, mtime=0) for body in (b"[]", b"[1]", b"[2]")])
    deliveries = [
        Delivery(draw(payloads), draw(times), items, crc_mismatch=draw(st.booleans()))
        for items in cut(sent, draw(sizes))
    ]
    return [list(batch) for batch in cut(deliveries, draw(sizes))]


class Run:
    """A store and the intake in front of it."""

    def __init__(self, store: OpenStore) -> None:
        self.store = store
        self.intake = Intake(store, PROJECTS)

    def restart(self) -> None:
        """Forget all that is not in the store."""
        self.intake = Intake(self.store, PROJECTS)

    def settle(self) -> None:
        """The oldest rejections are answered."""
        with self.store.reader() as reader:
            rows = reader.rejections(None, 0, 2)
        self.intake.accept([], rows)

    def go_on(self) -> None:
        """Nothing happens between two batches."""


BETWEEN: list[Callable[[Run], None]] = [Run.go_on, Run.go_on, Run.restart, Run.settle]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(days(), st.lists(st.sampled_from(BETWEEN), min_size=4, max_size=4))
def test_all_stores_give_the_same_answers_after_every_batch(
    batches: list[list[Delivery]], between: list[Callable[[Run], None]]
) -> None:
    with (
        TemporaryDirectory() as folder,
        closing(open_store("memory:")) as memory,
        closing(open_store(f"sqlite:{Path(folder, 'store.db')}")) as sqlite,
    ):
        runs = [Run(memory), Run(sqlite)]
        for batch, meanwhile in zip(batches, cycle(between), strict=False):
            receipts = [run.intake.accept(batch) for run in runs]
            assert receipts[0] == receipts[1]
            for run in runs:
                meanwhile(run)
            assert answers(memory, ASKED) == answers(sqlite, ASKED)
