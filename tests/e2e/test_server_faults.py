"""Faults that a server must survive, named after their rows in RELIABILITY.md §3."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from idweave.core.errors import StoreFull
from idweave.engine.engine import Engine
from idweave.ports import Changes
from idweave.stores import OpenStore, open_store
from idweave.stores.memory import MemoryStore
from idweave.wire import decode

from .serving import (
    NOW_MS,
    PROJECTS,
    WAIT_S,
    Served,
    body_of,
    exchange,
    process_on,
    read_answers,
    record,
    request_of,
    served,
    status_of,
    wait_until,
)

BAD = {"type": "track", "event": "no spaces please", "distinct_id": "x", "time": 1}


class FailingStore(MemoryStore):
    """A store whose disk can be full, or slow."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.open = threading.Event()
        self.open.set()

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        assert self.open.wait(WAIT_S), "nobody let the commit go on"
        if self.is_full:
            raise StoreFull("There is no room.", fix="Make some.")
        super().commit(changes)


# -- F4: the disk is full --------------------------------------------------------------------------


def test_f4_a_full_disk_is_503_reads_go_on_and_it_recovers_without_a_restart() -> None:
    store = FailingStore()
    with served(store, retry_after_s=7) as server:
        assert server.send(record(1)).status_code == 200
        store.is_full = True
        refused = server.send(record(2))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
        assert refused.headers["access-control-allow-origin"] == "*"
        assert server.api.get("/readyz").status_code == 503
        assert server.api.get("/healthz").status_code == 200
        assert server.stats()["accepted"] == 1
        store.is_full = False
        assert server.send(record(2)).status_code == 200
        assert server.api.get("/readyz").status_code == 200
        assert server.stats()["accepted"] == 2


@pytest.mark.parametrize("path", ["/sa", "/sa.gif", "/debug"])
def test_f4_every_way_in_says_503_when_the_disk_is_full(path: str) -> None:
    store = FailingStore()
    store.is_full = True
    with served(store) as server:
        assert server.send(record(1), path=path).status_code == 503


# -- F7: the clock jumps ---------------------------------------------------------------------------

HOUR_MS, YEAR_MS = 3_600_000, 365 * 86_400_000
JUMPS_MS = [0, HOUR_MS, -HOUR_MS, 10 * YEAR_MS, -10 * YEAR_MS, 0]


def test_f7_whatever_the_clock_does_times_are_kept_as_sent_and_as_received(
    store: OpenStore,
) -> None:
    now = [NOW_MS]
    engine = Engine(store, PROJECTS, clock=lambda: now[0])
    for number, jump in enumerate(JUMPS_MS):
        now[0] = NOW_MS + jump
        delivery = engine.parse(decode(body_of(record(number)), ""), now[0])
        assert engine.accept([delivery])[0].accepted == 1
    found = [
        (event.time_ms, event.received_at_ms)
        for name in engine.user_names("default")
        for event in engine.events("default", name).events
    ]
    expected = [(record(n)["time"], NOW_MS + jump) for n, jump in enumerate(JUMPS_MS)]
    assert sorted(found) == expected
    with closing(open_store("memory:")) as scratch:
        assert list(engine.replay(scratch).export("default")) == list(engine.export("default"))


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        (0, []),
        (HOUR_MS, []),
        (-HOUR_MS, []),
        (10 * YEAR_MS, ["EXPIRED_RECORD"]),
        (-10 * YEAR_MS, ["EXPIRED_RECORD"]),
    ],
)
def test_f7_outside_the_time_window_a_record_is_kept_as_expired(
    jump: int, expected: list[str]
) -> None:
    projects = {"default": replace(PROJECTS["default"], time_window=True)}
    with closing(open_store("memory:")) as store:
        engine = Engine(store, projects, clock=lambda: NOW_MS + jump)
        engine.accept([engine.parse(decode(body_of(record(1)), ""), engine.clock())])
        assert [one.code for one in engine.rejections("default")] == expected


# -- F8: out of order ------------------------------------------------------------------------------


def people_meeting() -> list[dict[str, Any]]:
    """Records of five devices and three people, who log in, bind and unbind one phone."""
    made = []
    for number in range(60):
        carried = {"$identity_cookie_id": f"d{number % 5}"}
        if number % 3 == 0:
            carried["$identity_login_id"] = f"p{number % 7 % 3}"
        if number % 11 == 0:
            carried["$identity_mobile"] = "13800000000"
        more: dict[str, Any] = {"identities": carried}
        if number % 17 == 16:
            phone = {"$identity_mobile": "13800000000"}
            more = {"type": "track_id_unbind", "event": "$UnbindID", "identities": phone}
        made.append(record(number, **more))
    return made


