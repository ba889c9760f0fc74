"""A store whose files the disk did not keep: what is whole is read, the rest is said to be missing.
Named after row F2 of RELIABILITY.md §3."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from idweave.stores.sqlite import SqliteStore
from idweave.stores.sqlite.wal import LogState, read_log
from tests.command import fill, idweave, record

COMMITS = 12

MAKE = f"""
    import os, sys
    from idweave.ports import Changes, PayloadRow
    from idweave.stores.sqlite import SqliteStore
    store = SqliteStore(sys.argv[1])
    for number in range(1, {COMMITS} + 1):
        body = number.to_bytes(2, "big") * 3000
        store.commit(Changes(payloads=[PayloadRow(number, "p", number, body)]))
    os.kill(os.getpid(), 9)
"""

WAL_HEADER, FRAME = 32, 24 + 4096


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store whose process was killed after twelve commits."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", dedent(MAKE), str(folder / "store.db")]
    subprocess.run(command, check=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


Damage = Callable[[bytearray], None]


def cut(share: float) -> Damage:
    """All that is behind a place is missing."""

    def damage(log: bytearray) -> None:
        del log[int(len(log) * share) :]

    return damage


def flip(share: float) -> Damage:
    """One bit is another one."""

    def damage(log: bytearray) -> None:
        log[int(len(log) * share)] ^= 1 << 4

    return damage


def flip_header(at: int) -> Damage:
    """One bit of the log's header is another one."""

    def damage(log: bytearray) -> None:
        log[at] ^= 1

    return damage


SHARES = [number / 37 for number in range(37)]
CASES: dict[str, Damage] = {
    **{f"cut at {share:.2f}": cut(share) for share in SHARES},
    **{f"flipped at {share:.2f}": flip(share) for share in SHARES},
    **{f"header flipped at {at}": flip_header(at) for at in range(0, WAL_HEADER, 3)},
}


def lay_out(folder: Path, files: dict[str, bytes], damage: Damage | None = None) -> Path:
    """The files in a folder, with the log damaged; the shared memory is gone, as after a boot."""
    path = folder / "store.db"
    log = bytearray(files["store.db-wal"])
    if damage is not None:
        damage(log)
    path.write_bytes(files["store.db"])
    path.with_name("store.db-wal").write_bytes(log)
    return path


def payloads(path: Path, *, read_only: bool) -> list[int]:
    """The numbers of all payloads that a store has, each checked for its bytes."""
    with closing(SqliteStore(str(path), read_only=read_only)) as store:
        found = []
        for number in range(1, store.high_marks().payload + 1):
            with store.reader() as reader:
                row = reader.payload(number)
            assert row is not None
            assert row.body == number.to_bytes(2, "big") * 3000
            found.append(number)
    return found


@pytest.mark.parametrize("case", CASES)
def test_f2_a_damaged_log_is_read_up_to_a_whole_commit_and_the_loss_is_counted(
    tmp_path: Path, killed: dict[str, bytes], case: str
) -> None:
    path = lay_out(tmp_path, killed, CASES[case])
    said = read_log(path)
    kept = payloads(path, read_only=True)
    assert kept == list(range(1, said.commits + 1))
    if "flipped" in case:
        assert said.commits + said.lost == COMMITS
    assert payloads(path, read_only=False) == kept


def test_f2_a_sound_log_has_lost_nothing(tmp_path: Path, killed: dict[str, bytes]) -> None:
    path = lay_out(tmp_path, killed)
    assert read_log(path) == LogState(COMMITS, 0)
    assert payloads(path, read_only=False) == list(range(1, COMMITS + 1))
    assert read_log(path) == LogState(0, 0)


@pytest.mark.parametrize(
    ("share", "level", "code"), [(0.3, "fail", 1), (0.99, "warn", 0), (1.0, "ok", 0)]
)
def test_f2_doctor_says_how_many_commits_are_not_read(
    tmp_path: Path,
    killed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    level: str,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COLLECTOR_PORT", "API_PORT"):
        monkeypatch.setenv(f"IDWEAVE_SERVER_{name}", "0")
    path = lay_out(tmp_path, killed, flip(share) if share < 1 else None)
    said = read_log(path)
    ran = idweave("doctor", "--store", "store.db", "--json")
    assert ran.code == code
    found = [one["level"] for one in ran.json if "behind them are not" in one["text"]]
    assert found == ([] if level == "ok" else [level])
    assert idweave("doctor", "--store", "store.db", "--json").code == code  # it changed nothing
    assert read_log(path) == said


# -- damage that no checksum of SQLite's can see ---------------------------------------------------

COMMANDS = [
    ("doctor",),
    ("export",),
    ("replay", "--verify"),
    ("lookup", "mp_id", "d1"),
    ("rejections", "list"),
    ("refusals",),
    ("stats",),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_f2_a_page_that_changed_is_told_as_damage_and_never_as_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    records = [
        record(n, {"mp_id": f"d{n % 9}", "login_id": f"l{n % 4}"}, properties={"p": "x" * 50})
        for n in range(200)
    ]
    fill(Path("store.db"), [*records, {"type": "track", "event": "no good", "distinct_id": "x"}])
    sound, chance = Path("store.db").read_bytes(), random.Random(seed)
    codes = set()
    for _ in range(8):
        damaged = bytearray(sound)
        at = chance.randrange(4096, len(sound) - 64)
        damaged[at : at + 64] = chance.randbytes(64)
        Path("store.db").write_bytes(damaged)
        for words in COMMANDS:
            ran = idweave(*words, "--store", "store.db")
            codes.add(ran.code)
            assert ran.code in {0, 1, 3, 4}, (at, words, ran.err)
    assert 0 in codes


def test_f2_a_stored_request_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = {"type": "track", "event": "no good", "distinct_id": "x"}
    fill(Path("store.db"), [record(1, {"mp_id": "d"}), bad])
    user = idweave("lookup", "mp_id", "d", "--store", "store.db", "--json").json["canonical_id"]
    with closing(SqliteStore("store.db")) as store:
        store._writer.execute("UPDATE payload SET body = zeroblob(20)")
    for words in (("replay", "--verify"), ("events", user), ("rejections", "list")):
        ran = idweave(*words, "--store", "store.db")
        assert ran.code == 4, ran.out
        assert "Request 1 is damaged" in ran.err


def test_f2_a_damaged_schema_is_said_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("store.db"), [record(1, {"mp_id": "d"})])
    content = Path("store.db").read_bytes()
    Path("store.db").write_bytes(
        content.replace(b"CREATE TABLE payload", b"CREATE T\xffBLE payload")
    )
    for words, code in ((("stats",), 4), (("doctor",), 1)):
        ran = idweave(*words, "--store", "store.db")
        assert ran.code == code, ran.err
        assert "schema is damaged" in ran.out + ran.err
