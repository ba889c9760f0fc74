"""The file: any number of processes open it, each with one connection that threads share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idweave.core.errors import InputError, StoreBusy, StoreError, StoreFull

from .schema import migrate

PAGE_CACHE_KIB = 16 * 1024
"""Small on purpose: a sync of a million followers stays under 100 MB in all."""

WAL_PAGES = 4000
"""Checkpoint when the log holds this many pages (16 MB): openids come in random order, so that
each wave of followers touches pages all over the file."""

BUSY_MS = 10_000
"""How long one process waits for another's transaction; each takes milliseconds."""

FETCHED_ROWS = 1000
"""Rows held at once while a long answer is read."""

_FULL = ("full", "disk i/o error", "readonly", "unable to open")


class Database:
    """One open file.

    ``synchronous = NORMAL``: losing the last commits in a power cut costs a page asked again and
    facts sent again, which change nothing; the facts themselves are the store's to keep.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = self._open()
            self._scrub_if_due()
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from None
        except OSError as error:
            fix = "Name a folder that exists and can be written as `state` in [unionid]."
            raise InputError(f"{path} cannot be opened: {error.strerror}.", fix=fix) from None

    def _open(self) -> sqlite3.Connection:
        if self.path != ":memory:":
            Path(self.path).touch(mode=0o600)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def scrub(self) -> bool:
        """Leave no byte of who was forgotten in the file: write it anew, empty its log. False
        where another process reads or writes for too long: then it is still due."""
        with self._lock:
            try:
                self._connection.execute("VACUUM")
                log = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not log[0]:
                    self._connection.execute("DELETE FROM scrub_due")
                return not log[0]
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    return False
                raise self._translated(error) from None

    def _scrub_if_due(self) -> None:
        if self.rows("SELECT 1 FROM scrub_due"):
            self.scrub()

    def close(self) -> None:
        """Give the file back. Everything committed is in it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside, or nothing of it. Other processes wait."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._translated(error) from None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query that is known to be short."""
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a long query, in bounded memory."""
        try:
            with self._lock:
                cursor = self._connection.execute(sql, values)
                while rows := cursor.fetchmany(FETCHED_ROWS):
                    yield from rows
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def account_id(self, appid: str) -> int:
        """The number of an account in this file; a new one gets one."""
        found = self.rows("SELECT account_id FROM account WHERE appid = ?", (appid,))
        if not found:
            with self.transaction() as connection:
                connection.execute("INSERT OR IGNORE INTO account (appid) VALUES (?)", (appid,))
            found = self.rows("SELECT account_id FROM account WHERE appid = ?", (appid,))
        return int(found[0][0])

    def appid(self, account_id: int) -> str:
        """The account of a number, as the platform knows it."""
        rows = self.rows("SELECT appid FROM account WHERE account_id = ?", (account_id,))
        return str(rows[0][0])

    def _translated(self, error: sqlite3.Error) -> StoreError | InputError:
        text = str(error)
        if "not a database" in text:
            fix = "Name another file as `state` in [unionid]."
            return InputError(f"{self.path} is not an SQLite file.", fix=fix)
        if "locked" in text:
            fix = "Another process is writing for very long; try again."
            return StoreBusy(f"{self.path} is busy.", fix=fix)
        if any(word in text.lower() for word in _FULL):
            fix = "Make room or mend the disk, and run it again: it goes on where it stopped."
            return StoreFull(f"{self.path} could not be written: {text}.", fix=fix)
        return StoreError(f"{self.path}: {text}.", fix="Restore the file, or sync into a new one.")


def marks(values: Sequence[Any]) -> str:
    """A list of question marks and nothing else."""
    return ",".join("?" * len(values))
