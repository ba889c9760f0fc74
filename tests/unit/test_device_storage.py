"""Device storage in a file: whole after a kill, one process's at a time, broken files put aside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from idweave.core.errors import StoreBusy, StoreError, StoreFull
from idweave.sdk import FileStorage, MemoryStorage

WRITING = """
import sys
from idweave.sdk import FileStorage

storage = FileStorage(sys.argv[1])
for number in range(100_000):
    storage.write("key", {"number": number, "filler": "x" * 20_000})
    print(number, flush=True)
"""

HOLDING = """
import sys
from idweave.sdk import FileStorage

storage = FileStorage(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


def test_what_was_written_is_read_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "device.json"
    storage = FileStorage(path)
    storage.write("a", {"distinct_id": "用户😀"})
    storage.write("b", "text")
    storage.close()
    again = FileStorage(path)
    assert (again.read("a"), again.read("b"), again.read("c")) == (
        {"distinct_id": "用户😀"},
        "text",
        None,
    )
    again.close()


@pytest.mark.parametrize("writes", [1, 7, 23])
def test_a_kill_leaves_the_last_write_whole(tmp_path: Path, writes: int) -> None:
    path = tmp_path / "device.json"
    command = [sys.executable, "-c", WRITING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        last = [int(writer.stdout.readline()) for _ in range(writes)][-1]
        writer.kill()
        last = max([last, *map(int, writer.stdout.read().split())])
    storage = FileStorage(path)
    held = storage.read("key")
    assert isinstance(held, dict)
    assert held["number"] in (last, last + 1)  # one more may have been written, and not yet said
    storage.close()


def test_another_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    command = [sys.executable, "-c", HOLDING, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy, match=str(holder.pid)):
            FileStorage(path)
        holder.communicate("go\n")
    FileStorage(path).close()


@pytest.mark.parametrize("content", [b"", b"garbage{", b"[1]", b"12", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_none_of_ours_is_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.json"
    path.write_bytes(content)
    storage = FileStorage(path)
    assert storage.read("key") is None
    assert path.with_name("device.json.broken").read_bytes() == content
    storage.write("key", "new")
    assert json.loads(path.read_bytes()) == {"key": "new"}
    storage.close()


def test_a_write_the_disk_refuses_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    storage = FileStorage(path)
    storage.write("key", "old")
    (tmp_path / "device.json.new").mkdir()  # where the next write would go
    with pytest.raises(StoreFull, match=r"device\.json"):
        storage.write("key", "new")
    assert storage.read("key") == "old"
    assert json.loads(path.read_bytes()) == {"key": "old"}
    storage.close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        FileStorage(tmp_path / "file" / "device.json")


def test_memory_starts_with_what_it_is_given() -> None:
    storage = MemoryStorage({"key": "value"})
    storage.write("other", {"a": 1})
    assert (storage.read("key"), storage.read("other"), storage.read("none")) == (
        "value",
        {"a": 1},
        None,
    )
