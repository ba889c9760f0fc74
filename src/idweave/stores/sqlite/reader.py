"""Answers from one SQLite file: one read transaction, one consistent view."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from idweave.core.identity import Identity
from idweave.ports import (
    Erased,
    FeedRow,
    IdentityState,
    OperatorRow,
    PayloadRow,
    Place,
    PolicyRow,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    Sighting,
    StayRow,
    Suppressed,
    UserRow,
)

from . import telling
from .codec import order_of, unpack_entries
from .feed import last_seq, read_feed
from .rows import USER, operator_of, payload_of, user_of
from .tables import Names, chunks, marks
from .writes import NOBODY

_STATE = "i.identity_id, i.key_id, i.value, i.owner, i.life, i.unbound_ms, i.crowded_ms"

_RUN_SETS = "SELECT DISTINCT set_id, project_id FROM run JOIN identity_set USING (set_id)"


class SqliteReader:
    """See :class:`idweave.ports.Reader` for what each method promises."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._names = Names(connection)

    def _rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, tuple(values)).fetchall()

    def _many(self, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement with one ``IN ({})`` list, however long the list is."""
        for part in chunks(values):
            yield from self._rows(statement.format(marks(part)), part)

    def _state(self, row: tuple[Any, ...]) -> IdentityState:
        number, key_id, value, *rest = row
        return IdentityState(number, Identity(self._names.key_name(key_id), value), *rest)

    # -- who is who -----------------------------------------------------------------------------

    def identity(self, project: str, identity: Identity) -> IdentityState | None:
        """The state of an identity."""
        rows = self._rows(
            f"SELECT {_STATE} FROM identity i WHERE project_id = ? AND value = ? AND key_id = ?",
            (self._names.project(project), identity.value, self._names.key(identity.key)),
        )
        return self._state(rows[0]) if rows else None

    def group_of(self, project: str, identity: Identity) -> int | None:
        """The group that an identity is in."""
        rows = self._rows(
            "SELECT group_id FROM identity WHERE project_id = ? AND value = ? AND key_id = ?",
            (self._names.project(project), identity.value, self._names.key(identity.key)),
        )
        return rows[0][0] if rows else None

    def groups(self, project: str) -> list[int]:
        """All groups of a project."""
        rows = self._rows(
            "SELECT DISTINCT group_id FROM identity WHERE project_id = ? ORDER BY group_id",
            (self._names.project(project),),
        )
        return [group_id for (group_id,) in rows]

    def groups_behind(self, group_id: int) -> list[int]:
        """The groups of crowded identities that sets of this group carry loosely."""
        return telling.groups_behind(self._connection, group_id)

    def loose_groups(self, group_id: int) -> list[tuple[int, int]]:
        """Identities of this group that sets of other groups carry loosely, with those."""
        return telling.loose_groups(self._connection, group_id)

    def told(self, group_id: int) -> Iterator[tuple[SetKey, Sighting]]:
        """Everything that was said of a group."""
        return telling.told(self._connection, self._names, group_id)

    def user(self, project: str, name: int) -> UserRow | None:
        """The row of a name."""
        rows = self._rows(
            f"SELECT {USER} FROM user WHERE project_id = ? AND name = ?",
            (self._names.project(project), name),
        )
        return user_of(rows[0]) if rows else None

    def names_into(self, project: str, name: int) -> list[int]:
        """Names merged directly into this one."""
        rows = self._rows(
            "SELECT name FROM user WHERE merged_into = ? AND project_id = ? ORDER BY name",
            (name, self._names.project(project)),
        )
        return [merged for (merged,) in rows]

    def feed(self, project: str, after: int, limit: int) -> list[FeedRow]:
        """The changes of a project."""
        return read_feed(self._connection, self._names.project(project), after, limit)

    def feed_end(self, project: str) -> int:
        """The number of the last change of a project."""
        return last_seq(self._connection, self._names.project(project))

    def users(self, project: str) -> Iterable[UserRow]:
        """All live users."""
        rows = self._connection.execute(
            f"SELECT {USER} FROM user"
            " WHERE project_id = ? AND merged_into IS NULL AND NOT gone ORDER BY name",
            (self._names.project(project),),
        )
        return map(user_of, rows)

    def old_names(self, project: str) -> Iterable[int]:
        """All names that are no live user's any more."""
        rows = self._connection.execute(
            "SELECT name FROM user"
            " WHERE project_id = ? AND (merged_into IS NOT NULL OR gone) ORDER BY name",
            (self._names.project(project),),
        )
        return (name for (name,) in rows)

    def held(self, project: str, name: int) -> list[IdentityState]:
        """Identities that the user holds now."""
        rows = self._rows(
            f"SELECT {_STATE} FROM identity i WHERE owner = ? AND project_id = ?",
            (name, self._names.project(project)),
        )
        return sorted(map(self._state, rows), key=lambda state: state.identity)

    def stays(self, project: str, names: Sequence[int]) -> list[StayRow]:
        """Past stays with any of these names."""
        rows = self._many(
            "SELECT s.name, s.identity_id, i.key_id, i.value, s.life, s.left_ms, i.project_id"
            " FROM stay s JOIN identity i USING (identity_id) WHERE s.name IN ({})",
            names,
        )
        number = self._names.project(project)
        found = [
            StayRow(name, identity_id, Identity(self._names.key_name(key), value), life, left)
            for name, identity_id, key, value, life, left, of in rows
            if of == number
        ]
        return sorted(found, key=lambda stay: (stay.left_ms, stay.identity, stay.life))

    def last_stay(self, identity_id: int) -> int | None:
        """The name that an identity stayed with last, of the stays that ended."""
        rows = self._rows(
            "SELECT name FROM stay WHERE identity_id = ? ORDER BY life DESC LIMIT 1",
            (identity_id,),
        )
        return rows[0][0] if rows else None

    def refusals(
        self, project: str, names: Sequence[int] | None, after: int, limit: int
    ) -> list[RefusalRow]:
        """Refusals, most recent first."""
        homes = "" if names is None else f" AND r.home IN ({marks(names)})"
        rows = self._rows(
            "SELECT r.home, r.identity_id, i.key_id, i.value, r.reason, first_ms, first_kind,"
            " first_event, last_ms, last_kind, last_event, r.count"
            " FROM refusal r JOIN identity i USING (identity_id)"
            f" WHERE r.project_id = ?{homes}"
            " ORDER BY last_ms DESC, last_kind DESC,"
            " iif(typeof(last_event) = 'blob', lower(hex(last_event)), last_event) DESC,"
            " home, identity_id, reason"
            " LIMIT ? OFFSET ?",
            (self._names.project(project), *(names or ()), limit, after),
        )
        return [self._refusal(row) for row in rows]

    def _refusal(self, row: tuple[Any, ...]) -> RefusalRow:
        home, number, key_id, value, reason, *rest = row
        identity = Identity(self._names.key_name(key_id), value)
        first, last = order_of(*rest[:3]), order_of(*rest[3:6])
        return RefusalRow(
            None if home == NOBODY else home, number, identity, reason, first, last, rest[6]
        )

    # -- what was said --------------------------------------------------------------------------

    def sets_of(self, identity_ids: Sequence[int]) -> list[int]:
        """Sets that hold any of these identities."""
        statement = "SELECT set_id FROM set_member WHERE identity_id IN ({})"
        return sorted({set_id for (set_id,) in self._many(statement, identity_ids)})

    def set_members(self, set_id: int) -> list[IdentityState]:
        """The identities of a set, strongest first."""
        rows = self._rows("SELECT members, named FROM identity_set WHERE set_id = ?", (set_id,))
        if not rows:
            return []
        numbers = [int(number) for number in rows[0][0].split()]
        listed = numbers[:-1] if rows[0][1] else numbers
        found = {
            row[0]: self._state(row)
            for row in self._many(
                f"SELECT {_STATE} FROM identity i WHERE identity_id IN ({{}})", listed
            )
        }
        return [found[number] for number in listed]

    def runs(self, set_ids: Sequence[int]) -> list[Run]:
        """The runs of these sets."""
        rows = self._many("SELECT * FROM run WHERE set_id IN ({})", set_ids)
        found = [
            Run(set_id, order_of(time_ms, kind, event), name, anchor)
            for set_id, time_ms, kind, event, name, anchor in rows
        ]
        return sorted(found, key=lambda run: (run.set_id, run.start))

    def run_sets(self, project: str, names: Sequence[int], anchor_ids: Sequence[int]) -> list[int]:
        """Sets of the project with a run that names any of these users or anchors."""
        by_name = self._many(f"{_RUN_SETS} WHERE name IN ({{}})", names)
        by_anchor = self._many(f"{_RUN_SETS} WHERE anchor_id IN ({{}})", anchor_ids)
        number = self._names.project(project)
        rows = (*by_name, *by_anchor)
        return sorted({set_id for set_id, project_id in rows if project_id == number})

    def seen_range(self, identity_id: int) -> tuple[int, int] | None:
        """First and last time that an identity was seen."""
        rows = self._rows(
            "SELECT min(g.first_ms), max(g.last_ms) FROM set_member m"
            " JOIN sighting g ON g.set_id = m.set_id WHERE m.identity_id = ?",
            (identity_id,),
        )
        first, last = rows[0]
        return None if first is None else (first, last)

    def sightings(self, set_ids: Sequence[int], until_ms: int) -> Iterator[Sighting]:
        """Sightings of these sets, latest end first."""
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (set_id INTEGER UNIQUE)")
        self._connection.execute("DELETE FROM wanted")
        self._connection.executemany(
            "INSERT OR IGNORE INTO wanted VALUES (?)", [(set_id,) for set_id in set_ids]
        )
        rows = self._connection.execute(
            "SELECT g.set_id, g.payload_id, g.entries FROM wanted CROSS JOIN sighting g"
            " USING (set_id) WHERE g.first_ms <= ? ORDER BY g.last_ms DESC, g.sighting_id DESC",
            (until_ms,),
        )
        for set_id, payload_id, blob in rows:
            yield Sighting(set_id, payload_id, unpack_entries(blob))

    def payload(self, payload_id: int) -> PayloadRow | None:
        """What was said under this number."""
        rows = self._rows("SELECT * FROM payload WHERE payload_id = ?", (payload_id,))
        return payload_of(rows[0]) if rows else None

    def log(self) -> Iterator[Sighting]:
        """All sightings, by payload."""
        rows = self._connection.execute(
            "SELECT set_id, payload_id, entries FROM sighting ORDER BY payload_id, sighting_id"
        )
        for set_id, payload_id, blob in rows:
            yield Sighting(set_id, payload_id, unpack_entries(blob))

    def payloads(self) -> Iterator[PayloadRow]:
        """Everything that was said."""
        return map(
            payload_of, self._connection.execute("SELECT * FROM payload ORDER BY payload_id")
        )

    def erased(self) -> Erased:
        """What is remembered of erasures."""
        keys = self._rows("SELECT key FROM suppression_key")
        rows = self._rows("SELECT * FROM suppression ORDER BY project, digest")
        names = self._rows(
            "SELECT p.name, u.name FROM user u JOIN project p USING (project_id)"
            " WHERE u.founder_event = '' ORDER BY p.name, u.name"
        )
        suppressed = tuple(
            Suppressed(project, digest, until_ms, bool(whole))
            for project, digest, until_ms, whole in rows
        )
        erased = tuple((project, name) for project, name in names)
        return Erased(keys[0][0] if keys else b"", suppressed, erased)

    # -- what was not believed, and how much there is ---------------------------------------------

    def rejections(
        self, project: str | None, after: int, limit: int, ids: Sequence[int] | None = None
    ) -> list[RejectionRow]:
        """Open rejections by id."""
        where = ["rejection_id > ?"]
        values: list[Any] = [after]
        if project is not None:
            where.append("project = ?")
            values.append(project)
        if ids is not None:
            where.append(f"rejection_id IN ({marks(ids)})")
            values.extend(ids)
        rows = self._rows(
            f"SELECT * FROM rejection WHERE {' AND '.join(where)} ORDER BY rejection_id LIMIT ?",
            (*values, limit),
        )
        return [RejectionRow(*(*row[:7], Place(row[7], row[8]))) for row in rows]

    def operators(self, project: str | None) -> list[OperatorRow]:
        """What operators stated."""
        rows = self._rows(
            "SELECT * FROM operator_fact WHERE ?1 IS NULL OR project = ?1 ORDER BY operator_id",
            (project,),
        )
        return [operator_of(row) for row in rows]

    def policies(self, project: str | None) -> list[PolicyRow]:
        """The policies that held."""
        rows = self._rows(
            "SELECT * FROM policy WHERE ?1 IS NULL OR project = ?1 ORDER BY policy_id", (project,)
        )
        return [PolicyRow(*row) for row in rows]

    def unlinked(self, project: str) -> list[Sighting]:
        """The sightings of what links nothing."""
        rows = self._rows(
            "SELECT set_id, payload_id, entries FROM sighting JOIN identity_set USING (set_id)"
            " WHERE project_id = ? AND members = '' ORDER BY sighting_id",
            (self._names.project(project),),
        )
        return [Sighting(set_id, payload, unpack_entries(blob)) for set_id, payload, blob in rows]

    def find_event(self, project: str, event_id: str) -> list[tuple[SetKey, Sighting]]:
        """The sightings that hold an event."""
        return list(telling.find_event(self._connection, self._names, project, event_id))

    def counters(self, project: str | None) -> dict[tuple[str, str], int]:
        """The counters of one project, or of all."""
        rows = self._rows(
            "SELECT project, name, count FROM counter WHERE ?1 IS NULL OR project = ?1", (project,)
        )
        return {(of, name): count for of, name, count in rows}

    def projects(self) -> list[str]:
        """The projects that anything was said of."""
        rows = self._rows("SELECT DISTINCT project FROM counter ORDER BY project")
        return [name for (name,) in rows]

    def largest(self, project: str, limit: int) -> list[tuple[int, int]]:
        """Users with the most identities."""
        return [
            (name, count)
            for name, count in self._rows(
                "SELECT owner, count(*) FROM identity WHERE project_id = ? AND owner IS NOT NULL"
                " GROUP BY owner ORDER BY 2 DESC, owner LIMIT ?",
                (self._names.project(project), limit),
            )
        ]

    def tallies(self, project: str) -> tuple[int, int]:
        """How many live users and how many identities a project has."""
        number = self._names.project(project)
        rows = self._rows(
            "SELECT (SELECT count(*) FROM user WHERE project_id = ?1 AND merged_into IS NULL"
            " AND NOT gone), (SELECT count(*) FROM identity WHERE project_id = ?1)",
            (number,),
        )
        return rows[0][0], rows[0][1]

    def store_bytes(self) -> int:
        """The size of the file and of its log."""
        total = 0
        for suffix in ("", "-wal"):
            with suppress(OSError):
                total += self._path.with_name(self._path.name + suffix).stat().st_size
        return total
