"""Syncs that were begun: where each stands, so that a killed one goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .database import Database


@dataclass(frozen=True, slots=True)
class Run:
    """One sync of one account. ``next_openid`` is where the follower list goes on (empty: at its
    start), ``pages`` how many were done, ``listed`` how many followers they had."""

    run_id: int
    account_id: int
    mode: str
    started_at_ms: int
    next_openid: str
    pages: int
    listed: int
    resumed: bool = False


class Runs:
    """At most one open run per account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account_id: int, mode: str, now_ms: int) -> Run:
        """The open run of the account, whatever its mode; else a new one."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT run_id, account_id, mode, started_at_ms, next_openid, pages, listed"
                " FROM run WHERE account_id = ? AND finished_at_ms IS NULL",
                (account_id,),
            ).fetchone()
            if row is not None:
                return replace(Run(*row), resumed=True)
            made = connection.execute(
                "INSERT INTO run (account_id, mode, started_at_ms, next_openid, pages, listed,"
                " unfollowed) VALUES (?, ?, ?, '', 0, 0, 0)",
                (account_id, mode, now_ms),
            )
            return Run(made.lastrowid or 0, account_id, mode, now_ms, "", 0, 0)

    def checkpoint(self, run: Run, next_openid: str, listed: int) -> Run:
        """One more page of ``listed`` followers is done by this worker. Another one that works on
        the same run keeps its own place: only who went through every page may finish it."""
        pages, listed = run.pages + 1, run.listed + listed
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE run SET next_openid = ?, pages = ?, listed = ?"
                " WHERE run_id = ? AND pages < ?",
                (next_openid, pages, listed, run.run_id, pages),
            )
        return replace(run, next_openid=next_openid, pages=pages, listed=listed)

    def finish(self, run: Run, now_ms: int, *, whole: bool) -> int:
        """The list has ended. Was it ``whole``, then who was not in it has unfollowed. Returns how
        many."""
        with self._database.transaction() as connection:
            gone = connection.execute(
                "UPDATE follower SET following = 0"
                " WHERE account_id = ? AND following = 1 AND run_id < ? AND ?",
                (run.account_id, run.run_id, whole),
            ).rowcount
            connection.execute(
                "UPDATE run SET finished_at_ms = ?, unfollowed = ?, next_openid = ''"
                " WHERE run_id = ? AND finished_at_ms IS NULL",
                (now_ms, gone, run.run_id),
            )
            return gone

    def last(self, account_id: int) -> tuple[int, int | None, int] | None:
        """Start, end (None: open) and followers of the account's newest run; None: none yet."""
        rows = self._database.rows(
            "SELECT started_at_ms, finished_at_ms, listed FROM run"
            " WHERE account_id = ? ORDER BY run_id DESC LIMIT 1",
            (account_id,),
        )
        return None if not rows else (rows[0][0], rows[0][1], rows[0][2])
