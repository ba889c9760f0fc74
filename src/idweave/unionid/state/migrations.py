"""Openids that moved with an account to another owner: old ones, new ones, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .database import Database
from .forgetting import Keeper, Known, openid

OK = "ok"


class Moved(NamedTuple):
    """One old openid and what became of it; ``outcome`` is ``ok`` or the platform's words."""

    old_openid: str
    new_openid: str | None
    outcome: str
    seen_from_ms: int


class Migrations:
    """Answers of ``changeopenid``, kept: they can be had for 15 days only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def to_ask(self, account_id: int, from_appid: str, limit: int) -> list[str]:
        """Openids of the old account that were not asked yet, by text."""
        rows = self._database.rows(
            "SELECT f.openid FROM follower f JOIN account a USING (account_id)"
            " WHERE a.appid = ? AND NOT EXISTS (SELECT 1 FROM migration m WHERE m.account_id = ?"
            " AND m.from_appid = a.appid AND m.old_openid = f.openid)"
            " ORDER BY f.openid LIMIT ?",
            (from_appid, account_id, limit),
        )
        return [row[0] for row in rows]

    def save(self, account_id: int, from_appid: str, moved: Sequence[Moved]) -> None:
        """Keep what was answered."""
        with self._database.transaction() as connection:
            appid = self._database.appid(account_id)

            def about(row: Moved) -> list[Known]:
                new = [openid(appid, row.new_openid)] if row.new_openid else []
                return [openid(from_appid, row.old_openid), *new]

            known = Keeper(connection).known(moved, about)
            connection.executemany(
                "INSERT OR IGNORE INTO migration VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (account_id, from_appid, *row[:3], row.seen_from_ms, row.outcome != OK)
                    for row in known
                ),
            )

    def due(self, account_id: int, from_appid: str, limit: int) -> list[Moved]:
        """Pairs that the graph was not told of, by old openid."""
        rows = self._database.rows(
            "SELECT old_openid, new_openid, outcome, seen_from_ms FROM migration"
            " WHERE account_id = ? AND from_appid = ? AND stated = 0"
            " ORDER BY old_openid LIMIT ?",
            (account_id, from_appid, limit),
        )
        return [Moved(*row) for row in rows]

    def stated(self, account_id: int, from_appid: str, moved: Sequence[Moved]) -> None:
        """The graph has these for good."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE migration SET stated = 1"
                " WHERE account_id = ? AND from_appid = ? AND old_openid = ?",
                ((account_id, from_appid, row.old_openid) for row in moved),
            )

    def failed(self, account_id: int, from_appid: str) -> Iterator[Moved]:
        """Openids that did not move, by text."""
        rows = self._database.stream(
            "SELECT old_openid, new_openid, outcome, seen_from_ms FROM migration"
            " WHERE account_id = ? AND from_appid = ? AND outcome <> ? ORDER BY old_openid",
            (account_id, from_appid, OK),
        )
        return (Moved(*row) for row in rows)
