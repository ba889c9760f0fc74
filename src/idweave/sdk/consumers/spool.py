"""Records that wait to be sent: in memory, or on the disk where they outlive the process."""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from idweave.core.errors import StoreError, StoreFull

from ..lock import ProcessLock

MEMORY_RECORDS_MAX = 10_000
"""About 10 MB of records: what an app can spare, and minutes of a busy one without a network."""

DISK_BYTES_MAX = 64 * 1024 * 1024
"""About 60,000 records: days of one device, an hour of a busy service without its collector."""

SEGMENT_BYTES_MAX = 1024 * 1024
"""The spool is deleted and dropped by segments: small, so that little is dropped at once."""

REFUSED_BYTES_MAX = 16 * 1024 * 1024
"""Records a collector would not have are kept for a person to look at, up to this much."""


class Batch(NamedTuple):
    """The oldest records that wait, as lines, and the place behind them."""

    lines: tuple[bytes, ...]
    segment: int
    end: int


class Spool(Protocol):
    """A queue that may be filled and emptied from two threads at a time."""

    def append(self, line: bytes) -> int:
        """Add a record; returns how many were dropped to stay within the bound."""

    def batch(self, records_max: int, bytes_max: int) -> Batch:
        """The oldest records, at least one if any waits; they stay until :meth:`done`."""

    def done(self, batch: Batch) -> None:
        """The batch was delivered: forget it."""

    def set_aside(self, batch: Batch) -> bool:
        """The batch cannot be delivered: forget it. True if it was kept for a person to look at."""

    def waiting(self) -> int:
        """How many records wait."""

    def close(self) -> int:
        """Stop; returns how many records are lost with it."""


class MemorySpool:
    """Holds the newest ``records_max`` records; they end with the process."""

    def __init__(self, records_max: int = MEMORY_RECORDS_MAX) -> None:
        self._records_max = records_max
        self._lines: deque[bytes] = deque()
        self._taken = 0  # how many were ever taken out at the front
        self._lock = threading.Lock()

    def append(self, line: bytes) -> int:
        """Add a record, dropping the oldest where there is no room."""
        with self._lock:
            self._lines.append(line)
            if len(self._lines) <= self._records_max:
                return 0
            self._lines.popleft()
            self._taken += 1
            return 1

    def batch(self, records_max: int, bytes_max: int) -> Batch:
        """The oldest records."""
        with self._lock:
            lines = _fitting(list(self._lines)[:records_max], bytes_max)
            return Batch(lines, 0, self._taken + len(lines))

    def done(self, batch: Batch) -> None:
        """Forget the batch, but for what was dropped in the meantime."""
        with self._lock:
            while self._taken < batch.end and self._lines:
                self._lines.popleft()
                self._taken += 1

    def set_aside(self, batch: Batch) -> bool:
        """Forget the batch."""
        self.done(batch)
        return False

    def waiting(self) -> int:
        """How many records wait."""
        return len(self._lines)

    def close(self) -> int:
        """Whatever waits is lost."""
        return len(self._lines)


def _fitting(lines: list[bytes], bytes_max: int) -> tuple[bytes, ...]:
    """The first lines, together not above the bound, but always one."""
    kept, total = 0, 0
    for line in lines:
        total += len(line)
        if kept and total > bytes_max:
            break
        kept += 1
    return tuple(lines[:kept])


class _Segment:
    """One file of the spool: its number, and what of it is still to be delivered."""

    __slots__ = ("bytes", "number", "path", "records")

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.path = folder / f"{number:010}.jsonl"
        self.bytes = 0
        self.records = 0