@pytest.mark.parametrize("seed", range(8))
def test_f8_records_in_any_order_and_any_batches_make_the_same_graph(seed: int) -> None:
    chance, sent = random.Random(seed), people_meeting()
    with served(open_store("memory:")) as one, served(open_store("memory:")) as other:
        assert one.send(*sent).status_code == 200
        chance.shuffle(sent)
        while sent:
            size = chance.randrange(1, 20)
            assert other.send(*sent[:size]).status_code == 200
            del sent[:size]
        graph = list(one.engine.export("default"))
        assert list(other.engine.export("default")) == graph
        assert len(graph) > 1


# -- F9: the same request twice at once ------------------------------------------------------------


def test_f9_the_same_request_on_many_connections_is_stored_once(server: Served) -> None:
    request = request_of(body_of(*(record(n) for n in range(20))))
    statuses: list[int] = []

    def send() -> None:
        statuses.append(status_of(exchange(server.address, request)))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = server.stats()
    assert statuses == [200] * 8
    assert (stats["received"], stats["accepted"], stats["duplicates"]) == (160, 20, 140)


# -- F10: half of a batch is bad -------------------------------------------------------------------


def test_f10_one_bad_record_of_fifty_is_kept_with_its_reason_and_the_rest_goes_in(
    server: Served,
) -> None:
    assert server.send(*(record(n) for n in range(49)), BAD).status_code == 200
    stats = server.stats()
    assert (stats["accepted"], stats["rejected"]) == (49, 1)
    (kept,) = server.api.get("/v1/projects/default/rejections").json()["rejections"]
    assert kept["code"] == "INVALID_FIELD"
    assert json.loads(kept["raw"]) == BAD


# -- F11: slow, cut and idle clients ---------------------------------------------------------------


def test_f11_a_request_cut_in_its_body_writes_nothing(server: Served) -> None:
    request = request_of(body_of(record(1)))
    for cut in (len(request) - 1, len(request) // 2, 100):
        with socket.create_connection(server.address, WAIT_S) as connection:
            connection.sendall(request[:cut])
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) in {b"", b"H"}
    assert server.send(record(2)).status_code == 200
    assert server.stats()["received"] == 1


