"""An erasure beside a running collector, and one that is killed: never half, and no byte left."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import StoreFull
from idweave.core.identity import Identity
from idweave.engine.engine import Engine
from idweave.engine.erased import Erasing
from idweave.stores import open_store
from idweave.stores.sqlite import SqliteStore
from tests.remains import remains

from .serving import NOW_MS, WAIT_S, Served, engine_on, served

HER = ("alice-login", "alice-device", "13800000000")
BY = ("ann", "ticket 17")


def record(nth: int, login: str, device: str, **fields: Any) -> dict[str, Any]:
    ids = {"$identity_login_id": login, "$identity_cookie_id": device}
    return {
        "type": "track",
        "event": "Buy",
        "time": NOW_MS - 100_000 + nth,
        "distinct_id": login,
        "identities": ids,
        "properties": {"n": nth, "padding": "x" * (nth % 700)},
        "_track_id": nth,
        **fields,
    }


def alice(nth: int) -> dict[str, Any]:
    return record(nth, HER[0], HER[1], properties={"phone": HER[2], "padding": "y" * (nth % 900)})


def mixed(nth: int) -> list[dict[str, Any]]:
    """A request of Alice's and of many others."""
    number = nth * 10
    others = [record(number + k, f"login-{k}-{nth % 50}", f"device-{nth}-{k}") for k in range(1, 6)]
    return [alice(number), *others, record(number + 6, "bob-login", HER[1])]


def person(engine: Engine) -> str:
    found = engine.lookup("default", Identity("$identity_login_id", HER[0])).user
    assert found is not None
    return found.canonical_id


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of some thousand events."""
    folder = tmp_path_factory.mktemp("template")
    store = open_store(str(folder / "store.db"))
    with served(store) as server:
        for nth in range(250):
            assert server.send(*mixed(nth)).status_code == 200
    store.close()
    return folder


def graph_in(folder: Path) -> list[str]:
    """What a folder's store says, by a command that only reads."""
    store = open_store(str(folder / "store.db"), read_only=True)
    try:
        return list(engine_on(store).export("default"))
    finally:
        store.close()


def reopened(folder: Path) -> None:
    """What the next start of a writer does."""
    open_store(str(folder / "store.db")).close()


ROUNDS = 6
"""Kills at moments over the second half of a run; the first is the start of the program."""


@pytest.mark.slow
def test_an_erasure_that_is_killed_happened_not_at_all_or_leaves_no_byte(
    template: Path, tmp_path: Path
) -> None:
    before = graph_in(template)
    whole = tmp_path / "whole"
    shutil.copytree(template, whole)
    name = named_in(whole)
    started = time.monotonic()
    assert erasing(whole, name).wait(WAIT_S) == 0
    took = time.monotonic() - started
    after = graph_in(whole)
    assert remains(whole, HER) == set()
    chance = random.Random(7)
    for nth in range(ROUNDS):
        folder = tmp_path / str(nth)
        shutil.copytree(template, folder)
        process = erasing(folder, name)
        time.sleep(took * chance.uniform(0.5, 1.0))
        process.kill()
        process.wait(WAIT_S)
        found = graph_in(folder)
        assert found in (before, after)
        reopened(folder)
        assert graph_in(folder) == found
        is_erased = found == after
        assert remains(folder, HER) == (set() if is_erased else set(HER))
        shutil.rmtree(folder)


def named_in(folder: Path) -> str:
    store = open_store(str(folder / "store.db"), read_only=True)
    try:
        return person(engine_on(store))
    finally:
        store.close()


def erasing(folder: Path, name: str) -> subprocess.Popen[bytes]:
    words = ("erase", "--user", name, "--reason", "t", "--author", "ann", "--yes")
    command = [sys.executable, "-m", "idweave", *words, "--store", str(folder / "store.db")]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)


class NoRoom(SqliteStore):
    """A store on a disk that has room for an erasure, and none for the copy that ends it."""

    def scrub(self) -> None:
        raise StoreFull("There is no room.")


def test_what_was_erased_without_room_to_scrub_goes_when_the_store_is_opened_next(
    template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    store = NoRoom(str(tmp_path / "store.db"))
    engine = engine_on(store)
    answer = engine.erase("default", Erasing(*BY, user=person(engine)))
    assert not answer.is_scrubbed
    store.close()
    reopened(tmp_path)
    assert remains(tmp_path, HER) == set()


def test_a_reader_that_holds_the_log_up_delays_the_end_of_an_erasure_and_no_more(
    template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    store = open_store(str(tmp_path / "store.db"))
    reading = open_store(str(tmp_path / "store.db"), read_only=True)
    engine = engine_on(store)
    name = person(engine)
    with reading.reader() as reader:
        assert reader.user("default", int(name)) is not None
        answer = engine.erase("default", Erasing(*BY, user=name))
    reading.close()
    assert not answer.is_scrubbed
    store.close()
    reopened(tmp_path)
    assert remains(tmp_path, HER) == set()


def test_a_person_is_erased_beside_a_collector_that_goes_on(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.db"))
    with served(store) as server:
        for nth in range(20):
            server.send(*mixed(nth))
        name = person(server.engine)
        acked: list[int] = []
        loader = threading.Thread(target=load, args=(server, acked))
        loader.start()
        who = {"kind": "user", "canonical_id": name}
        body = {"erase": who, "author": "ann", "reason": "ticket 17"}
        answer = server.api.post("/v1/projects/default/erasures", json=body)
        loader.join()
        assert answer.status_code == 200, answer.text
        assert answer.json()["is_scrubbed"]
        assert server.send(alice(5)).status_code == 200
        events = server.api.get(f"/v1/projects/default/users/{name}")
        assert events.status_code == 404
        assert "was erased" in events.json()["detail"]
        stats = server.stats()
        assert stats["rejections_by_code"]["ERASED"] >= 1
        assert stats["received"] == stats["accepted"] + stats["rejected"] + stats["duplicates"]
        assert stats["accepted"] == 20 * 7 + len(acked)
        assert remains(tmp_path, HER) == set()
    store.close()


def load(server: Served, acked: list[int]) -> None:
    """Sends, and sends again what was not taken, as SDKs do."""
    for nth in range(5_000, 5_040):
        while server.send(record(nth, "carol", "carol-device")).status_code != 200:
            time.sleep(0.01)
        acked.append(nth)
