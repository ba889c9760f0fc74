"""A fresh store is filled at once, by several processes: whole, or not at all."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from idweave.cli.importing.filling import SPREAD_BYTES_MIN
from idweave.stores import open_store
from tests.command import Ran, idweave, record

STORE = Path("data", "idweave.db")
FILLING = Path("data", "idweave.db.filling")
WAIT_S = 60


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the store is made in its folder data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(count: int) -> list[bytes]:
    """Records of people with a device and a phone each, of which some are shared."""
    found = []
    for nth in range(count):
        ids = {"android_id": f"d{nth // 10}", "mobile": f"139{nth // 20 % 1000:08}"}
        found.append(json.dumps(record(nth, ids, properties={"page": "x" * 100})).encode())
    return found


def write(name: str, some: list[bytes]) -> bytes:
    content = b"".join(line + b"\n" for line in some)
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return content


def imported(*words: str) -> Ran:
    return idweave("import", *words, "--json")


def accepted() -> int:
    (found,) = idweave("stats", "--json").json
    return int(found["accepted"])


def left_over() -> list[str]:
    """What is in the folder of the store that is neither the store nor its lock and logs."""
    own = {STORE.name + end for end in ("", ".lock", "-wal", "-shm")}
    return sorted({path.name for path in STORE.parent.iterdir()} - own)


@contextmanager
def importing(*words: str, begin: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """An import in another process, which has begun to fill."""
    command = [sys.executable, *(begin or ("-m", "idweave")), "import", *words, "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        yield process
        process.kill()


def wait_until_it_fills() -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if FILLING.exists() and FILLING.stat().st_size > 300_000:
            return
        time.sleep(0.01)
    raise AssertionError(f"nothing was filled in {WAIT_S} s")


# -- the same store --------------------------------------------------------------------------------


def test_several_processes_fill_what_one_import_after_the_other_makes() -> None:
    some = lines(25_000)
    content = write("a.jsonl", some)
    assert len(content) > SPREAD_BYTES_MIN
    ran = imported("a.jsonl")
    assert (ran.code, ran.json["total"]["accepted"]) == (0, 25_000)
    write("first.jsonl", some[:1])
    write("rest.jsonl", some[1:])
    for name in ("first.jsonl", "rest.jsonl"):
        assert idweave("import", name, "--store", "s.db").code == 0
    assert idweave("export").out == idweave("export", "--store", "s.db").out
    assert left_over() == []


def test_several_files_are_one_history_with_a_tally_each() -> None:
    write("a.jsonl", lines(100))
    write("b.jsonl.gz", [*lines(150), b"{broken", b"[]", b'{"data_list": ""}'])
    ran = imported("a.jsonl", "b.jsonl.gz")
    one, other = ran.json["files"]
    assert (ran.code, one["accepted"], other["accepted"], other["duplicates"]) == (5, 100, 50, 100)
    assert other["rejected_by_code"] == {"INVALID_JSON": 1}
    (kept,) = idweave("rejections", "list", "--json").json["rejections"]
    assert "Line 151" in kept["reason"]


def test_imported_events_are_known_to_imports_that_follow_and_to_a_replay() -> None:
    write("a.jsonl", lines(300))
    imported("a.jsonl")
    write("b.jsonl", lines(310))
    assert imported("b.jsonl").json["total"]["duplicates"] == 300
    assert idweave("replay", "--verify").code == 0


def test_an_empty_store_is_filled_too_even_beside_a_reader() -> None:
    STORE.parent.mkdir()
    open_store(str(STORE)).close()
    write("a.jsonl", lines(100))
    with closing(open_store(str(STORE), read_only=True)) as reading:
        with reading.reader() as reader:
            assert reader.projects() == []
        ran = imported("a.jsonl")
        assert (ran.code, ran.json["total"]["accepted"]) == (0, 100)
        with reading.reader() as reader:
            assert reader.projects() == ["default"]
    assert accepted() == 100
    assert left_over() == []


def test_a_log_of_a_store_that_was_deleted_is_not_taken_for_the_new_ones() -> None:
    write("a.jsonl", lines(100))
    imported("a.jsonl")
    with closing(open_store(str(STORE))):  # its log is there as long as it is open
        idweave("doctor")
        log = STORE.with_name(STORE.name + "-wal")
        kept = log.read_bytes()
    STORE.unlink()
    log.write_bytes(kept)
    write("b.jsonl", lines(50))
    assert imported("b.jsonl").code == 0
    assert accepted() == 50
    assert idweave("doctor").code == 0


# -- never half of it ------------------------------------------------------------------------------


def test_ctrl_c_ends_the_reading_and_the_same_command_goes_on() -> None:
    write("a.jsonl", lines(60_000))
    with importing("a.jsonl") as process:
        wait_until_it_fills()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    stopped = json.loads(out)
    assert (process.returncode, stopped["stopped"]) == (130, True), err
    assert b"the same command goes on from here" in err
    assert b"Traceback" not in err
    done = stopped["total"]["accepted"]
    assert 0 < done < 60_000
    assert accepted() == done
    assert left_over() == []
    ran = imported("a.jsonl")
    assert ran.json["total"]["skipped_lines"] == done
    assert accepted() == 60_000


def test_a_second_ctrl_c_ends_it_at_once_and_nothing_is_there() -> None:
    with importing("-") as process:
        assert process.stdin is not None
        process.stdin.write(write("a.jsonl", lines(30_000)))
        process.stdin.flush()
        wait_until_it_fills()
        for _ in range(2):  # while it waits for more
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        process.wait(timeout=WAIT_S)
        _, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"nothing was imported" in err
    assert not STORE.exists()
    assert left_over() == []


def test_a_killed_import_leaves_no_store_no_process_and_no_trace_after_the_next() -> None:
    write("a.jsonl", lines(60_000))
    with importing("a.jsonl") as process:
        wait_until_it_fills()
        workers = children(process.pid)
        process.kill()
    assert not STORE.exists()
    assert left_over() == [FILLING.name]
    wait_until_gone(workers)
    write("b.jsonl", lines(60_000))
    assert imported("b.jsonl").json["total"]["accepted"] == 60_000
    assert left_over() == []
    assert idweave("doctor").code == 0


def children(pid: int) -> list[int]:
    """The processes that a process started, on Linux."""
    task = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in task.read_text().split()] if task.exists() else []


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + WAIT_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "processes outlive their parent"
        time.sleep(0.02)


WITHOUT_ROOM = """
import resource, sys
from idweave.cli import main
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_is_full_leaves_things_as_they_were(there: bool) -> None:
    pytest.importorskip("resource")
    STORE.parent.mkdir()
    if there:
        open_store(str(STORE)).close()
    write("a.jsonl", lines(20_000))
    Path("run.py").write_text(WITHOUT_ROOM)
    with importing("a.jsonl", begin=("run.py",)) as process:
        _, err = process.communicate(timeout=WAIT_S)
    said = json.loads(err)["error"]
    assert (process.returncode, said["code"]) == (4, "STORE_FULL")
    assert "nothing was imported" in said["fix"]
    assert STORE.exists() == there
    assert left_over() == []
    assert imported("a.jsonl").json["total"]["accepted"] == 20_000


def test_a_cut_file_is_resolved_as_far_as_it_goes_and_goes_on_when_it_is_whole() -> None:
    content = write("a.jsonl.gz", lines(20_000))
    whole = Path("a.jsonl.gz").read_bytes()
    Path("a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    ran = imported("a.jsonl.gz")
    assert ran.code == 1
    assert "cut off" in ran.err
    done = ran.json["total"]["accepted"]
    assert 0 < done == accepted() < 20_000
    Path("a.jsonl.gz").write_bytes(gzip.compress(content))
    assert imported("a.jsonl.gz").json["total"]["skipped_lines"] == done
    assert accepted() == 20_000


def test_another_writer_is_refused_while_a_store_is_filled() -> None:
    write("a.jsonl", lines(60_000))
    with importing("a.jsonl") as process:
        wait_until_it_fills()
        ran: Any = imported("a.jsonl")
        assert ran.code == 4
        assert f"in use by process {process.pid}" in ran.err
        assert process.wait(timeout=WAIT_S) == 0
    assert accepted() == 60_000