def test_f11_a_connection_that_is_reset_in_its_body_writes_nothing(server: Served) -> None:
    request = request_of(body_of(record(1)))
    with socket.create_connection(server.address, WAIT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(request[:-5])
    assert server.send(record(2)).status_code == 200
    assert server.stats()["received"] == 1


SLOW = {
    "says nothing": b"",
    "stops in the head": b"POST /sa HTTP/1.1\r\nHost: a\r\nX-",
    "stops in the body": request_of(body_of(record(1)))[:-1],
    "stops in a chunk": b"POST /sa HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}


@pytest.mark.parametrize("how", SLOW)
def test_f11_a_client_that_is_too_slow_is_cut_off_and_writes_nothing(
    store: OpenStore, how: str
) -> None:
    with (
        served(store, request_s_max=0.3) as server,
        socket.create_connection(server.address, WAIT_S) as slow,
    ):
        slow.sendall(SLOW[how])
        assert server.send(record(2)).status_code == 200
        assert status_of(read_answers(slow)) == 0
        assert server.stats()["received"] == 1


def test_f11_a_client_that_drips_is_cut_off_however_steadily(store: OpenStore) -> None:
    with (
        served(store, request_s_max=0.5) as server,
        socket.create_connection(server.address, WAIT_S) as slow,
    ):
        with pytest.raises(OSError, match=r"reset|pipe|abort"):
            drip(slow, SLOW["stops in the head"] * 20)
        assert server.send(record(2)).status_code == 200


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def test_f11_an_idle_connection_is_closed(store: OpenStore) -> None:
    with (
        served(store, keep_alive_s=1) as server,
        socket.create_connection(server.address, WAIT_S) as idle,
    ):
        idle.sendall(request_of(body_of(record(1))))
        idle.settimeout(WAIT_S)
        said = b""
        while piece := idle.recv(65536):
            said += piece
        assert status_of(said) == 200


def test_f11_a_crowd_of_idle_connections_does_not_keep_others_out(store: OpenStore) -> None:
    with served(store, connections_max=20) as server, ExitStack() as crowd:
        for _ in range(100):
            crowd.enter_context(socket.create_connection(server.address, WAIT_S))
        for number in range(5):
            with httpx2.Client(base_url=server.running.collector_url, timeout=WAIT_S) as client:
                answer = client.post("/sa", content=body_of(record(number)))
                assert answer.status_code == 200
    with store.reader() as reader:
        assert reader.counters("default")["default", "accepted"] == 5


# -- F12: a stop under load ------------------------------------------------------------------------


def send_until_refused(address: tuple[str, int], first: int, acked: list[int]) -> None:
    """One client that sends records on one connection and remembers those that got 200."""
    number = first
    try:
        with socket.create_connection(address, WAIT_S) as connection:
            connection.settimeout(WAIT_S)
            while True:
                connection.sendall(request_of(body_of(record(number))))
                said = b""
                while b"\r\n\r\n" not in said:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    said += piece
                if status_of(said) == 200:
                    acked.append(number)
                number += 1
    except OSError:
        return


def stored_numbers(path: Path) -> set[int]:
    """The records in a store, by the number that made them."""
    store = open_store(str(path), create=False)
    try:
        with store.reader() as reader:
            times = [entry.time_ms for sighting in reader.log() for entry in sighting.entries]
        assert len(times) == len(set(times))
        return {time_ms - record(0)["time"] for time_ms in times}
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_f12_what_was_acknowledged_before_a_stop_under_load_is_stored(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "store.db"
    acked: list[int] = []
    with process_on(path) as server:
        clients = [
            threading.Thread(target=send_until_refused, args=(server.address, n * 10_000, acked))
            for n in range(6)
        ]
        for client in clients:
            client.start()
        wait_until(lambda: len(acked) > 100)
        started = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(WAIT_S) == 0
        assert time.monotonic() - started < 10
        for client in clients:
            client.join()
        lines = [json.loads(line) for line in server.log]
    assert [line["message"] for line in lines] == ["listening", "stopping", "stopped"]
    assert set(acked) <= stored_numbers(path)


def test_f12_a_stop_finishes_the_request_that_waits_for_its_commit() -> None:
    store = FailingStore()
    with served(store) as server:
        store.open.clear()
        with socket.create_connection(server.address, WAIT_S) as waiting:
            waiting.sendall(request_of(body_of(record(1))))
            wait_until(lambda: server.metric("idweave_queue_requests") == 1)
            server.running.stop()
            wait_until(lambda: not accepts(server.address))
            store.open.set()
            said = read_answers(waiting)
        assert status_of(said) == 200
        assert b"connection: close" in said


def accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, WAIT_S).close()
    except ConnectionError:
        return False
    return True


def test_f12_a_slow_client_does_not_hold_up_a_stop(store: OpenStore) -> None:
    with (
        served(store, grace_s=15) as server,
        socket.create_connection(server.address, WAIT_S) as slow,
    ):
        slow.sendall(request_of(body_of(record(1)))[:-1])
        assert server.send(record(2)).status_code == 200
        started = time.monotonic()
        server.running.stop()
        assert status_of(read_answers(slow)) == 0
        assert time.monotonic() - started < 10


def test_f12_a_request_that_the_grace_does_not_suffice_for_is_503() -> None:
    store = FailingStore()
    with served(store, grace_s=1) as server:
        store.open.clear()
        with socket.create_connection(server.address, WAIT_S) as waiting:
            waiting.sendall(request_of(body_of(record(1))))
            wait_until(lambda: server.metric("idweave_queue_requests") == 1)
            server.running.stop()
            said = read_answers(waiting)
        store.open.set()
    assert status_of(said) == 503
    assert b"retry-after" in said


# -- the queue is full -----------------------------------------------------------------------------


def test_a_full_queue_is_503_and_what_was_in_it_is_stored() -> None:
    store = FailingStore()
    with served(store, queue_requests_max=3) as server:
        store.open.clear()
        with ExitStack() as clients:
            waiting = [
                clients.enter_context(socket.create_connection(server.address, WAIT_S))
                for _ in range(3)
            ]
            for number, client in enumerate(waiting):
                client.sendall(request_of(body_of(record(number))))
            wait_until(lambda: server.metric("idweave_queue_requests") == 3)
            refused = server.send(record(9))
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            store.open.set()
            assert [status_of(read_answers(client)) for client in waiting] == [200] * 3
        assert server.stats()["accepted"] == 3
