"""Connections to a store's file: one that may write, and one that changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

LOCK_S_MAX = 5.0
"""How long a connection waits for a lock: checkpoints hold theirs for a fraction of it."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write, durably, and makes the file where there is none."""
    return _connect(path.absolute().as_uri())


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that can only read. One that may write folds the log of a killed server into
    the file when it closes, and what lay behind damage in the log is gone."""
    return _connect(f"{path.absolute().as_uri()}?mode=ro")


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=LOCK_S_MAX,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")  # the first statement reads the schema
    except UnicodeDecodeError:  # of a message that quotes what is damaged
        connection.close()
        raise sqlite3.DatabaseError("the schema is damaged") from None
    except BaseException:
        connection.close()
        raise
    return connection
