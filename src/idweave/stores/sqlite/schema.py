"""The tables, as numbered migrations, each in one transaction. Forward only."""

from __future__ import annotations

import sqlite3

from idweave.core.errors import StoreVersion

APPLICATION_ID = 0x1D5EA7E
"""Written into the file's header, so that a stranger's database is not taken for ours."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE project (project_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
        "CREATE TABLE identity_key (key_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
        """CREATE TABLE payload (
            payload_id INTEGER PRIMARY KEY, project TEXT NOT NULL,
            received_at_ms INTEGER NOT NULL, body BLOB NOT NULL, stated INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE identity (
            identity_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL,
            key_id INTEGER NOT NULL, value TEXT NOT NULL, group_id INTEGER NOT NULL,
            owner INTEGER, life INTEGER NOT NULL DEFAULT 0, unbound_ms INTEGER, crowded_ms INTEGER
        ) STRICT""",
        "CREATE UNIQUE INDEX identity_value ON identity (project_id, value, key_id)",
        "CREATE INDEX identity_in_group ON identity (group_id)",
        "CREATE INDEX identity_owner ON identity (owner) WHERE owner IS NOT NULL",
        """CREATE TABLE identity_set (
            set_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, digest BLOB NOT NULL,
            link_id INTEGER, members TEXT NOT NULL, named INTEGER NOT NULL
        ) STRICT""",
        "CREATE UNIQUE INDEX set_digest ON identity_set (digest, project_id)",
        """CREATE TABLE set_member (
            identity_id INTEGER NOT NULL, set_id INTEGER NOT NULL,
            PRIMARY KEY (identity_id, set_id)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE sighting (
            sighting_id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL, payload_id INTEGER NOT NULL,
            first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, entries BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX sighting_time ON sighting (set_id, last_ms, first_ms)",
        """CREATE TABLE untimed (
            project_id INTEGER NOT NULL, event_id ANY NOT NULL, PRIMARY KEY (project_id, event_id)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE identity_group (
            group_id INTEGER PRIMARY KEY, contested INTEGER NOT NULL, size INTEGER NOT NULL,
            founder_ms INTEGER, founder_kind INTEGER, founder_event ANY,
            founder_set INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE user (
            project_id INTEGER NOT NULL, name INTEGER NOT NULL, founder_ms INTEGER NOT NULL,
            founder_kind INTEGER NOT NULL, founder_event ANY NOT NULL,
            founder_set INTEGER NOT NULL, merged_into INTEGER, gone INTEGER NOT NULL,
            PRIMARY KEY (project_id, name)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX user_merged ON user (merged_into) WHERE merged_into IS NOT NULL",
        """CREATE TABLE stay (
            project_id INTEGER NOT NULL, name INTEGER NOT NULL, identity_id INTEGER NOT NULL,
            life INTEGER NOT NULL, left_ms INTEGER NOT NULL,
            PRIMARY KEY (project_id, name, identity_id, life)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX stay_identity ON stay (identity_id, life)",
        """CREATE TABLE refusal (
            project_id INTEGER NOT NULL, home INTEGER NOT NULL, identity_id INTEGER NOT NULL,
            reason TEXT NOT NULL, first_ms INTEGER NOT NULL, first_kind INTEGER NOT NULL,
            first_event ANY NOT NULL, last_ms INTEGER NOT NULL, last_kind INTEGER NOT NULL,
            last_event ANY NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (project_id, home, identity_id, reason)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE run (
            set_id INTEGER NOT NULL, start_ms INTEGER NOT NULL, start_kind INTEGER NOT NULL,
            start_event TEXT NOT NULL, name INTEGER, anchor_id INTEGER,
            PRIMARY KEY (set_id, start_ms, start_kind, start_event)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX run_name ON run (name) WHERE name IS NOT NULL",
        "CREATE INDEX run_anchor ON run (anchor_id) WHERE anchor_id IS NOT NULL",
        """CREATE TABLE rejection (
            rejection_id INTEGER PRIMARY KEY AUTOINCREMENT,
            project TEXT NOT NULL, code TEXT NOT NULL,
            field TEXT NOT NULL, reason TEXT NOT NULL, fix TEXT NOT NULL,
            received_at_ms INTEGER NOT NULL, payload_id INTEGER NOT NULL, place INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX rejection_project ON rejection (project, rejection_id)",
        """CREATE TABLE counter (
            project TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (project, name)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE operator_fact (
            operator_id INTEGER PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL,
            identities TEXT NOT NULL, event_id TEXT NOT NULL, time_ms INTEGER,
            author TEXT NOT NULL, reason TEXT NOT NULL, stated_ms INTEGER NOT NULL,
            removed_ms INTEGER, removed_by TEXT NOT NULL, removed_because TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX refusal_identity ON refusal (identity_id)",
    ),
    ("ALTER TABLE identity_set ADD COLUMN loose_after_ms INTEGER",),
    (  # suppression_key and scrub_due have one row at most; until_ms is NULL for ever
        """CREATE TABLE suppression (
            project TEXT NOT NULL, digest BLOB NOT NULL, until_ms INTEGER, whole INTEGER NOT NULL,
            PRIMARY KEY (project, digest)
        ) STRICT, WITHOUT ROWID""",
        "CREATE TABLE suppression_key (number INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT",
        "CREATE INDEX user_erased ON user (project_id, name) WHERE founder_event = ''",
        "CREATE TABLE scrub_due (number INTEGER PRIMARY KEY) STRICT",
        "ALTER TABLE operator_fact ADD COLUMN counts TEXT NOT NULL DEFAULT '[]'",
    ),
    (
        """CREATE TABLE policy (
            policy_id INTEGER PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL,
            content TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
            since_ms INTEGER NOT NULL
        ) STRICT""",
    ),
    (
        """CREATE TABLE feed (
            feed_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL, recorded_at_ms INTEGER NOT NULL, changes BLOB NOT NULL
        ) STRICT""",
        "CREATE UNIQUE INDEX feed_seq ON feed (project_id, last_seq)",
    ),
)


def version_of(connection: sqlite3.Connection, path: str) -> int:
    """The version of a file's tables, 0 for an empty file. Raises StoreVersion for one that is
    newer than this program, or not ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and tables:
        fix = "Name another file for the store."
        raise StoreVersion(f"{path} is an SQLite database, but not an idweave store.", fix=fix)
    if version > len(MIGRATIONS):
        raise StoreVersion(
            f"{path} has schema version {version}; this idweave knows {len(MIGRATIONS)}.",
            fix="Upgrade idweave, or name another store.",
        )
    return int(version)


def refuse_other_versions(connection: sqlite3.Connection, path: str) -> None:
    """For who may not migrate: raise StoreVersion for any version but this."""
    version = version_of(connection, path)
    if version < len(MIGRATIONS):
        raise StoreVersion(
            f"{path} has schema version {version}; this idweave reads {len(MIGRATIONS)}.",
            fix="Open it once with a command that writes, such as `idweave serve`, to upgrade it.",
        )


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to this version; refuse a newer one, or one that is not ours, by name."""
    version = version_of(connection, path)
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
