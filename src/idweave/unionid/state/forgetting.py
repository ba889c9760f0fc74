"""Whom the room forgets, and never learns again: by keyed digests that nobody can read."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from .database import Database

T = TypeVar("T")

KEY_BYTES, DIGEST_BYTES = 32, 16

_STANDS = "state IN ('now', 'held')"


class Known(NamedTuple):
    """An openid of an app, or a union id of an Open Platform account: ``place`` is the appid or
    the account's name."""

    kind: str
    place: str
    value: str


def openid(appid: str, value: str) -> Known:
    """An openid."""
    return Known("openid", appid, value)


def union_id(open_platform: str, value: str) -> Known:
    """A union id."""
    return Known("unionid", open_platform, value)


@dataclass(frozen=True, slots=True)
class Person:
    """All ids of one person, as the file ties them."""

    openids: tuple[Known, ...] = ()
    union_ids: tuple[Known, ...] = ()
    followers: int = 0

    @property
    def ids(self) -> tuple[Known, ...]:
        """All of them."""
        return (*self.openids, *self.union_ids)


class Keeper:
    """Tells within a transaction who was forgotten."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute("SELECT key FROM forgotten_key").fetchone()
        self._key: bytes | None = None if row is None else row[0]

    def known(self, some: Iterable[T], about: Callable[[T], Sequence[Known]]) -> list[T]:
        """Those that are about nobody who was forgotten. Whoever comes back by one id of several
        is not learned by the others either."""
        if self._key is None:
            return list(some)
        kept: list[T] = []
        for one in some:
            ids = about(one)
            if any(map(self._is_forgotten, ids)):
                self.forget(ids)
            else:
                kept.append(one)
        return kept

    def forget(self, ids: Iterable[Known]) -> None:
        """Remember that nobody is to learn these."""
        if self._key is None:
            self._key = secrets.token_bytes(KEY_BYTES)
            self._connection.execute("INSERT INTO forgotten_key VALUES (1, ?)", (self._key,))
        self._connection.executemany(
            "INSERT OR IGNORE INTO forgotten VALUES (?)", ((self._digest(one),) for one in ids)
        )

    def _is_forgotten(self, one: Known) -> bool:
        asked = (self._digest(one),)
        found = self._connection.execute("SELECT 1 FROM forgotten WHERE digest = ?", asked)
        return found.fetchone() is not None

    def _digest(self, one: Known) -> bytes:
        text = "\0".join(one).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key or b"", digest_size=DIGEST_BYTES).digest()


class Forgetting:
    """Takes people out of a file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def person(self, ids: Iterable[Known]) -> Person:
        """Everybody whom these ids are of, with all ids that the file ties to them."""
        openids: set[Known] = set()
        union_ids: set[Known] = set()
        front = set(ids)
        while front:
            openids |= {one for one in front if one.kind == "openid"}
            union_ids |= {one for one in front if one.kind == "unionid"}
            tied = [other for one in sorted(front) for other in self._tied(one)]
            front = set(tied) - openids - union_ids
        held = sum(self._is_follower(one) for one in openids)
        return Person(tuple(sorted(openids)), tuple(sorted(union_ids)), held)

    def _tied(self, one: Known) -> list[Known]:
        if one.kind == "openid":
            rows = self._database.rows(
                "SELECT DISTINCT open_platform, unionid FROM link JOIN account USING (account_id)"
                f" WHERE appid = ? AND openid = ? AND {_STANDS}",
                one[1:],
            )
            return [union_id(*row) for row in rows]
        rows = self._database.rows(
            "SELECT DISTINCT appid, openid FROM link JOIN account USING (account_id)"
            f" WHERE open_platform = ? AND unionid = ? AND {_STANDS}",
            one[1:],
        )
        return [openid(*row) for row in rows]

    def _is_follower(self, one: Known) -> bool:
        return bool(
            self._database.rows(
                "SELECT 1 FROM follower JOIN account USING (account_id)"
                " WHERE appid = ? AND openid = ?",
                one[1:],
            )
        )

    def forget(self, person: Person) -> bool:
        """Take a person out, for good. False: bytes may be left in the file, because others read
        it; the next start of anything that opens it sees to that."""
        with self._database.transaction() as connection:
            for _, appid, value in person.openids:
                self._drop_openid(connection, (appid, value))
            connection.executemany(
                "DELETE FROM link WHERE open_platform = ? AND unionid = ?",
                (one[1:] for one in person.union_ids),
            )
            Keeper(connection).forget(person.ids)
            connection.execute("INSERT OR IGNORE INTO scrub_due VALUES (1)")
        return self._database.scrub()

    def _drop_openid(self, connection: sqlite3.Connection, place: tuple[str, str]) -> None:
        row = connection.execute("SELECT account_id FROM account WHERE appid = ?", place[:1])
        (account_id,) = row.fetchone() or (None,)
        appid, value = place
        mine = (account_id, value)
        connection.execute("DELETE FROM follower WHERE account_id = ? AND openid = ?", mine)
        connection.execute("DELETE FROM link WHERE account_id = ? AND openid = ?", mine)
        connection.execute("DELETE FROM migration WHERE account_id = ? AND new_openid = ?", mine)
        connection.execute(
            "DELETE FROM migration WHERE from_appid = ? AND old_openid = ?", (appid, value)
        )
        connection.execute(  # an open run lists from the start again: it asks nobody twice
            "UPDATE run SET next_openid = '', pages = 0, listed = 0"
            " WHERE account_id = ? AND next_openid = ?",
            mine,
        )
