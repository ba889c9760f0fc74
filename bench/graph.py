"""P8 and P9: undo on a large user, late facts, crowds, the memory of the cache, and the start."""

from __future__ import annotations

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench._measure import Row, at_most, table
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import KeyRule, Policy
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.engine.operators import Statement
from idweave.engine.ruling import OperatorKind
from idweave.stores import open_store

P = "shop"
LOGIN, DEVICE = "$identity_login_id", "$identity_cookie_id"
POLICY = Policy((KeyRule(LOGIN, rank=0), KeyRule(DEVICE, values_max=2000, conflicts_max=100)))

LARGE = 1000
"""Identities of the large user of P8."""

BATCH = 50
"""Facts of one transaction: a request of a phone."""


def run(*, quick: bool) -> str:
    """P8 and P9 of the goals; the section's text."""
    people = 20_000 if quick else 200_000
    rows = [*_large_user(), *_late(people // 10), _memory(people), _start(people)]
    return f"{table(rows)}\n{NOTES}"


NOTES = """
P8: each act is one durable transaction on SQLite; undo is the retraction of an event that linked.
Crowd: a third of all share one device, which is crowded after 100 people, and 5 % of the facts come
up to an hour late. P9: resident memory of a process that took in new people, less that of one that
took in a tenth of them; their sets and groups are counted with the identities.
"""


@contextmanager
def _engine(file: Path | None = None) -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{file or Path(folder, 'store.db')}")
        try:
            yield Engine(store, {P: Project(P, POLICY)}, clock=lambda: 1)
        finally:
            store.close()


def _tell(engine: Engine, facts: Sequence[Fact], size: int = BATCH) -> None:
    for at in range(0, len(facts), size):
        engine.state(P, facts[at : at + size])


def _each_ms(acts: Iterable[Callable[[], object]]) -> list[float]:
    times = []
    for act in acts:
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1000)
    return times


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _large_user() -> Iterator[Row]:
    """P8: unbind and undo of a merge on a user of a thousand identities."""
    people = [Identity(LOGIN, "ann")] * LARGE
    devices = [Identity(DEVICE, f"device {n}") for n in range(LARGE)]
    binds = [
        Fact(1_000 + n, f"bind {n}", Kind.BIND, (person, device))
        for n, (person, device) in enumerate(zip(people, devices, strict=True))
    ]
    unbinds = [
        Fact(10_000 + n, f"unbind {n}", Kind.UNBIND, (device,), "ann")
        for n, device in enumerate(devices[: LARGE // 2])
    ]
    with _engine() as engine:
        _tell(engine, binds)
        unbound = _each_ms(partial(engine.state, P, [fact]) for fact in unbinds)
        events = [f"bind {nth}" for nth in range(LARGE - 100, LARGE)]
        undone = _each_ms(partial(engine.operate, P, _retraction(event)) for event in events)
    for name, times in (("unbind", unbound), ("undo", undone)):
        p99 = _p99(times)
        what = f"{name} on a user of {LARGE} identities, p99"
        yield Row("P8", what, f"{p99:.1f} ms", "50 ms", *at_most(p99 / 50, 1))


def _retraction(event: str) -> Statement:
    return Statement(OperatorKind.RETRACT, "bench", "measured", event=event)


def _late(people: int) -> Iterator[Row]:
    """P8: a late fact costs what came after it in its group, and not the log."""
    facts = list(_visits(people))
    late = _late_by_an_hour(facts)
    with _engine() as engine, _engine() as other:
        in_order = sum(_each_ms([lambda: _tell(engine, facts)]))
        mixed = sum(_each_ms([lambda: _tell(other, late)]))
    ours, theirs = (f"{ms * 1000 / len(facts):.0f} µs" for ms in (mixed, in_order))
    what = "a fact of a crowd, 5 % late; all in order"
    yield Row("P8", what, ours, theirs, *at_most(mixed / in_order, 2))


def _visits(people: int) -> Iterator[Fact]:
    """Everybody has a device, and every third comes to the one that all share."""
    shared = Identity(DEVICE, "kiosk")
    for who in range(people):
        person, own = Identity(LOGIN, f"user {who}"), Identity(DEVICE, f"device {who}")
        at = who * 1_000
        yield Fact(at, f"a{who}", Kind.OBSERVE, (own,))
        yield Fact(at + 1, f"b{who}", Kind.LOGIN, (person, own), f"user {who}")
        if who % 3 == 0:
            yield Fact(at + 2, f"c{who}", Kind.LOGIN, (person, shared), f"user {who}")
            yield from (
                Fact(at + nth, f"d{who} {nth}", Kind.OBSERVE, (person, shared))
                for nth in range(3, 7)
            )


def _late_by_an_hour(facts: Sequence[Fact]) -> list[Fact]:
    chance = random.Random(1)
    arrives = [
        fact.time_ms + (chance.randrange(3_600_000) if chance.random() < 0.05 else 0)
        for fact in facts
    ]
    order = sorted(range(len(facts)), key=arrives.__getitem__)
    return [facts[nth] for nth in order]


# -- P9 --------------------------------------------------------------------------------------------


def _memory(people: int) -> Row:
    """P9: what an identity takes in the cache, its set and its group included."""
    few, many = (_in_a_process("fill", amount) for amount in (people // 10, people))
    each = (many - few) / (2 * (people - people // 10))
    return Row(
        "P9", "memory of a cached identity", f"{each:.0f} B", "300 B", *at_most(each / 300, 1)
    )


def _start(people: int) -> Row:
    """P9: the first answer of an engine on a store that it did not fill."""
    took = _in_a_process("start", people)
    what = f"start on {2 * people:,} identities"
    return Row("P9", what, f"{took * 1000:.0f} ms", "2 s", *at_most(took / 2, 1))


def _in_a_process(act: str, people: int) -> float:
    words = [sys.executable, "-m", "bench.graph", act, str(people)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def _newcomers(people: int) -> list[Fact]:
    return [
        Fact(
            n,
            f"{n:032x}",
            Kind.OBSERVE,
            (Identity(LOGIN, f"user-{n}"), Identity(DEVICE, f"18c5a9c3d0a{n:x}-0e8c")),
        )
        for n in range(people)
    ]


def _fill(people: int) -> float:
    """Resident bytes once these people are known."""
    with _engine() as engine:
        facts = _newcomers(people)
        _tell(engine, facts, 1_000)
        facts.clear()
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _begin(people: int) -> float:
    """Seconds from opening a store of these people to the first look-up."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "store.db")
        with _engine(file) as engine:
            _tell(engine, _newcomers(people), 1_000)
        start = time.perf_counter()
        with _engine(file) as engine:
            engine.lookup(P, Identity(LOGIN, "user-1"))
            return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps({"fill": _fill, "start": _begin}[sys.argv[1]](int(sys.argv[2]))))
