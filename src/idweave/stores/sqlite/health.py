"""How a store's file is, looked at from outside: for ``idweave doctor``."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .connecting import connect_read_only
from .lock import holder, is_held
from .schema import APPLICATION_ID, MIGRATIONS
from .wal import LogState, read_log

NEWEST_VERSION = len(MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Health:
    """``is_ours``: the file is an idweave store. ``flaws`` are SQLite's own words, none in a sound
    file; they and ``log`` are None where they were not looked for."""

    is_ours: bool
    schema_version: int
    wal_bytes: int
    flaws: tuple[str, ...] | None
    log: LogState | None


def examine(path: Path, *, thorough: bool) -> Health:
    """Look at a store's file without changing it. Raises sqlite3.Error for what is no database."""
    wal = path.with_name(path.name + "-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    log = read_log(path) if thorough else None
    with closing(connect_read_only(path)) as connection:
        connection.text_factory = _legible  # what is damaged may be quoted
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        flaws = None
        if thorough:
            said = connection.execute("PRAGMA integrity_check(10)").fetchall()
            flaws = tuple(text for (text,) in said if text != "ok")
    return Health(application == APPLICATION_ID, version, wal_bytes, flaws, log)


def _legible(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def held_by(path: Path) -> str | None:
    """The id of the process that writes to a store now, None where none does. A lock file that a
    killed process left says nothing. The lock itself is left alone, even for an instant: whoever
    starts to write just then would be refused."""
    named = holder(path)
    if not named:
        return None
    held = is_held(path)
    return named if held or (held is None and _is_alive(named)) else None


def _is_alive(process: str) -> bool:
    """Whether there is a process of this number; also where nobody can tell."""
    if sys.platform == "win32" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:  # there is one, of somebody else
        return True
    return True
