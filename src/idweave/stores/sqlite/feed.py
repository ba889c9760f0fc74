"""The change feed in a table: one row per commit and project, its changes packed together.

A row per change costs as much as the rest of what is written of a new visitor; packed, a change
takes some 40 bytes and a microsecond or two.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from itertools import islice

from idweave.core.identity import Identity
from idweave.ports import Change, ChangeKind, Changes, FeedRow

from .codec import damaged

PACKED_MAX = 1000
"""Changes of one row: what a page has to unpack at most to find its first one."""

_KINDS = {kind.value: kind for kind in ChangeKind}


def pack(changes: Sequence[Change]) -> bytes:
    """Changes as a column: JSON, compressed as fast as can be."""
    text = json.dumps(list(changes), ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def unpack(blob: bytes) -> list[Change]:
    """The changes of a column. Raises StoreError for one that the disk did not keep."""
    try:
        rows = json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))
        return [
            Change(_KINDS[kind], user, other, identity and Identity(*identity), *rest)
            for kind, user, other, identity, *rest in rows
        ]
    except (zlib.error, ValueError, TypeError, KeyError):
        raise damaged() from None


def write_feed(
    connection: sqlite3.Connection, number: Callable[[str], int], changes: Changes
) -> None:
    """Blank what is to be forgotten, then add what changed, numbered on from the last."""
    for project, identities in changes.forgotten:
        _forget(connection, number(project), identities)
    for project, recorded_at_ms, told in changes.feed:
        project_id, rest = number(project), iter(told)
        while packed := list(islice(rest, PACKED_MAX)):
            seq = last_seq(connection, project_id)
            connection.execute(
                "INSERT INTO feed (project_id, first_seq, last_seq, recorded_at_ms, changes)"
                " VALUES (?, ?, ?, ?, ?)",
                (project_id, seq + 1, seq + len(packed), recorded_at_ms, pack(packed)),
            )


def _forget(
    connection: sqlite3.Connection, project_id: int, identities: frozenset[Identity]
) -> None:
    """Write each row anew that names one of these identities; what was there is overwritten."""
    rows = connection.execute(
        "SELECT feed_id, changes FROM feed WHERE project_id = ?", (project_id,)
    )
    for feed_id, blob in rows.fetchall():
        told = unpack(blob)
        left = [
            one._replace(identity=None, event="") if one.identity in identities else one
            for one in told
        ]
        if left != told:
            connection.execute(
                "UPDATE feed SET changes = ? WHERE feed_id = ?", (pack(left), feed_id)
            )


def last_seq(connection: sqlite3.Connection, project_id: int) -> int:
    """The number of the last change of a project, 0 where there is none."""
    statement = "SELECT max(last_seq) FROM feed WHERE project_id = ?"
    (last,) = connection.execute(statement, (project_id,)).fetchone()
    return int(last or 0)


def read_feed(
    connection: sqlite3.Connection, project_id: int, after: int, limit: int
) -> list[FeedRow]:
    """The changes of a project with a number > ``after``, by number."""
    found: list[FeedRow] = []
    rows = connection.execute(
        "SELECT first_seq, recorded_at_ms, changes FROM feed"
        " WHERE project_id = ? AND last_seq > ? ORDER BY last_seq",
        (project_id, after),
    )
    for first_seq, recorded_at_ms, blob in rows:
        numbered = enumerate(unpack(blob), first_seq)
        found += (FeedRow(seq, recorded_at_ms, one) for seq, one in numbered if seq > after)
        if len(found) >= limit:
            break
    rows.close()
    return found[:limit]
