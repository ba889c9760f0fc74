"""What was said of a group: the same question for who writes and for who only reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from idweave.core.identity import Identity
from idweave.ports import SetKey, Sighting

from .codec import pack_event, unpack_entries
from .tables import Names

SETS_OF_GROUP = (
    "FROM identity i JOIN set_member m ON m.identity_id = i.identity_id"
    " JOIN identity_set s ON s.set_id = m.set_id AND s.link_id = i.identity_id"
    " WHERE i.group_id = ?"
)
"""The sets of a group: each is found by the one identity that links it."""

_BEHIND = (
    "SELECT DISTINCT c.group_id FROM identity i"
    " JOIN set_member m ON m.identity_id = i.identity_id"
    " JOIN identity_set s ON s.set_id = m.set_id AND s.link_id = i.identity_id"
    " JOIN set_member n ON n.set_id = s.set_id JOIN identity c ON c.identity_id = n.identity_id"
    " WHERE i.group_id = ? AND s.loose_after_ms IS NOT NULL AND c.group_id != i.group_id"
    " ORDER BY c.group_id"
)
_LOOSE = (
    "SELECT DISTINCT c.identity_id, i.group_id FROM identity c"
    " JOIN set_member n ON n.identity_id = c.identity_id"
    " JOIN identity_set s ON s.set_id = n.set_id JOIN identity i ON i.identity_id = s.link_id"
    " WHERE c.group_id = ? AND c.crowded_ms IS NOT NULL"
    " AND s.loose_after_ms IS NOT NULL AND c.group_id != i.group_id"
    " ORDER BY c.identity_id, i.group_id"
)


def groups_behind(connection: sqlite3.Connection, group_id: int) -> list[int]:
    """See :class:`idweave.ports.Reader`."""
    return [group for (group,) in connection.execute(_BEHIND, (group_id,))]


def loose_groups(connection: sqlite3.Connection, group_id: int) -> list[tuple[int, int]]:
    """See :class:`idweave.ports.Reader`."""
    return list(connection.execute(_LOOSE, (group_id,)))


def told(
    connection: sqlite3.Connection, names: Names, group_id: int
) -> Iterator[tuple[SetKey, Sighting]]:
    """Every sighting of a group, with its set."""
    rows = connection.execute(
        "SELECT identity_id, key_id, value FROM identity WHERE group_id = ?", (group_id,)
    )
    identities = {number: Identity(names.key_name(key), value) for number, key, value in rows}
    sets = connection.execute(
        f"SELECT s.set_id, s.members, s.named {SETS_OF_GROUP}", (group_id,)
    ).fetchall()
    for set_id, members, named in sets:
        numbers = [int(number) for number in members.split()]
        for number in numbers:
            if number not in identities:  # crowded, of another group
                identities[number] = _identity(connection, names, number)
        listed = [identities[number] for number in numbers]
        key = SetKey(tuple(listed[:-1]), listed[-1]) if named else SetKey(tuple(listed))
        rows = connection.execute(
            "SELECT payload_id, entries FROM sighting WHERE set_id = ?", (set_id,)
        )
        for payload_id, blob in rows:
            yield key, Sighting(set_id, payload_id, unpack_entries(blob))


def find_event(
    connection: sqlite3.Connection, names: Names, project: str, event_id: str
) -> Iterator[tuple[SetKey, Sighting]]:
    """The sightings of a project that hold an event, by payload: no index, all are looked at."""
    packed = pack_event(event_id)
    as_bytes = packed if isinstance(packed, bytes) else packed.encode()
    as_text = json.dumps(event_id).encode()
    rows = connection.execute(
        "SELECT s.set_id, s.members, s.named, g.payload_id, g.entries FROM sighting g"
        " JOIN identity_set s USING (set_id) WHERE s.project_id = ?"
        " AND (instr(g.entries, ?) OR instr(g.entries, ?)) ORDER BY g.payload_id, g.set_id",
        (names.project(project), as_bytes, as_text),
    )
    for set_id, members, named, payload_id, blob in rows.fetchall():
        entries = unpack_entries(blob)
        if any(entry.event_id == event_id for entry in entries):
            listed = [_identity(connection, names, int(number)) for number in members.split()]
            key = SetKey(tuple(listed[:-1]), listed[-1]) if named else SetKey(tuple(listed))
            yield key, Sighting(set_id, payload_id, entries)


def _identity(connection: sqlite3.Connection, names: Names, number: int) -> Identity:
    key, value = connection.execute(
        "SELECT key_id, value FROM identity WHERE identity_id = ?", (number,)
    ).fetchone()
    return Identity(names.key_name(key), value)
