"""``doctor`` and ``replay --verify``: a sound store is said to be, and every damage is found."""

from __future__ import annotations

import http.server
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from idweave.stores import open_store
from tests.command import T0, Ran, fill, idweave, record

RECORDS = [record(nth, {"mp_id": f"device-{nth % 3}"}) for nth in range(9)]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in the default place of an empty working directory, and no port in use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDWEAVE_SERVER_COLLECTOR_PORT", "0")
    monkeypatch.setenv("IDWEAVE_SERVER_API_PORT", "0")
    path = tmp_path / "data" / "idweave.db"
    path.parent.mkdir()
    fill(path, RECORDS)
    return path


def findings(ran: Ran) -> set[tuple[str, str]]:
    """What is not ok: level and what it is about."""
    return {(one["level"], one["about"]) for one in ran.json if one["level"] != "ok"}


def text_of(ran: Ran, about: str) -> str:
    return "\n".join(one["text"] for one in ran.json if one["about"] == about)


def doctor(*words: str) -> Ran:
    return idweave("doctor", *words, "--json")


def execute(store: Path, sql: str) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(sql)


# -- doctor ----------------------------------------------------------------------------------------


def test_a_sound_store_has_no_finding() -> None:
    ran = doctor()
    assert (ran.code, findings(ran)) == (0, set())
    assert "default: 9 received = 9 + 0 + 0" in text_of(ran, "counts")
    assert "every page and index is sound" in text_of(ran, "store")


def test_for_people_each_finding_is_a_line_with_what_to_do() -> None:
    execute(Path("data/idweave.db"), "UPDATE counter SET count = 8 WHERE name = 'accepted'")
    lines = idweave("doctor").out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("fail counts"))
    assert "do not add up" in lines[place]
    assert lines[place + 1].strip().startswith("fix: ")


def test_counts_that_do_not_add_up_fail() -> None:
    execute(Path("data/idweave.db"), "UPDATE counter SET count = 8 WHERE name = 'accepted'")
    ran = doctor()
    assert (ran.code, findings(ran)) == (1, {("fail", "counts")})


def test_records_for_a_project_nobody_declared_are_warned_of(store: Path) -> None:
    fill(store, [record(20, {"mp_id": "x"}, project="shop")])
    ran = doctor()
    assert (ran.code, findings(ran)) == (0, {("warn", "counts")})


def test_a_store_that_is_not_there_yet_is_no_failure(store: Path) -> None:
    store.unlink()
    ran = doctor()
    assert (ran.code, findings(ran)) == (0, {("warn", "store")})
    assert not store.exists()


def test_a_store_in_memory_is_warned_of() -> None:
    assert findings(doctor("--store", "memory:")) == {("warn", "store")}


def test_a_file_that_is_no_database_fails(store: Path) -> None:
    store.write_bytes(b"not a database" * 1000)
    ran = doctor()
    assert findings(ran) == {("fail", "store")}
    assert "no sound SQLite file" in text_of(ran, "store")


def test_the_database_of_another_program_fails(tmp_path: Path) -> None:
    execute(tmp_path / "other.db", "CREATE TABLE t (x)")
    ran = doctor("--store", "other.db")
    assert findings(ran) == {("fail", "store")}
    assert "not an idweave store" in text_of(ran, "store")


def test_a_store_of_a_newer_version_fails_with_both_numbers(store: Path) -> None:
    execute(store, "PRAGMA user_version = 99")
    ran = doctor()
    assert findings(ran) == {("fail", "store")}
    assert "has schema version 99" in text_of(ran, "store")


