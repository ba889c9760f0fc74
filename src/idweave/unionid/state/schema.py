"""The tables, as numbered migrations, each in one transaction. Forward only."""

from __future__ import annotations

import sqlite3

from idweave.core.errors import StoreVersion

APPLICATION_ID = 0x1D5E0B1D
"""Written into the file's header, so that a stranger's database is not taken for ours."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE account (account_id INTEGER PRIMARY KEY, appid TEXT NOT NULL UNIQUE) STRICT",
        # run: the last follower list that had it; asked: the last run that asked who it is;
        # why: the reason that there is no union id, empty where there is one
        """CREATE TABLE follower (
            account_id INTEGER NOT NULL, openid TEXT NOT NULL,
            following INTEGER NOT NULL CHECK (following IN (0, 1)),
            why TEXT NOT NULL, followed_at_ms INTEGER,
            first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,
            run_id INTEGER NOT NULL, asked_run_id INTEGER NOT NULL,
            PRIMARY KEY (account_id, openid)
        ) STRICT, WITHOUT ROWID""",
        # now: the union id that stands; held: another one came, and waits for a person; ended:
        # was so once. told: the graph knows. Few indexes, for openids come in random order
        """CREATE TABLE link (
            link_id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, openid TEXT NOT NULL,
            open_platform TEXT NOT NULL, unionid TEXT NOT NULL,
            seen_from_ms INTEGER NOT NULL, seen_to_ms INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('now', 'held', 'ended')),
            told INTEGER NOT NULL CHECK (told IN (0, 1))
        ) STRICT""",
        "CREATE UNIQUE INDEX link_now ON link (account_id, openid) WHERE state = 'now'",
        "CREATE UNIQUE INDEX link_held ON link (account_id, openid) WHERE state = 'held'",
        "CREATE INDEX link_untold ON link (account_id, open_platform, link_id) WHERE told = 0",
        "CREATE INDEX link_person ON link (open_platform, unionid, account_id, openid)"
        " WHERE state = 'now'",
        """CREATE TABLE run (
            run_id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, mode TEXT NOT NULL,
            started_at_ms INTEGER NOT NULL, finished_at_ms INTEGER,
            next_openid TEXT NOT NULL, pages INTEGER NOT NULL, listed INTEGER NOT NULL,
            unfollowed INTEGER NOT NULL
        ) STRICT""",
        "CREATE UNIQUE INDEX run_open ON run (account_id) WHERE finished_at_ms IS NULL",
        """CREATE TABLE migration (
            account_id INTEGER NOT NULL, from_appid TEXT NOT NULL, old_openid TEXT NOT NULL,
            new_openid TEXT, outcome TEXT NOT NULL, seen_from_ms INTEGER NOT NULL,
            stated INTEGER NOT NULL, PRIMARY KEY (account_id, from_appid, old_openid)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE quota (
            appid TEXT NOT NULL, quota TEXT NOT NULL, day TEXT NOT NULL, calls INTEGER NOT NULL,
            parked_until_ms INTEGER NOT NULL, PRIMARY KEY (appid, quota, day)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE token (
            slot TEXT PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB,
            fresh_until_ms INTEGER NOT NULL, holder TEXT, held_until_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ),
    (  # whom nobody is to learn again; the other two have one row at most
        "CREATE TABLE forgotten (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID",
        "CREATE TABLE forgotten_key (number INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT",
        "CREATE TABLE scrub_due (number INTEGER PRIMARY KEY) STRICT",
    ),
)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to this version; refuse a newer one, or one that is not ours, by name."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and tables:
        fix = "Name another file as `state` in [unionid]."
        raise StoreVersion(f"{path} is an SQLite database, but not one of `unionid`.", fix=fix)
    while (version := _version(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == version:  # another process may have been first
                for statement in MIGRATIONS[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    if version > len(MIGRATIONS):
        raise StoreVersion(
            f"{path} has schema version {version}; this idweave knows {len(MIGRATIONS)}.",
            fix="Upgrade idweave, or name another file as `state` in [unionid].",
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
