"""The default store: one SQLite file, one writer, durable before it answers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from idweave.core.errors import InputError, StoreError, StoreFull
from idweave.core.identity import Fact, Identity
from idweave.ports import (
    Changes,
    GroupRow,
    HighMarks,
    IdentityRow,
    Reader,
    SetKey,
    SetRow,
    UserRow,
    fact_of,
)

from . import scrubbing, writes
from .codec import digest, order_of, pack_event, unpack_entries, unpack_event
from .connecting import connect, connect_read_only
from .lock import WriterLock
from .reader import SqliteReader
from .rows import USER, user_of
from .schema import migrate, refuse_other_versions
from .tables import Names, chunks, marks
from .telling import told

PAGE_CACHE_KIB = 64 * 1024
"""The writer's page cache: the index pages of a few million identities."""

WAL_PAGES = 4000
"""Checkpoint when the log holds this many pages (16 MB): rare enough to be cheap, small enough
to start quickly after a crash."""

READERS_MAX = 8
"""Idle read connections kept; more are opened when needed and closed after use."""

_FULL = ("full", "disk i/o error", "readonly", "unable to open")


def filling_path(path: Path) -> Path:
    """Where a store is filled before it takes the place ``path``. Whoever holds the writer's lock
    may delete what a killed process left there."""
    return path.with_name(path.name + ".filling")