class DiskSpool:
    """A folder of segments of JSON lines and a cursor. A record is with the operating system when
    :meth:`append` returns, so that no kill loses it; only a power cut can, the last second's.

    What was delivered just before a kill may be delivered again; the collector knows repeats.
    Held by one process: raises StoreBusy where another has it, StoreError where it cannot be used.
    """

    def __init__(self, folder: str | Path, *, bytes_max: int = DISK_BYTES_MAX) -> None:
        self.folder = Path(folder)
        self._bytes_max = max(bytes_max, 2 * SEGMENT_BYTES_MAX)
        self._mutex = threading.Lock()
        self._closed = False
        self._tail: BinaryIO | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = ProcessLock(self.folder / "lock", f"the spool {self.folder}")
        except OSError as error:
            raise StoreError(
                f"The spool {self.folder} cannot be used: {error.strerror or error}.",
                fix="Name a folder this program may write to.",
            ) from error
        self._offset = 0  # what of the first segment is delivered
        self._segments: deque[_Segment] = deque()
        self._open()

    def _open(self) -> None:
        first, offset = self._cursor()
        for path in sorted(self.folder.glob("[0-9]*.jsonl")):
            segment = _Segment(self.folder, int(path.stem))
            if segment.number < first:
                path.unlink(missing_ok=True)
                continue
            skip = offset if segment.number == first else 0
            data = path.read_bytes()[skip:]
            segment.records = data.count(b"\n")  # a torn last line has no end and never counts
            segment.bytes = skip + data.rfind(b"\n") + 1
            self._segments.append(segment)
        if self._segments and self._segments[0].number == first:
            self._offset = offset
        self._next_number = self._segments[-1].number + 1 if self._segments else max(first, 1)
        self._shed()

    def _cursor(self) -> tuple[int, int]:
        try:
            cursor = json.loads((self.folder / "cursor").read_bytes())
            return int(cursor["segment"]), int(cursor["offset"])
        except (OSError, ValueError, LookupError, TypeError):
            return 0, 0  # from the start: better again than never

    # -- in --

    def append(self, line: bytes) -> int:
        """Add a record; the oldest segment goes where there is no room. Raises StoreFull."""
        with self._mutex:
            if self._closed:
                return 1
            try:
                segment = self._writable(len(line))
                assert self._tail is not None
                self._tail.write(line)
                self._tail.flush()
            except OSError as error:
                self._end_tail()
                raise StoreFull(
                    f"The spool {self.folder} takes no more: {error.strerror or error}."
                ) from error
            segment.bytes += len(line)
            segment.records += 1
            return self._make_room()

    def _writable(self, more_bytes: int) -> _Segment:
        full = self._segments and self._segments[-1].bytes + more_bytes > SEGMENT_BYTES_MAX
        if self._tail is None or full:
            self._end_tail()
            segment = _Segment(self.folder, self._next_number)
            self._tail = segment.path.open("xb")
            self._next_number += 1
            self._segments.append(segment)
        return self._segments[-1]

    def _end_tail(self) -> None:
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _make_room(self) -> int:
        dropped = 0
        while sum(segment.bytes for segment in self._segments) > self._bytes_max:
            if len(self._segments) == 1:
                self._end_tail()
            dropped += self._segments[0].records
            self._forget_first()
        return dropped

    def _forget_first(self) -> None:
        segment = self._segments.popleft()
        self._offset = 0
        self._mark(segment.number + 1, 0)
        segment.path.unlink(missing_ok=True)

    # -- out --

    def batch(self, records_max: int, bytes_max: int) -> Batch:
        """The oldest records of one segment."""
        with self._mutex:
            if not self._segments or not self._segments[0].records:
                return Batch((), 0, 0)
            segment = self._segments[0]
            with segment.path.open("rb") as file:
                file.seek(self._offset)
                wanted = min(records_max, segment.records)
                lines = _fitting([file.readline() for _ in range(wanted)], bytes_max)
            return Batch(lines, segment.number, self._offset + sum(map(len, lines)))

    def done(self, batch: Batch) -> None:
        """Move the cursor behind the batch; a segment that is through is deleted."""
        with self._mutex:
            first = self._segments[0] if self._segments else None
            if self._closed or first is None or first.number != batch.segment:
                return
            first.records -= len(batch.lines)
            self._offset = batch.end
            self._shed()
            if self._segments and self._segments[0] is first:
                self._mark(first.number, self._offset)

    def _shed(self) -> None:
        """Delete segments that are through, but for the one being written."""
        while self._segments and not self._segments[0].records:
            if len(self._segments) == 1 and self._tail is not None:
                break
            self._forget_first()

    def _mark(self, number: int, offset: int) -> None:
        beside = self.folder / "cursor.new"
        beside.write_text(json.dumps({"segment": number, "offset": offset}), "ascii")
        beside.replace(self.folder / "cursor")

    def set_aside(self, batch: Batch) -> bool:
        """Move the batch to ``refused.jsonl``, where there is room for it."""
        refused = self.folder / "refused.jsonl"
        size = refused.stat().st_size if refused.exists() else 0
        fits = size + sum(map(len, batch.lines)) <= REFUSED_BYTES_MAX
        if fits:
            with refused.open("ab") as file:
                file.writelines(batch.lines)
        self.done(batch)
        return fits

    def waiting(self) -> int:
        """How many records wait."""
        with self._mutex:
            return sum(segment.records for segment in self._segments)

    def close(self) -> int:
        """Let another process have the folder; what waits is sent after the next start."""
        with self._mutex:
            if not self._closed:
                self._closed = True
                self._end_tail()
                self._lock.release()
            return 0
