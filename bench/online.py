"""P1 to P4 and P7: decode, HTTP in, bytes stored, look-ups, each beside its yardstick."""

from __future__ import annotations

import base64
import gzip
import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote

from bench import _load as load
from bench._measure import ROUNDS, Row, at_least, at_most, medians, on_core, table
from bench._processes import free_port, idweave, process
from bench._world import EVENTS, World, body, json_bytes
from idweave.server.decode import fast_decode

PEOPLE = 20_000
REQUESTS = 4_000
CONNECTIONS = 32
SINGLES = 20_000
SINGLE_CONNECTIONS = 128
LOOKUPS = 4_000
NOISE = 2_000


class Flushes(NamedTuple):
    """Requests as bodies; how large they are as JSON; some of the identities in them."""

    bodies: list[bytes]
    json_bytes: int
    identities: list[dict[str, str]]


def _flushes(made: Iterable[list[dict[str, Any]]]) -> Flushes:
    bodies, size, identities = [], 0, []
    for records in made:  # not kept: many live objects would slow down what is measured
        bodies.append(body(records))
        size += json_bytes(records)
        identities.append(records[-1]["identities"])
    return Flushes(bodies, size, identities)


def run(*, quick: bool) -> str:
    """Measure all of it."""
    part = 10 if quick else 1
    flushes = _flushes(islice(World(PEOPLE).requests(), ROUNDS * REQUESTS // part))
    singles = islice(World(PEOPLE, seed=2).requests(events=1), ROUNDS * SINGLES // part)
    ones = list(map(body, singles))
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            decode(flushes.bodies[:200]),
            *http(flushes.bodies, folder),
            one_event(ones, folder),
            stored(flushes.json_bytes, folder),
            *lookups(flushes.identities, LOOKUPS // part, folder),
        ]
    return table(rows) + "\n" + NOTES


NOTES = """
P2: the client runs on the other core; "bare decode" is `fast_decode` alone on one core. P3: the
empty handler is the same server (uvicorn, httptools, uvloop) that reads the body and answers.
P4: all files of the store after ingest, by the JSON of the same records. P7: over HTTP, while the
collector takes requests at full speed on the same core.

Where the time goes, by profile. P1: a third is msgspec making dictionaries, as every value of a
record is checked (decision 0002); reading the needed fields alone would meet the goal. P2, of some
15 µs an event: decode 3.5, the checks of a record 6 (its event id alone 2.2), facts, sets and
groups 3, SQLite and fsync 2, HTTP 1. The naive collector checks nothing and knows no rules. P3: a
request of one event pays alone for what fifty share: a payload, a sighting, mostly new identities,
each with its rows and indexes. P7: a look-up waits for the interpreter while the writer decides;
alone it takes a quarter of a millisecond.
"""


# -- P1 --------------------------------------------------------------------------------------------


def stdlib_decode(data: bytes) -> Any:
    """A request decoded by the standard library, without one check."""
    form = parse_qs(data.decode())
    return json.loads(gzip.decompress(base64.b64decode(form["data_list"][0])))


def bare_decode(data: bytes) -> Any:
    """A request decoded by the collector's decoder."""
    return fast_decode(data, "")


def each(work: Callable[[bytes], object], bodies: Sequence[bytes]) -> None:
    """Do it with each body; no result is kept, as many live objects would slow down the next."""
    for data in bodies:
        work(data)


def decode(bodies: Sequence[bytes]) -> Row:
    """P1: one 50-event request to records."""
    ours, theirs = medians(
        lambda: each(bare_decode, bodies),
        lambda: each(stdlib_decode, bodies),
        rounds=2 * ROUNDS,
    )
    per_event = 1e6 / len(bodies) / EVENTS
    what = "decode of a 50-event request, per event; stdlib: parse_qs, base64, gzip, json"
    mine, limit = (f"{time_s * per_event:.2f} µs" for time_s in (ours, theirs))
    return Row("P1", what, mine, limit, *at_least(theirs / ours, 3))


# -- P2, P3 ----------------------------------------------------------------------------------------


def http(bodies: list[bytes], folder: Path) -> list[Row]:
    """P2: 50-event requests over HTTP, durable, beside the bare decode and a naive collector."""
    requests = [load.post("/sa", data) for data in bodies]
    size = len(requests) // ROUNDS
    naive = free_port()
    ours, bare, theirs = [], [], []
    words = ["-m", "bench._naive", str(naive), str(folder / "naive.db")]
    with idweave(folder) as (port, _), process(words, naive), on_core(1):
        for start in range(0, len(requests), size):
            part, fewer = requests[start : start + size], requests[start : start + size // 4]
            ours.append(EVENTS * load.send(port, part, CONNECTIONS).per_second)
            theirs.append(EVENTS * load.send(naive, fewer, CONNECTIONS).per_second)
            (time_s,) = medians(lambda: each(bare_decode, bodies[:200]), rounds=1)
            bare.append(EVENTS * 200 / time_s)
    mine, limit, peer = (statistics.median(values) for values in (ours, bare, theirs))
    what = "HTTP to disk, 50-event requests, one worker on one core, events a second"
    return [
        Row("P2", f"{what}; bare decode", _k(mine), _k(limit), *at_least(mine / limit, 0.2)),
        Row("P2", f"{what}; naive collector", _k(mine), _k(peer), *at_least(mine / peer, 5)),
    ]


def one_event(bodies: list[bytes], folder: Path) -> Row:
    """P3: one event a request over 128 connections, beside the server's empty handler."""
    requests = [load.post("/sa", data) for data in bodies]
    size = len(requests) // ROUNDS
    empty = free_port()
    ours, limit = [], []
    (folder / "singles").mkdir()
    with (
        idweave(folder / "singles") as (port, _),
        process(["-m", "bench._empty", str(empty)], empty),
        on_core(1),
    ):
        for start in range(0, len(requests), size):
            part = requests[start : start + size]
            ours.append(load.send(port, part, SINGLE_CONNECTIONS).per_second)
            limit.append(load.send(empty, part, SINGLE_CONNECTIONS).per_second)
    mine, theirs = statistics.median(ours), statistics.median(limit)
    what = "one event a request, 128 connections, requests a second; empty handler, same bodies"
    return Row("P3", what, _k(mine), _k(theirs), *at_least(mine / theirs, 0.4))


def _k(per_second: float) -> str:
    return f"{per_second / 1000:.1f} k/s"


# -- P4, P7 ----------------------------------------------------------------------------------------


def stored(raw: int, folder: Path) -> Row:
    """P4: what the store of P2 takes on disk, by the JSON of the same records."""
    ours = sum(path.stat().st_size for path in folder.glob("store.db*"))
    what = "bytes stored, graph and indexes included; JSON of the same events"
    mine, limit = (f"{size / 1e6:.0f} MB" for size in (ours, raw))
    return Row("P4", what, mine, limit, *at_most(ours / raw, 0.25))


def lookups(asked: list[dict[str, str]], count: int, folder: Path) -> list[Row]:
    """P7: look-ups of users by identity, alone and while the collector takes requests."""
    paths = [_path(asked[7 * nth % len(asked)]) for nth in range(count)]
    requests = list(map(load.get, paths))
    with idweave(folder) as (collector, api), on_core(1):
        alone = load.send(api, requests, 8)
        with _ingesting(collector):
            busy = load.send(api, requests[: count // 4], 1)
    p99_ms = 1000 * statistics.quantiles(busy.latencies, n=100)[98]
    rate = alone.per_second / 1000
    slow, fast = at_most(p99_ms / 5, 1), at_least(rate / 2, 1)
    return [
        Row("P7", "look-up by identity, p99 while ingesting", f"{p99_ms:.1f} ms", "5 ms", *slow),
        Row("P7", "look-ups by identity, alone", f"{rate:.1f} k/s", "2 k/s", *fast),
    ]


def _path(identities: dict[str, str]) -> str:
    key, value = next(iter(identities.items()))
    return f"/v1/projects/default/lookup?key={quote(key)}&value={quote(value)}"


@contextmanager
def _ingesting(port: int) -> Iterator[None]:
    """Another process sends new requests to the collector at full speed meanwhile."""
    context = get_context("spawn")
    sending = context.Event()
    sender = context.Process(target=_keep_sending, args=(port, sending), daemon=True)
    sender.start()
    sending.wait()
    try:
        yield
    finally:
        sender.terminate()
        sender.join()


def _keep_sending(port: int, sending: Any) -> None:
    flushes = World(PEOPLE, seed=3).requests()
    while True:
        requests = [load.post("/sa", body(records)) for records in islice(flushes, NOISE)]
        sending.set()
        load.send(port, requests, 8)