def remove(path: Path) -> None:
    """Delete a store's file and its logs, where there are any."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _translated(error: sqlite3.Error, path: str) -> StoreError:
    text = str(error)
    if any(word in text.lower() for word in _FULL):
        fix = "Make room or mend the disk; the next write is tried as usual."
        return StoreFull(f"{path} could not be written: {text}.", fix=fix)
    return StoreError(f"{path}: {text}.", fix="Run `idweave doctor`.")


class SqliteStore:
    """A store in one file. ``read_only`` opens beside a running writer and takes no lock."""

    def __init__(self, path: str, *, create: bool = True, read_only: bool = False) -> None:
        self.path = Path(path)
        if not self.path.exists() and (read_only or not create):
            fix = "Name an existing store, or start one with `idweave serve` or `idweave import`."
            raise InputError(f"There is no store at {path}.", fix=fix)
        self.read_only = read_only
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._lock: WriterLock | None = None
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            if "not a database" in str(error):
                fix = "Name another file for the store."
                raise InputError(f"{path} is not an SQLite file.", fix=fix) from None
            raise _translated(error, path) from None
        except OSError as error:
            fix = "Name a folder that exists and can be written."
            raise InputError(f"{path} cannot be opened: {error.strerror}.", fix=fix) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if not self.read_only:
            self._lock = WriterLock(self.path)
            remove(filling_path(self.path))
        self._writer = self._connect()
        if self.read_only:
            refuse_other_versions(self._writer, str(self.path))
        else:
            migrate(self._writer, str(self.path))  # before WAL, which a refused file must not get
            self._writer.execute("PRAGMA journal_mode = WAL")
            if scrubbing.is_due(self._writer):  # killed between an erasure and its end
                scrubbing.scrub(self._writer, str(self.path))
        self.names = Names(self._writer)

    def _connect(self) -> sqlite3.Connection:
        connection = connect_read_only(self.path) if self.read_only else connect(self.path)
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        return connection

    def close(self) -> None:
        """Give the file back. Everything committed is in it."""
        for connection in [*self._idle, getattr(self, "_writer", None)]:
            if connection is not None:
                connection.close()
        self._idle.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def take_over(self, other: Path) -> None:
        """Become a copy of another store, in one transaction. Raises StoreError."""
        with self._asked(), closing(connect_read_only(other)) as source:
            source.backup(self._writer)
            self.names.reload(self._writer)

    def pragma(self, name: str) -> Any:
        """A setting of the writing connection, as SQLite reports it."""
        return self._writer.execute(f"PRAGMA {name}").fetchone()[0]

    # -- the Store port -------------------------------------------------------------------------

    def high_marks(self) -> HighMarks:
        """See :class:`idweave.ports.Store`."""
        (row,) = self._rows(
            "SELECT (SELECT max(payload_id) FROM payload), (SELECT max(identity_id) FROM identity),"
            " (SELECT max(set_id) FROM identity_set), (SELECT max(group_id) FROM identity_group),"
            " (SELECT seq FROM sqlite_sequence WHERE name = 'rejection')"
        )
        return HighMarks(*(number or 0 for number in row))

    def find_sets(self, project: str, keys: Sequence[SetKey]) -> dict[SetKey, SetRow]:
        """See :class:`idweave.ports.Store`."""
        by_digest = {digest(key): key for key in keys}
        found: dict[SetKey, SetRow] = {}
        for part in chunks(list(by_digest)):
            rows = self._rows(
                "SELECT s.digest, s.set_id, i.group_id,"
                " (SELECT max(last_ms) FROM sighting g WHERE g.set_id = s.set_id),"
                " s.loose_after_ms"
                " FROM identity_set s LEFT JOIN identity i ON i.identity_id = s.link_id"
                f" WHERE s.digest IN ({marks(part)}) AND s.project_id = ?",
                (*part, self.names.project(project)),
            )
            for key, set_id, group_id, newest, loose_after_ms in rows:
                newest_ms = -1 if newest is None else newest
                found[by_digest[key]] = SetRow(set_id, group_id, newest_ms, loose_after_ms)
        return found

    def find_identities(
        self, project: str, identities: Sequence[Identity]
    ) -> dict[Identity, IdentityRow]:
        """See :class:`idweave.ports.Store`."""
        wanted = set(identities)
        found: dict[Identity, IdentityRow] = {}
        for part in chunks(list({identity.value for identity in wanted})):
            rows = self._rows(
                "SELECT identity_id, key_id, value, group_id, crowded_ms FROM identity"
                f" WHERE project_id = ? AND value IN ({marks(part)})",
                (self.names.project(project), *part),
            )
            for number, key_id, value, group_id, crowded_ms in rows:
                identity = Identity(self.names.key_name(key_id), value)
                if identity in wanted:
                    found[identity] = IdentityRow(number, identity, group_id, crowded_ms)
        return found

    def find_groups(self, group_ids: Sequence[int]) -> dict[int, GroupRow]:
        """See :class:`idweave.ports.Store`."""
        found: dict[int, GroupRow] = {}
        for part in chunks(list(group_ids)):
            rows = self._rows(
                f"SELECT * FROM identity_group WHERE group_id IN ({marks(part)})", part
            )
            for group_id, contested, size, time_ms, kind, event, founder_set in rows:
                founder = None if event is None else order_of(time_ms, kind, event)
                found[group_id] = GroupRow(group_id, bool(contested), size, founder, founder_set)
        return found

    def find_users(self, project: str, names: Sequence[int]) -> dict[int, UserRow]:
        """See :class:`idweave.ports.Store`."""
        found: dict[int, UserRow] = {}
        for part in chunks(list(names)):
            rows = self._rows(
                f"SELECT {USER} FROM user WHERE project_id = ? AND name IN ({marks(part)})",
                (self.names.project(project), *part),
            )
            found |= {row[0]: user_of(row) for row in rows}
        return found

    def find_owners(self, identity_ids: Sequence[int]) -> dict[int, int | None]:
        """See :class:`idweave.ports.Store`."""
        found: dict[int, int | None] = {}
        for part in chunks(list(identity_ids)):
            found |= self._rows(
                f"SELECT identity_id, owner FROM identity WHERE identity_id IN ({marks(part)})",
                part,
            )
        return found

    def members(self, group_id: int) -> list[IdentityRow]:
        """See :class:`idweave.ports.Store`."""
        rows = self._rows(
            "SELECT identity_id, key_id, value, crowded_ms FROM identity WHERE group_id = ?",
            (group_id,),
        )
        return [
            IdentityRow(number, Identity(self.names.key_name(key_id), value), group_id, crowded_ms)
            for number, key_id, value, crowded_ms in rows
        ]

    def facts(self, group_id: int) -> Iterator[tuple[int, SetKey, Fact]]:
        """See :class:`idweave.ports.Store`."""
        with self._asked():
            for key, sighting in told(self._writer, self.names, group_id):
                for entry in sighting.entries:
                    fact = fact_of(entry, key)
                    if fact is not None:
                        yield sighting.set_id, key, fact

    def seen(self, project: str, set_id: int, from_ms: int, to_ms: int) -> set[str]:
        """See :class:`idweave.ports.Store`."""
        rows = self._rows(
            "SELECT entries FROM sighting WHERE set_id = ? AND last_ms >= ? AND first_ms <= ?",
            (set_id, from_ms, to_ms),
        )
        return {entry.event_id for (blob,) in rows for entry in unpack_entries(blob)}

    def seen_untimed(self, project: str, event_ids: Sequence[str]) -> set[str]:
        """See :class:`idweave.ports.Store`."""
        found: set[str] = set()
        for part in chunks([pack_event(event_id) for event_id in event_ids]):
            rows = self._rows(
                "SELECT event_id FROM untimed"
                f" WHERE project_id = ? AND event_id IN ({marks(part)})",
                (self.names.project(project), *part),
            )
            found |= {unpack_event(event) for (event,) in rows}
        return found

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        """See :class:`idweave.ports.Store`."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                for part in [changes] if isinstance(changes, Changes) else changes:
                    writes.write(self._writer, self.names, part)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                self.names.reload(self._writer)
                raise
        except sqlite3.Error as error:
            raise _translated(error, str(self.path)) from error

    def scrub(self) -> None:
        """See :class:`idweave.ports.Store`."""
        with self._asked():
            if scrubbing.is_due(self._writer):
                scrubbing.scrub(self._writer, str(self.path))

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """See :class:`idweave.ports.Store`."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        try:
            connection = connection or self._connect()
            connection.execute("BEGIN")
            yield SqliteReader(connection, self.path)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise _translated(error, str(self.path)) from error
        except BaseException:
            if connection is not None:
                connection.execute("ROLLBACK")
                self._keep(connection)
            raise
        self._keep(connection)

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a question, which the writer asks before it writes."""
        with self._asked():
            return self._writer.execute(sql, values).fetchall()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error, str(self.path)) from error

    def _keep(self, connection: sqlite3.Connection) -> None:
        with self._idle_lock:
            if len(self._idle) < READERS_MAX:
                self._idle.append(connection)
                return
        connection.close()
