"""A store that is filled at once: beside its place and unseen, then there as a whole or not at all.

Until it is in its place nothing of it has to be durable, so SQLite never waits for the disk, and
indexes are made at the end, from what is sorted then.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from idweave.core.errors import InputError, StoreBusy, StoreFull
from idweave.ports import HighMarks

from .lock import WriterLock
from .schema import migrate
from .store import SqliteStore, filling_path, remove
from .tables import Names

CACHE_KIB = 256 * 1024
"""The page cache meanwhile: the primary keys of some ten million rows."""

SETTINGS = (
    "PRAGMA synchronous = OFF",
    "PRAGMA journal_mode = MEMORY",  # without any, SQLite forgets what went wrong
    f"PRAGMA cache_size = -{CACHE_KIB}",
)


class FillingStore(SqliteStore):
    """What is filled: to be written by one who asks it little, as it has no indexes yet."""

    def _open(self) -> None:
        remove(self.path)
        self._writer = self._connect()
        migrate(self._writer, str(self.path))
        self._indexes = self._without_indexes()
        self.names = Names(self._writer)

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        for setting in SETTINGS:
            connection.execute(setting)
        return connection

    def _without_indexes(self) -> list[str]:
        """Drop the indexes that can be made at the end; returns how."""
        made = self._writer.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in made:
            self._writer.execute(f"DROP INDEX {name}")
        return [statement for _, statement in made]

    def complete(self) -> None:
        """Make the indexes, and wait for the disk. Raises StoreError."""
        with self._asked():
            for statement in self._indexes:
                self._writer.execute(statement)
            self._writer.execute("PRAGMA journal_mode = WAL")
        self.close()
        try:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            problem = f"{self.path} could not be written: {error.strerror}."
            raise StoreFull(problem, fix="Make room or mend the disk.") from None


def is_fresh(path: Path) -> bool:
    """Whether there is no store, or an empty one. Raises as opening it for writing does."""
    if not path.exists():
        return True
    with closing(SqliteStore(str(path))) as store:
        return _is_empty(store)


def _is_empty(store: SqliteStore) -> bool:
    with store.reader() as reader:
        said = bool(reader.operators(None)) or any(reader.counters(None).values())
    return not said and store.high_marks() == HighMarks(0, 0, 0, 0, 0)


@contextmanager
def filling(path: Path) -> Iterator[FillingStore]:
    """A store to fill in the place of a fresh one: it is there when the block ends well, and
    nothing has changed when it does not. Raises InputError, StoreBusy or StoreFull."""
    with ExitStack() as held:
        empty = None
        if path.exists():
            empty = held.enter_context(closing(SqliteStore(str(path))))
            if not _is_empty(empty):
                fix = "Run it again."
                raise StoreBusy(f"{path} was filled by another process just now.", fix=fix)
        else:
            held.callback(_locked(path).release)
        held.callback(remove, filling_path(path))
        try:
            with closing(FillingStore(str(filling_path(path)))) as store:
                yield store
                store.complete()
            _put_in_place(filling_path(path), path, empty)
        except StoreFull as error:
            fix = "Make room or name another place, and run it again: nothing was imported."
            raise StoreFull(f"{path} could not be filled: {error.message}", fix=fix) from None


def _locked(path: Path) -> WriterLock:
    try:
        return WriterLock(path)
    except OSError as error:
        fix = "Name a folder that exists and can be written."
        raise InputError(f"{path} cannot be opened: {error.strerror}.", fix=fix) from None


def _put_in_place(filled: Path, path: Path, empty: SqliteStore | None) -> None:
    if empty is not None:  # somebody may be reading it: it stays the same file
        empty.take_over(filled)
        return
    remove(path)  # a log that was left there is not this store's
    filled.replace(path)
    _await_folder(path.parent)


def _await_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # which cannot be asked for there
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
