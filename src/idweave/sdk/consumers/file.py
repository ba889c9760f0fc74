"""Records in files of JSON lines that ``idweave import`` reads."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from idweave.core.errors import StoreError, StoreFull

from ..clock import Clock, SystemClock
from .face import Record
from .lines import line_of

FILE_BYTES_MAX = 256 * 1024 * 1024
"""A file of this size is imported in about a minute and moved around without thought."""

FILES_A_DAY_MAX = 9999
"""The number in a file's name has four digits, so that names sort as the records came."""


class FileConsumer:
    """Writes ``<name>-YYYYMMDD-NNNN.jsonl`` in a folder: a new file each day (UTC), at each start
    and when one is full. A record is with the operating system when ``send`` returns.

    Raises StoreError where the folder cannot be used, and StoreFull where the disk is full.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str = "events",
        bytes_max: int = FILE_BYTES_MAX,
        clock: Clock | None = None,
    ) -> None:
        self._folder = Path(folder)
        self._name = name
        self._bytes_max = bytes_max
        self._clock = clock or SystemClock()
        self._file: BinaryIO | None = None
        self._day = ""
        self._lock = threading.Lock()
        self._bytes = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self._folder} cannot be used: {error.strerror or error}.",
                fix="Name a folder this program may write to.",
            ) from error

    def send(self, record: Record) -> None:
        """Append the record as one line."""
        line = line_of(record)
        day = f"{datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC):%Y%m%d}"
        try:
            with self._lock:  # trackers of several threads may share a consumer
                file = self._current(day, len(line))
                file.write(line)
                file.flush()
                self._bytes += len(line)
        except OSError as error:
            raise StoreFull(
                f"{self._folder} takes no more records: {error.strerror or error}."
            ) from error

    def _current(self, day: str, more_bytes: int) -> BinaryIO:
        full = self._bytes and self._bytes + more_bytes > self._bytes_max
        if self._file is not None and day == self._day and not full:
            return self._file
        self._end()
        self._file, self._day, self._bytes = self._next(day), day, 0
        return self._file

    def _next(self, day: str) -> BinaryIO:
        """A file that was not there: what a killed process left is never written behind."""
        for number in range(1, FILES_A_DAY_MAX + 1):
            try:
                return (self._folder / f"{self._name}-{day}-{number:04}.jsonl").open("xb")
            except FileExistsError:
                continue
        raise OSError(f"{FILES_A_DAY_MAX} files of {day} are there already")

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Nothing waits: each record is written when it is sent."""
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Close the file."""
        with self._lock:
            self._end()
        return True

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
