"""Load on a started ``idweave serve`` that is about to be killed, and a list of its promises.

A *batch* is one request of several records that move the graph: visits, logins, binds and unbinds
among few people, so that users merge and part. Its records have numbers of their own, and the
record's ``time`` is its number: what is in the store can be compared with what was sent.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store

from .serving import NOW_MS, WAIT_S, body_of, read_answers, request_of, status_of

BATCH = 7
"""Records of a request."""

DEVICES, PEOPLE = 40, 12
"""Few enough that a second of load makes them meet."""

FIRST_MS = NOW_MS - 10_000_000

SETTINGS = '[projects.default]\ntime_window = "off"\n'


def batch_of(number: int) -> list[dict[str, Any]]:
    """The records of a batch: the same number, the same records."""
    chance = random.Random(number)
    return [_record(number * BATCH + nth, chance) for nth in range(BATCH)]


def _record(number: int, chance: random.Random) -> dict[str, Any]:
    device, login = f"d{chance.randrange(DEVICES)}", f"p{chance.randrange(PEOPLE)}"
    phone = {"$identity_mobile": f"138{chance.randrange(PEOPLE):08}"}
    carried = {"$identity_cookie_id": device}
    kind, event, identities = chance.choice(
        [
            ("track", "Visit", carried),
            ("track", "Visit", carried),
            ("track_signup", "$SignUp", carried | {"$identity_login_id": login}),
            ("track_id_bind", "$BindID", carried | phone),
            ("track_id_unbind", "$UnbindID", phone),
        ]
    )
    return {
        "type": kind,
        "event": event,
        "time": FIRST_MS + number,
        "distinct_id": device,
        "original_id": device,
        "identities": identities,
        "properties": {"number": number, "padding": "x" * chance.randrange(200)},
        "_track_id": number,
    }


# -- a server that can be killed ------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A started ``idweave serve``."""

    process: subprocess.Popen[bytes]
    collector: tuple[str, int]
    api: str

    def kill(self) -> None:
        """End it as a power switch does, as far as a process can be."""
        self.process.kill()
        self.process.wait()


@contextmanager
def server_in(folder: Path, *before: str, store: str = "store.db") -> Iterator[Server]:
    """``idweave serve`` in a folder; ``before`` are words before the command, as of strace."""
    folder.joinpath("idweave.toml").write_text(SETTINGS, "utf-8")
    command = [*before, sys.executable, "-m", "idweave", "serve", "--json", "--store", store]
    command += ["--collector-port", "0", "--api-port", "0"]
    errors = folder / "errors.txt"
    with (
        errors.open("ab") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, cwd=folder) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, errors.read_text("utf-8")
            urls = json.loads(line)
            host, _, port = urls["collector"].removeprefix("http://").rpartition(":")
            yield Server(process, (host, int(port)), urls["api"])
        finally:
            process.kill()


# -- clients that remember -------------------------------------------------------------------------


@dataclass
class Clients:
    """What was sent and what was promised. Batches without a promise are sent again."""

    next_batch: int = 0
    waiting: list[int] = field(default_factory=list)
    acked: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def send(self, address: tuple[str, int], *, count: int = 4) -> None:
        """So many clients at once send until nobody answers."""
        threads = [threading.Thread(target=self._client, args=(address,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def settle(self, address: tuple[str, int]) -> None:
        """Send what waits for a promise, one after the other, as an SDK does after a fault."""
        with socket.create_connection(address, WAIT_S) as connection:
            while self.waiting:
                assert self.offer(connection, self._take()) == 200

    def offer(self, connection: socket.socket, number: int) -> int:
        """Send a batch: 200 where it was promised; 0 where the connection broke."""
        status = 0
        with suppress(OSError):
            connection.sendall(request_of(body_of(*batch_of(number))))
            status = status_of(read_answers(connection))
        with self._mutex:
            self.statuses[status] += 1
            if status == 200:
                self.acked.add(number)
            else:
                self.waiting.append(number)
        return status

    def _client(self, address: tuple[str, int]) -> None:
        with suppress(OSError), socket.create_connection(address, WAIT_S) as connection:
            while self.offer(connection, self._take()):
                pass

    def _take(self) -> int:
        with self._mutex:
            if self.waiting:
                return self.waiting.pop(0)
            self.next_batch += 1
            return self.next_batch


# -- what is in the store --------------------------------------------------------------------------


def whole_batches(path: Path) -> set[int]:
    """The batches in a store. None of their records may be there twice, or be there without
    the others, or without the bytes that it came in."""
    with closing(open_store(str(path), read_only=True)) as store, store.reader() as reader:
        found = Counter[int]()
        for sighting in reader.log():
            assert reader.payload(sighting.payload_id) is not None
            found.update(entry.time_ms - FIRST_MS for entry in sighting.entries)
    assert set(found.values()) <= {1}
    batches = Counter(number // BATCH for number in found)
    assert set(batches.values()) <= {BATCH}
    return set(batches)


def graphs(path: Path) -> tuple[list[str], list[str]]:
    """The graph in a store, and the one that its log gives when it is told again."""
    projects = {"default": Project("default", preset("sensors"), time_window=False)}
    with closing(open_store(str(path), read_only=True)) as store:
        engine = Engine(store, projects, clock=lambda: NOW_MS)
        with closing(open_store("memory:")) as scratch:
            again = engine.replay(scratch)
            return list(engine.export("default")), list(again.export("default"))
