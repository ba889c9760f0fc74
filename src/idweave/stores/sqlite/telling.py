"""What was said of a group: the same question for who writes and for who only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from idweave.core.identity import Identity
from idweave.ports import SetKey, Sighting

from .codec import unpack_entries
from .tables import Names


def told(
    connection: sqlite3.Connection, names: Names, group_id: int
) -> Iterator[tuple[SetKey, Sighting]]:
    """Every sighting of a group, with its set."""
    rows = connection.execute(
        "SELECT identity_id, key_id, value FROM identity WHERE group_id = ?", (group_id,)
    )
    identities = {number: Identity(names.key_name(key), value) for number, key, value in rows}
    sets = connection.execute(
        "SELECT DISTINCT s.set_id, s.members, s.named FROM identity i"
        " JOIN set_member m ON m.identity_id = i.identity_id"
        " JOIN identity_set s ON s.set_id = m.set_id WHERE i.group_id = ?",
        (group_id,),
    ).fetchall()
    for set_id, members, named in sets:
        listed = [identities[int(number)] for number in members.split()]
        key = SetKey(tuple(listed[:-1]), listed[-1]) if named else SetKey(tuple(listed))
        rows = connection.execute(
            "SELECT payload_id, entries FROM sighting WHERE set_id = ?", (set_id,)
        )
        for payload_id, blob in rows:
            yield key, Sighting(set_id, payload_id, unpack_entries(blob))