def test_a_damaged_page_is_found_unless_nobody_wants_to_look(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'identity_value'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with store.open("r+b") as file:
        file.seek((page - 1) * size + size - 40)
        file.write(b"\xa5" * 40)
    assert ("fail", "store") in findings(doctor())
    assert "every page" not in text_of(doctor("--quick"), "store")


def test_the_process_that_writes_is_named_and_one_that_was_killed_is_not(store: Path) -> None:
    with closing(open_store(str(store))):
        assert f"process {os.getpid()} writes to it" in text_of(doctor("--quick"), "store")
    store.with_name("idweave.db.lock").write_text("4711", "ascii")
    assert "no process writes to it" in text_of(doctor("--quick"), "store")


def test_a_clock_that_runs_behind_the_store_is_warned_of(store: Path) -> None:
    execute(store, "UPDATE payload SET received_at_ms = 99999999999999")
    assert findings(doctor()) == {("warn", "clock")}


def test_a_mistake_in_the_settings_is_the_only_finding() -> None:
    Path("idweave.toml").write_text("[stor]", "utf-8")
    ran = doctor()
    assert ran.code == 1
    assert [one["level"] for one in ran.json] == ["fail"]
    assert "idweave.toml:1: stor" in ran.json[0]["text"]


def test_a_mistake_in_a_policy_does_not_keep_it_from_looking_on() -> None:
    Path("p.toml").write_text("merge = 3", "utf-8")
    Path("idweave.toml").write_text("[projects.default]\npolicy = 'p.toml'", "utf-8")
    ran = doctor()
    assert ("fail", "projects") in findings(ran)
    assert text_of(ran, "disk")


def test_a_variable_that_nobody_reads_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDWEAVE_SERVR_API_PORT", "1")
    assert findings(doctor()) == {("warn", "settings")}


def test_a_port_that_a_stranger_holds_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(0)
        monkeypatch.setenv("IDWEAVE_SERVER_API_PORT", str(taken.getsockname()[1]))
        ran = doctor()
    assert findings(ran) == {("fail", "api")}


class Alive(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def alive() -> Iterator[int]:
    """The port of something that answers as idweave does."""
    with http.server.HTTPServer(("127.0.0.1", 0), Alive) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_port_where_idweave_answers_is_fine(alive: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDWEAVE_SERVER_COLLECTOR_PORT", str(alive))
    ran = doctor()
    assert findings(ran) == set()
    assert "idweave answers" in text_of(ran, "collector")


# -- replay ----------------------------------------------------------------------------------------


def replay() -> Ran:
    return idweave("replay", "--verify", "--json")


def test_a_sound_store_replays_to_the_same_bytes() -> None:
    ran = replay()
    assert (ran.code, ran.json["same"], ran.json["differences"]) == (0, True, 0)
    assert idweave("replay", "--verify").out == "The same graph to the byte: default.\n"


def test_a_user_that_was_tampered_with_is_named_with_the_field(store: Path) -> None:
    execute(store, "UPDATE identity SET life = 7 WHERE value = 'device-1'")
    ran = replay()
    assert (ran.code, ran.json["differences"]) == (1, 1)
    assert ",7," in ran.json["first"][0]["stored"]
    said = idweave("replay", "--verify").out
    assert "identities: stored [['$identity_mp_id', 'device-1', 7" in said


def test_a_user_that_the_log_does_not_make_is_only_in_the_store(store: Path) -> None:
    execute(
        store,
        "INSERT INTO user SELECT project_id, 1, founder_ms, founder_kind, founder_event,"
        " founder_set, NULL, 0 FROM user LIMIT 1",
    )
    assert "user 1 is only in the store" in idweave("replay", "--verify").out


def test_a_lost_user_is_only_in_the_replay(store: Path) -> None:
    execute(store, "UPDATE user SET gone = 1 WHERE name = (SELECT min(name) FROM user)")
    out = idweave("replay", "--verify").out
    assert "is only in the replay" in out
    assert len(out.splitlines()) == 3


def test_the_store_itself_is_only_read(store: Path) -> None:
    before = store.read_bytes()
    replay()
    assert store.read_bytes() == before


def test_a_project_that_is_not_there_is_not_found() -> None:
    assert idweave("replay", "--verify", "--project", "shop").code == 3


def test_the_records_of_these_tests_are_from_long_ago() -> None:
    assert T0 < 1_735_689_600_000
