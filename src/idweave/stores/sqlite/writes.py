"""One commit: every list of a :class:`Changes` as the statements that write it, in a safe order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from idweave.ports import Changes, Sighting
from idweave.ports.rows import NOBODYS

from .codec import digest, order_columns, pack_entries, pack_event
from .feed import write_feed
from .tables import Names
from .telling import SETS_OF_GROUP

NOBODY = -1
"""The ``home`` of a refusal that no user asked for: a key column cannot be NULL."""

Rows = Iterable[tuple[Any, ...]]


def _payloads(c: Changes, number: Callable[[str], int]) -> Rows:
    for row in c.payloads:
        yield row.payload_id, row.project, row.received_at_ms, row.body, row.stated


def _joined(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((into, group) for group, into in c.joined_groups)


def _absorbed(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((group,) for group, _ in c.joined_groups)


def _groups(c: Changes, number: Callable[[str], int]) -> Rows:
    for _, row in c.groups:
        founder = (None, None, None) if row.founder is None else order_columns(row.founder)
        yield row.group_id, row.contested, row.size, *founder, row.founder_set


def _owners(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((name, group) for group, name in c.group_owners)


def _sets(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, set_id, key, ids in c.new_sets:
        members = [*ids]
        if key.named in key.identities:  # named, and listed already: listed again at the end
            members.append(ids[key.identities.index(key.named)])
        link = ids[0] if ids else None
        text = " ".join(map(str, members))
        yield set_id, number(project), digest(key), link, text, key.named is not None


def _members(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((identity, set_id) for _, set_id, _, ids in c.new_sets for identity in ids)


def _loose_sets(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((link, loose_after_ms, set_id) for set_id, link, loose_after_ms in c.loose_sets)


def _sighting(sighting: Sighting) -> tuple[Any, ...]:
    times = [entry.time_ms for entry in sighting.entries]
    blob = pack_entries(sighting.entries)
    return sighting.set_id, sighting.payload_id, min(times), max(times), blob


def _sightings(c: Changes, number: Callable[[str], int]) -> Rows:
    return map(_sighting, c.sightings)


def _untimed(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((number(project), pack_event(event_id)) for project, event_id in c.untimed)


def _users(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, row in c.users:
        founder = order_columns(row.founder)
        yield number(project), row.name, *founder, row.founder_set, row.merged_into, row.gone


def _gone(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((number(project), name) for project, name in c.gone)


def _states(c: Changes, number: Callable[[str], int]) -> Rows:
    for state in c.identities:
        yield state.owner, state.life, state.unbound_ms, state.crowded_ms, state.identity_id


def _ended_stays(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((number(project), *stay) for project, *stay in c.ended_stays)


def _stays(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, row in c.stays:
        yield number(project), row.name, row.identity_id, row.life, row.left_ms


def _ended_refusals(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, home, identity_id, reason in c.ended_refusals:
        yield number(project), NOBODY if home is None else home, identity_id, reason


def _refusals(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, row in c.refusals:
        home = NOBODY if row.home is None else row.home
        key = (number(project), home, row.identity_id, row.reason)
        yield *key, *order_columns(row.first), *order_columns(row.last), row.count


def _dropped_runs(c: Changes, number: Callable[[str], int]) -> Rows:
    for set_id, start in c.dropped_runs:
        yield (set_id, -1, 0, "") if start is None else (set_id, *start)


def _runs(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((run.set_id, *run.start, run.name, run.anchor_id) for run in c.runs)


def _rejections(c: Changes, number: Callable[[str], int]) -> Rows:
    for row in c.rejections:
        why = (row.project, row.code, row.field, row.reason, row.fix)
        yield row.rejection_id, *why, row.received_at_ms, *row.place


def _settled(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((rejection_id,) for rejection_id in c.settled_rejections)


def _operators(c: Changes, number: Callable[[str], int]) -> Rows:
    for row in c.operators:
        said = json.dumps(row.identities, ensure_ascii=False)
        why = (row.author, row.reason, row.stated_ms)
        removed = (row.removed_ms, row.removed_by, row.removed_because)
        event = (row.event_id, row.time_ms)
        counts = json.dumps(row.counts)
        yield row.operator_id, row.project, row.kind, said, *event, *why, *removed, counts


def _dropped_operators(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((operator_id,) for operator_id in c.dropped_operators)


def _dropped_payloads(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((payload_id,) for payload_id in c.dropped_payloads)


def _edited_payloads(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((body, payload_id) for payload_id, body in c.edited_payloads)


def _dropped_untimed(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((number(project), pack_event(event_id)) for project, event_id in c.dropped_untimed)


def _suppressed(c: Changes, number: Callable[[str], int]) -> Rows:
    for row in c.erased.suppressed if c.erased else ():
        yield row.project, row.digest, row.until_ms, row.whole


def _suppression_key(c: Changes, number: Callable[[str], int]) -> Rows:
    return [(c.erased.key,)] if c.erased and c.erased.key else []


def _erased_names(c: Changes, number: Callable[[str], int]) -> Rows:
    for project, name in c.erased.names if c.erased else ():
        yield number(project), name, *order_columns(NOBODYS)


def _scrub_due(c: Changes, number: Callable[[str], int]) -> Rows:
    return [(1,)] if c.erased_identities else []


def _policies(c: Changes, number: Callable[[str], int]) -> Rows:
    for row in c.policies:
        said = (row.name, row.text, row.author, row.reason, row.since_ms)
        yield row.number, row.project, *said


def _dropped_groups(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((group,) for group in c.dropped_groups)


def _dropped_sightings(c: Changes, number: Callable[[str], int]) -> Rows:
    for gone in c.dropped_sightings:
        yield gone.set_id, gone.payload_id, pack_entries(gone.entries)


def _counters(c: Changes, number: Callable[[str], int]) -> Rows:
    return ((project, name, added) for (project, name), added in c.counters.items())


_SETS_OF_GROUP = f"(SELECT s.set_id {SETS_OF_GROUP})"
_OF_GROUP = "(SELECT identity_id FROM identity WHERE group_id = ?)"

DROPS: tuple[tuple[str, Callable[[Changes, Callable[[str], int]], Rows]], ...] = (
    (f"DELETE FROM sighting WHERE set_id IN {_SETS_OF_GROUP}", _dropped_groups),
    (f"DELETE FROM run WHERE set_id IN {_SETS_OF_GROUP}", _dropped_groups),
    (f"DELETE FROM identity_set WHERE set_id IN {_SETS_OF_GROUP}", _dropped_groups),
    (f"DELETE FROM set_member WHERE identity_id IN {_OF_GROUP}", _dropped_groups),
    (f"DELETE FROM stay WHERE identity_id IN {_OF_GROUP}", _dropped_groups),
    (f"DELETE FROM refusal WHERE identity_id IN {_OF_GROUP}", _dropped_groups),
    ("DELETE FROM identity WHERE group_id = ?", _dropped_groups),
    ("DELETE FROM identity_group WHERE group_id = ?", _dropped_groups),
    (
        "DELETE FROM sighting WHERE set_id = ? AND payload_id = ? AND entries = ?",
        _dropped_sightings,
    ),
)
"""What a commit forgets before it writes: sets are found by their members, so those go last."""

STATEMENTS: tuple[tuple[str, Callable[[Changes, Callable[[str], int]], Rows]], ...] = (
    ("INSERT INTO payload VALUES (?, ?, ?, ?, ?)", _payloads),
    ("UPDATE identity SET group_id = ? WHERE group_id = ?", _joined),
    ("DELETE FROM identity_group WHERE group_id = ?", _absorbed),
    ("INSERT OR REPLACE INTO identity_group VALUES (?, ?, ?, ?, ?, ?, ?)", _groups),
    (
        "INSERT INTO identity_set (set_id, project_id, digest, link_id, members, named)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        _sets,
    ),
    ("UPDATE identity_set SET link_id = ?, loose_after_ms = ? WHERE set_id = ?", _loose_sets),
    ("INSERT INTO set_member VALUES (?, ?)", _members),
    (
        "INSERT INTO sighting (set_id, payload_id, first_ms, last_ms, entries)"
        " VALUES (?, ?, ?, ?, ?)",
        _sightings,
    ),
    ("UPDATE payload SET body = ? WHERE payload_id = ?", _edited_payloads),
    ("DELETE FROM payload WHERE payload_id = ?", _dropped_payloads),
    ("DELETE FROM untimed WHERE project_id = ? AND event_id = ?", _dropped_untimed),
    ("INSERT INTO untimed VALUES (?, ?)", _untimed),
    ("INSERT OR REPLACE INTO user VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _users),
    (
        "UPDATE user SET gone = 1, merged_into = NULL WHERE project_id = ? AND name = ?",
        _gone,
    ),
    ("UPDATE identity SET owner = ? WHERE group_id = ?", _owners),
    (
        "UPDATE identity SET owner = ?, life = ?, unbound_ms = ?, crowded_ms = ?"
        " WHERE identity_id = ?",
        _states,
    ),
    (
        "DELETE FROM stay WHERE project_id = ? AND name = ? AND identity_id = ? AND life = ?",
        _ended_stays,
    ),
    ("INSERT OR REPLACE INTO stay VALUES (?, ?, ?, ?, ?)", _stays),
    (
        "DELETE FROM refusal WHERE project_id = ? AND home = ? AND identity_id = ? AND reason = ?",
        _ended_refusals,
    ),
    ("INSERT OR REPLACE INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _refusals),
    (
        "DELETE FROM run WHERE set_id = ? AND (start_ms, start_kind, start_event) >= (?, ?, ?)",
        _dropped_runs,
    ),
    ("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", _runs),
    ("INSERT INTO rejection VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _rejections),
    ("DELETE FROM rejection WHERE rejection_id = ?", _settled),
    ("DELETE FROM operator_fact WHERE operator_id = ?", _dropped_operators),
    (
        "INSERT OR REPLACE INTO operator_fact VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _operators,
    ),
    ("INSERT OR REPLACE INTO user VALUES (?, ?, ?, ?, ?, 0, NULL, 1)", _erased_names),
    ("INSERT OR REPLACE INTO suppression VALUES (?, ?, ?, ?)", _suppressed),
    ("INSERT OR IGNORE INTO suppression_key VALUES (1, ?)", _suppression_key),
    ("INSERT OR IGNORE INTO scrub_due VALUES (?)", _scrub_due),
    ("INSERT INTO policy VALUES (?, ?, ?, ?, ?, ?, ?)", _policies),
    (
        "INSERT INTO counter VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
        _counters,
    ),
)
"""What one commit writes, in this order: groups unite before owners are set by group, what is
not so any more goes before what is."""


def write(connection: sqlite3.Connection, names: Names, changes: Changes) -> None:
    """Run every statement that has rows, inside the caller's transaction."""

    def number(project: str) -> int:
        return names.add_project(connection, project)

    _run(connection, DROPS, changes, number)
    for project, _, _ in changes.new_identities:
        number(project)
    connection.executemany(
        "INSERT INTO identity (identity_id, project_id, key_id, value, group_id, owner)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                row.identity_id,
                number(project),
                names.add_key(connection, row.identity.key),
                row.identity.value,
                row.group_id,
                owner,
            )
            for project, row, owner in changes.new_identities
        ],
    )
    _run(connection, STATEMENTS, changes, number)
    write_feed(connection, number, changes)


def _run(
    connection: sqlite3.Connection,
    statements: tuple[tuple[str, Callable[[Changes, Callable[[str], int]], Rows]], ...],
    changes: Changes,
    number: Callable[[str], int],
) -> None:
    for statement, rows in statements:
        values = list(rows(changes, number))
        if values:
            connection.executemany(statement, values)
