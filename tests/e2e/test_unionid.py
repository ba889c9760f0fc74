"""The sync as people run it: processes, sockets, files; killed and resumed; small in memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from idweave.unionid.mock import Fault, MockAccount, MockServer, World
from idweave.unionid.mock.scenarios import write_config
from idweave.wire import decode
from tests.unit.unionid_room import Time

WORKER = [sys.executable, "-m", "tests.e2e.unionid_worker"]
ROOT = Path(__file__).parents[2]
APPID = "wxshop"

FOLLOWERS = int(os.environ.get("UNIONID_FOLLOWERS", "100000"))
"""How many the memory test syncs. A million takes minutes on two busy cores (measured: 84 MiB at
the peak); what grows with the number of followers shows at a tenth of that, ten times smaller."""

PEAK_KIB_MAX = 100 * 1000 * 1000 // 1024
GROWTH_KIB_MAX = 16 * 1024 + 8 * 1024
"""What a sync may take more for all followers than for a tenth of them: the state file's page
cache that is full by then, and a little for fragmentation."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[World, MockServer, Path]]:
    """An account with two pages of followers, a server for it, and settings in a folder."""
    world = World.of([MockAccount(APPID, "Shop", users=range(10_150))], Time().clock)
    with MockServer(world) as server:
        yield (
            world,
            server,
            write_config(tmp_path, [*world.accounts.values()], server.url, server.host),
        )


def start(config: Path, *words: str) -> subprocess.Popen[str]:
    command = [*WORKER, "unionid", *words, "--config", str(config)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


KILLS = [
    ("stable_token", 1),
    ("user/get", 1),
    ("batchget", 1),
    ("batchget", 30),
    ("batchget", 55),
    ("batchget", 90),
    ("user/get", 1),
    ("batchget", 2),
    ("user/get", 2),
]
"""Where the sync is killed, one after the other: at the so-manieth call since the last kill."""


@pytest.mark.slow
def test_a_sync_killed_again_and_again_ends_with_nothing_lost_and_nothing_double(
    shop: tuple[World, MockServer, Path],
) -> None:
    world, _, config = shop
    killed = 0
    for endpoint, nth in KILLS:
        process = start(config, "sync")
        with world.lock:
            number = world.calls[endpoint] + nth
            hook = process.kill
            world.faults = [Fault(endpoint, number, number, None, hook=hook)]
        code, _, err = finish(process)
        assert code in {0, -signal.SIGKILL}, err
        killed += code != 0
    world.faults = []
    code, _, err = finish(start(config, "sync", "--json"))
    assert code == 0, err
    assert killed >= 7
    check_graph(config.parent / "idweave.db", 10_150)
    _, out, _ = finish(start(config, "overlap", "--json"))
    assert '"people": 10150' in out


@pytest.mark.slow
def test_a_sync_killed_while_it_tells_the_graph_tells_it_again(
    shop: tuple[World, MockServer, Path],
) -> None:
    """Facts take longer to tell than the mock to ask, so these moments fall into telling."""
    _, _, config = shop
    process = start(config, "sync")
    store = config.parent / "idweave.db"
    for size_kib in (200, 1500, 2500):
        while process.poll() is None and written_kib(store) < size_kib:
            os.sched_yield()
        process.kill()
        finish(process)
        process = start(config, "sync")
    code, _, err = finish(process)
    assert code == 0, err
    check_graph(store, 10_150)


def written_kib(store: Path) -> int:
    wal = store.with_name(store.name + "-wal")
    return sum(path.stat().st_size for path in (store, wal) if path.exists()) // 1024


def check_graph(path: Path, people: int) -> None:
    store = open_store(str(path), read_only=True)
    engine = Engine(store, {"default": Project("default", preset("sensors"))}, clock=lambda: 0)
    stats = engine.stats("default")
    store.close()
    assert (stats.accepted, stats.users, stats.identities) == (people, people, 2 * people)


def peak_of(err: str) -> int:
    found = re.search(r"peak (\d+) KiB", err)
    assert found, err
    return int(found.group(1))


def sync_many(folder: Path, count: int) -> tuple[int, int, int]:
    """Sync so many followers to a collector; the peak in KiB, facts, and openids asked."""
    world = World.of([MockAccount(APPID, "Shop", users=range(count))], Time().clock)
    with MockServer(world) as server:
        path = write_config(folder, [*world.accounts.values()], server.url, server.host)
        line = f'[unionid]\ncollector = "{server.url}/sa?project=default"'
        path.write_text(path.read_text("utf-8").replace("[unionid]", line, 1), "utf-8")
        code, _, err = finish(start(path, "sync"))
        assert code == 0, err
    facts = sum(len(decode(body, "").records) for body in world.collected)
    return peak_of(err), facts, world.calls["batchget"] * 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_sync_does_not_grow_with_its_followers(tmp_path: Path) -> None:
    small, _, _ = sync_many(tmp_path / "small", FOLLOWERS // 10)
    large, facts, asked = sync_many(tmp_path / "large", FOLLOWERS)
    assert (facts, asked) == (FOLLOWERS, FOLLOWERS)
    assert large < PEAK_KIB_MAX
    assert large - small < GROWTH_KIB_MAX


@pytest.mark.slow
def test_a_running_server_takes_the_facts_and_answers_with_people(tmp_path: Path) -> None:
    accounts = [
        MockAccount(APPID, "Shop", users=range(120)),
        MockAccount("wxclub", "Club", users=range(70, 170)),
    ]
    world = World.of(accounts, lambda: time.time_ns() // 1_000_000)
    with MockServer(world) as mock, serving(tmp_path) as collector:
        config = write_config(tmp_path / "sync", accounts, mock.url, mock.host)
        line = f'[unionid]\ncollector = "{collector}/sa?project=default"'
        config.write_text(config.read_text("utf-8").replace("[unionid]", line, 1), "utf-8")
        code, _, err = finish(start(config, "sync"))
        assert code == 0, err
        code, _, err = finish(start(config, "sync"))
        assert code == 0, err
    store = open_store(str(tmp_path / "served.db"), read_only=True)
    engine = Engine(store, {"default": Project("default", preset("sensors"))}, clock=lambda: 0)
    stats = engine.stats("default")
    store.close()
    assert (stats.accepted, stats.users, stats.rejected) == (220, 170, 0)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of its own over a store in ``folder``; yields the collector's URL."""
    settings = folder / "serve.toml"
    ports = "[server]\ncollector_port = 0\napi_port = 0\n"
    settings.write_text(f'[store]\nurl = "served.db"\n{ports}', "utf-8")
    command = [sys.executable, "-m", "idweave", "serve", "--config", str(settings)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = json.loads(next(line for line in process.stderr if '"listening"' in line))
        try:
            yield said["collector"]
        finally:
            process.terminate()
            process.communicate(timeout=30)
