"""The spool: nothing is lost by a kill, what is delivered is forgotten, the bound is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from idweave.core.errors import StoreBusy, StoreError, StoreFull
from idweave.sdk import DiskSpool, MemorySpool
from idweave.sdk.consumers.spool import SEGMENT_BYTES_MAX, Spool

WRITING = """
import sys
from idweave.sdk import DiskSpool

spool = DiskSpool(sys.argv[1])
for number in range(1_000_000):
    spool.append(b'{"number":%d}\\n' % number)
    print(number, flush=True)
"""


def line(number: int, size: int = 0) -> bytes:
    return b'{"n":%d%s}\n' % (number, b" " * size)


def drained(spool: Spool, records_max: int = 7) -> list[bytes]:
    found: list[bytes] = []
    while (batch := spool.batch(records_max, 10**9)).lines:
        found += batch.lines
        spool.done(batch)
    return found


@pytest.fixture(params=["memory", "disk"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return MemorySpool() if request.param == "memory" else DiskSpool(tmp_path / "spool")


def test_records_come_out_in_their_order_and_once(spool: Spool) -> None:
    lines = [line(n) for n in range(50)]
    assert [spool.append(one) for one in lines] == [0] * 50
    assert spool.waiting() == 50
    assert drained(spool) == lines
    assert spool.waiting() == 0
    assert spool.batch(10, 10).lines == ()
    spool.close()


def test_a_batch_stays_until_it_is_done(spool: Spool) -> None:
    for number in range(5):
        spool.append(line(number))
    first = spool.batch(3, 10**9)
    assert spool.batch(3, 10**9) == first
    spool.done(first)
    spool.done(first) if isinstance(spool, MemorySpool) else None
    assert spool.batch(3, 10**9).lines == (line(3), line(4))
    spool.close()


def test_a_batch_keeps_to_its_bytes_but_holds_one_record(spool: Spool) -> None:
    for number in range(3):
        spool.append(line(number, size=100))
    assert len(spool.batch(10, 250).lines) == 2
    assert len(spool.batch(10, 1).lines) == 1
    spool.close()


def test_records_are_added_while_a_batch_is_out(spool: Spool) -> None:
    spool.append(line(1))
    batch = spool.batch(10, 10**9)
    spool.append(line(2))
    spool.done(batch)
    assert drained(spool) == [line(2)]
    spool.close()


def test_memory_drops_the_oldest_at_its_bound_even_of_a_batch_that_is_out() -> None:
    spool = MemorySpool(records_max=3)
    for number in range(3):
        spool.append(line(number))
    batch = spool.batch(2, 10**9)
    assert spool.append(line(3)) == 1
    spool.done(batch)
    assert drained(spool) == [line(2), line(3)]
    spool.append(line(4))
    assert spool.close() == 1


# -- on the disk -----------------------------------------------------------------------------------


def test_what_waits_outlives_the_process_and_what_is_done_does_not(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    for number in range(5):
        spool.append(line(number))
    spool.done(spool.batch(2, 10**9))
    spool.close()
    again = DiskSpool(tmp_path)
    again.append(line(5))
    assert again.waiting() == 4
    assert drained(again) == [line(n) for n in range(2, 6)]
    again.close()
    last = DiskSpool(tmp_path)
    assert last.waiting() == 0
    last.close()


@pytest.mark.parametrize("records", [1, 50, 500])
def test_a_kill_loses_no_record_that_was_taken(tmp_path: Path, records: int) -> None:
    command = [sys.executable, "-c", WRITING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(records)]
        writer.kill()
        said += map(int, writer.stdout.read().split())
    spool = DiskSpool(tmp_path)
    found = drained(spool, 1000)
    assert found[: len(said)] == [b'{"number":%d}\n' % number for number in said]
    assert len(found) <= len(said) + 1
    spool.close()


def test_a_torn_last_line_is_left_out_and_nothing_is_written_behind_it(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    spool.append(line(1))
    spool.close()
    (segment,) = tmp_path.glob("[0-9]*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"n":')
    again = DiskSpool(tmp_path)
    again.append(line(2))
    assert drained(again) == [line(1), line(2)]
    again.close()


def test_a_lost_cursor_sends_again_rather_than_never(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    spool.append(line(1))
    spool.append(line(2))
    spool.done(spool.batch(1, 10**9))
    spool.close()
    (tmp_path / "cursor").write_bytes(b"\0\0")
    again = DiskSpool(tmp_path)
    assert drained(again) == [line(1), line(2)]
    again.close()


def test_the_oldest_segment_goes_at_the_bound_and_is_counted(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, bytes_max=2 * SEGMENT_BYTES_MAX)
    size = SEGMENT_BYTES_MAX // 4
    dropped = sum(spool.append(line(number, size)) for number in range(12))
    left = drained(spool)
    assert dropped + len(left) == 12
    assert dropped > 0
    assert left == [line(number, size) for number in range(dropped, 12)]
    assert sum(p.stat().st_size for p in tmp_path.glob("*.jsonl")) <= 2 * SEGMENT_BYTES_MAX
    spool.close()


def test_a_batch_of_a_segment_that_was_dropped_is_no_more_to_be_done(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, bytes_max=2 * SEGMENT_BYTES_MAX)
    size = SEGMENT_BYTES_MAX // 2
    for number in range(3):
        spool.append(line(number, size))
    batch = spool.batch(1, 10**9)
    for number in range(3, 8):
        spool.append(line(number, size))
    waiting = spool.waiting()
    spool.done(batch)
    assert spool.waiting() == waiting
    spool.close()


def test_segments_that_are_through_are_deleted(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    for number in range(6):
        spool.append(line(number, SEGMENT_BYTES_MAX // 2))
    assert len(list(tmp_path.glob("[0-9]*.jsonl"))) > 3
    drained(spool)
    assert len(list(tmp_path.glob("[0-9]*.jsonl"))) == 1
    spool.close()


def test_what_cannot_be_delivered_is_kept_for_a_person(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    spool.append(line(1))
    spool.append(line(2))
    assert spool.set_aside(spool.batch(1, 10**9))
    assert (tmp_path / "refused.jsonl").read_bytes() == line(1)
    assert drained(spool) == [line(2)]
    spool.close()


def test_one_process_has_it(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    with pytest.raises(StoreBusy, match="spool"):
        DiskSpool(tmp_path)
    spool.close()
    DiskSpool(tmp_path).close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        DiskSpool(tmp_path / "file")


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool")
    (tmp_path / "spool" / "0000000001.jsonl").mkdir()  # where the first segment would be
    with pytest.raises(StoreFull, match="takes no more"):
        spool.append(line(1))
    spool.close()
