"""No byte of what was deleted stays on the disk: not in free pages, gaps of pages or the log.

``secure_delete`` overwrites what is deleted; but a page that was split keeps old copies of rows in
its gap, and the log keeps old pages. So the file is written anew, and then the log is emptied.
"""

from __future__ import annotations

import sqlite3

from idweave.core.errors import StoreBusy


def is_due(connection: sqlite3.Connection) -> bool:
    """Whether an erasure was committed whose bytes may still be on the disk."""
    return bool(connection.execute("SELECT 1 FROM scrub_due").fetchone())


def scrub(connection: sqlite3.Connection, path: str) -> None:
    """Write the file anew and empty its log; killed at any point, it is still due. Raises
    sqlite3.Error, and StoreBusy where somebody reads what was there before for too long."""
    connection.execute("PRAGMA temp_store = FILE")  # a copy of a large store does not fit in memory
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        fix = "End the command that reads the store; its next start finishes the erasure."
        raise StoreBusy(f"{path} is being read: its log still holds what was erased.", fix=fix)
    connection.execute("DELETE FROM scrub_due")
