"""What was promised is kept: power switches, full disks and second writers, named after their rows
in RELIABILITY.md §3. A damaged log is the business of tests/unit/test_store_damage.py."""

from __future__ import annotations

import random
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from .crashing import Clients, Server, batch_of, graphs, server_in, whole_batches
from .serving import WAIT_S, body_of

pytestmark = pytest.mark.slow

# -- F1: killed ------------------------------------------------------------------------------------

ROUNDS = 6
"""Kills of one series; with four series 24 in all, on as many processors as there are."""

LOAD_S_MAX = 0.4
"""A kill comes at a random moment of this time: tens of commits are under way by then."""


@pytest.mark.parametrize("series", range(4))
def test_f1_what_was_acknowledged_before_a_kill_is_there_once_and_the_rest_whole_or_not_at_all(
    tmp_path: Path, series: int
) -> None:
    chance, clients, path = random.Random(series), Clients(), tmp_path / "store.db"
    for _ in range(ROUNDS):
        with server_in(tmp_path) as server:
            kill = threading.Timer(chance.uniform(0.05, LOAD_S_MAX), server.kill)
            kill.start()
            clients.send(server.collector)
            kill.join()
        stored = whole_batches(path)
        assert clients.acked <= stored
        assert stored <= clients.acked | set(clients.waiting)
    with server_in(tmp_path) as server:
        clients.settle(server.collector)
        server.process.terminate()
        assert server.process.wait(WAIT_S) == 0
    assert whole_batches(path) == clients.acked == set(range(1, clients.next_batch + 1))
    stored_graph, replayed = graphs(path)
    assert stored_graph == replayed


# -- F3: nothing is promised before it is on the disk ----------------------------------------------

TRACED = "trace=fdatasync,fsync,pwrite64,write"
"""SQLite writes its log with pwrite64, the event loop an answer with write."""

SYNCED = re.compile(r"(?:fdatasync|fsync)\(\d+<[^>]*-wal>\)|<\.\.\. f(?:data)?sync resumed>")


def can_trace() -> bool:
    """Whether strace is there and may trace: some containers forbid it."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-qq", "-e", "trace=none", sys.executable, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="strace is missing here, or may not trace")
def test_f3_no_200_is_sent_before_its_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    trace, clients = tmp_path / "trace.txt", Clients()
    strace = ("strace", "-D", "-f", "-y", "-qq", "-s", "16", "-e", TRACED, "-o", str(trace))
    with server_in(tmp_path, *strace) as server:
        with socket.create_connection(server.collector, WAIT_S) as connection:
            for number in range(1, 11):
                assert clients.offer(connection, number) == 200
        server.process.terminate()
        assert server.process.wait(WAIT_S) == 0
    is_synced, answers = False, 0
    for line in trace.read_text("utf-8").splitlines():
        if "pwrite64(" in line and "-wal>" in line:
            is_synced = False
        elif SYNCED.search(line) and line.endswith("= 0"):
            is_synced = True
        elif '"HTTP/1.1 200 OK' in line:
            assert is_synced, line
            is_synced, answers = False, answers + 1  # each answer has a sync of its own
    assert answers == 10


# -- F4: the disk is full --------------------------------------------------------------------------


@contextmanager
def disk_full(server: Server, path: Path) -> Iterator[None]:
    """No file of the server may grow much beyond what the store's log takes now."""
    resource = pytest.importorskip("resource")
    prlimit = getattr(resource, "prlimit", None)
    if prlimit is None:
        pytest.skip("only Linux limits another process while it runs")
    pid, kind = server.process.pid, resource.RLIMIT_FSIZE
    _, hard = resource.getrlimit(kind)
    prlimit(pid, kind, (path.with_name(path.name + "-wal").stat().st_size + 50_000, hard))
    yield
    prlimit(pid, kind, (hard, hard))


def test_f4_a_disk_that_fills_up_under_a_server_leaves_no_half_batch_and_it_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    path, clients = tmp_path / "store.db", Clients()
    with (
        server_in(tmp_path) as server,
        httpx2.Client(base_url=server.api, timeout=WAIT_S) as api,
        socket.create_connection(server.collector, WAIT_S) as connection,
    ):
        assert clients.offer(connection, 1) == 200
        with disk_full(server, path):
            number = 2
            while clients.offer(connection, number) == 200:
                number += 1
            url = "http://{}:{}/sa".format(*server.collector)
            refused = httpx2.post(url, content=body_of(*batch_of(number)))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert api.get("/readyz").status_code == 503
            assert api.get("/healthz").status_code == 200
            stats = api.get("/v1/projects/default/stats").json()
            assert stats["accepted"] == stats["received"] == 7 * (number - 1)
            assert whole_batches(path) == clients.acked == set(range(1, number))
        clients.settle(server.collector)
        assert api.get("/readyz").status_code == 200
        assert clients.offer(connection, number + 1) == 200
    assert set(clients.statuses) == {200, 503}
    assert whole_batches(path) == clients.acked == set(range(1, number + 2))
    stored_graph, replayed = graphs(path)
    assert stored_graph == replayed


SERVE_WITHOUT_ROOM = """
import resource, sys
from idweave.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
sys.exit(main(["serve"]))
"""


def test_f4_a_disk_that_is_full_from_the_start_is_named_and_leaves_no_half_store(
    tmp_path: Path,
) -> None:
    pytest.importorskip("resource")
    command = [sys.executable, "-c", SERVE_WITHOUT_ROOM]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (run.returncode, "Traceback" in run.stderr) == (4, False)
    assert "could not be written" in run.stderr
    with server_in(tmp_path, store="data/idweave.db") as server:
        clients = Clients(waiting=[1])
        clients.settle(server.collector)
    assert whole_batches(tmp_path / "data" / "idweave.db") == {1}


# -- F14: a second writer --------------------------------------------------------------------------


def test_f14_a_second_collector_on_the_same_store_is_refused_with_the_process_that_holds_it(
    tmp_path: Path,
) -> None:
    clients = Clients()
    with server_in(tmp_path) as server:
        second = [sys.executable, "-m", "idweave", "serve", "--store", "store.db"]
        second += ["--collector-port", "0", "--api-port", "0"]
        run = subprocess.run(
            second, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        assert run.returncode == 4
        assert f"in use by process {server.process.pid}" in run.stderr
        clients.waiting = [1, 2, 3]
        clients.settle(server.collector)
        server.kill()
    with server_in(tmp_path) as server:  # the lock of a killed process is no lock
        clients.waiting = [4]
        clients.settle(server.collector)
    assert whole_batches(tmp_path / "store.db") == {1, 2, 3, 4}
