"""The answer as tables: names, types and order of columns and rows are a promise (``SCHEMA``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.resolve import first_name

from .arrays import Ints, Longs
from .ordering import by_text
from .outcome import Outcome, Users
from .rejecting import Rejected

SCHEMA_VERSION = 1
"""Goes up when a column is renamed, removed or changes its meaning; not for new columns."""

TEXT, COUNT, TIME = pa.string(), pa.int64(), pa.timestamp("ms", "UTC")

SCHEMA: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    "identities": (
        ("key", TEXT),
        ("value", TEXT),
        ("canonical_id", TEXT),
        ("first_seen", TIME),
        ("last_seen", TIME),
        ("life", COUNT),
        ("left_at", TIME),
    ),
    "users": (
        ("canonical_id", TEXT),
        ("founder", TEXT),
        ("founded_at", TIME),
        ("identities", COUNT),
        ("former", COUNT),
        ("events", COUNT),
        ("first_seen", TIME),
        ("last_seen", TIME),
    ),
    "redirects": (("old_id", TEXT), ("canonical_id", TEXT)),
    "events": (("event_id", TEXT), ("time", TIME), ("canonical_id", TEXT), ("latest_id", TEXT)),
    "refusals": (
        ("canonical_id", TEXT),
        ("key", TEXT),
        ("value", TEXT),
        ("reason", TEXT),
        ("first_event", TEXT),
        ("last_event", TEXT),
        ("count", COUNT),
    ),
    "rejections": (
        ("file", TEXT),
        ("line", COUNT),
        ("record", COUNT),
        ("code", TEXT),
        ("field", TEXT),
        ("reason", TEXT),
        ("fix", TEXT),
        ("raw", TEXT),
    ),
}
"""Every table with its columns. ``canonical_id`` is text: as a number it would lose its last digits
in every tool that reads a column with gaps as floating point."""


ROWS_AT_ONCE = 500_000
"""Rows of one row group: some 50 MB in memory."""

Parts = Iterator[pa.Table]


def small_tables(outcome: Outcome, rejections: Sequence[Rejected]) -> Iterator[tuple[str, Parts]]:
    """All tables but ``events`` (:mod:`.merging`), each sorted and in parts."""
    yield "identities", _identities(outcome)
    yield "users", _users(outcome)
    yield "redirects", iter([_redirects(outcome)])
    yield "refusals", iter([_refusals(outcome)])
    columns = zip(*sorted(rejections, key=_place), strict=True) if rejections else [()] * 8
    yield "rejections", iter([_table("rejections", list(columns))])


def schema_of(name: str) -> pa.Schema:
    """The columns of a table as they are promised."""
    return pa.schema(list(SCHEMA[name]))


def called(users: Users, numbers: Ints | Longs) -> pa.Array:
    """The names of users; null for -1."""
    names = pa.array(users.names).take(pa.array(numbers, mask=numbers < 0))
    return pc.cast(names, TEXT)


def _parts(rows: Longs) -> Iterator[Longs]:
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))


def _place(one: Rejected) -> tuple[str, int, int]:
    return one.file, one.line, -1 if one.record is None else one.record


def _table(name: str, columns: Sequence[Any]) -> pa.Table:
    schema = schema_of(name)
    arrays = [
        column.cast(kind)
        if isinstance(column, pa.Array | pa.ChunkedArray)
        else pa.array(column, kind)
        for column, kind in zip(columns, schema.types, strict=True)
    ]
    return pa.table(arrays, schema=schema)


def _sorted(table: pa.Table, *names: str) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in names])


def _times(times: Longs) -> pa.Array:
    return pa.array(times, mask=times < 0)


def _identity_columns(outcome: Outcome, numbers: Longs) -> tuple[pa.Array, pa.Array]:
    identities = outcome.identities
    keys = pa.array(identities.keys, TEXT).take(pa.array(identities.key[numbers]))
    return keys, identities.values.take(pa.array(numbers))


def _identities(outcome: Outcome) -> Parts:
    stays = outcome.stays
    for rows in _parts(_by_identity(outcome)):
        numbers = stays.identities[rows]
        key, value = _identity_columns(outcome, numbers)
        columns = (
            key,
            value,
            called(outcome.users, stays.users[rows]),
            _times(outcome.first_ms[numbers]),
            _times(outcome.last_ms[numbers]),
            stays.lives[rows],
            _times(stays.left_ms[rows]),
        )
        yield _table("identities", columns)


def _by_identity(outcome: Outcome) -> Longs:
    """The stays by key, value and life."""
    identities, stays = outcome.identities, outcome.stays
    place = np.empty(len(identities), np.int64)
    done = 0
    for _, key in sorted((name, key) for key, name in enumerate(identities.keys)):
        own = np.flatnonzero(identities.key == key)
        place[own[by_text(identities.values.take(pa.array(own)))]] = done + np.arange(len(own))
        done += len(own)
    return np.lexsort((stays.lives, place[stays.identities]))


def _users(outcome: Outcome) -> Parts:
    users, stays, spans = outcome.users, outcome.stays, outcome.spans
    held = stays.users >= 0
    is_former = stays.left_ms >= 0
    count = len(users.names)
    identities = np.bincount(stays.users[held & ~is_former], minlength=count)
    former = np.bincount(stays.users[held & is_former], minlength=count)
    founded = outcome.events.times_of(users.founders)
    for rows in _parts(np.argsort(users.names)):
        columns = (
            called(users, rows),
            users.founder_ids.take(pa.array(rows)),
            founded[rows],
            identities[rows],
            former[rows],
            spans.counts[rows],
            _times(spans.firsts[rows]),
            _times(spans.lasts[rows]),
        )
        yield _table("users", columns)


def _redirects(outcome: Outcome) -> pa.Table:
    users = outcome.users
    founding = outcome.events.ids_of(users.merged).to_pylist()
    old = np.fromiter(map(first_name, founding), np.int64, len(founding))
    lead = users.names[users.merged_into]
    taken = {*old.tolist(), *users.names.tolist()} if outcome.renamed else set()
    more = [pair for pair in outcome.renamed if pair[0] not in taken]
    pairs = np.array(more, np.int64).reshape(-1, 2)
    old, lead = np.concatenate((old, pairs[:, 0])), np.concatenate((lead, pairs[:, 1]))
    by = np.argsort(old)
    columns = (pc.cast(pa.array(column[by]), TEXT) for column in (old, lead))
    return _table("redirects", tuple(columns))


def _refusals(outcome: Outcome) -> pa.Table:
    refused, events = outcome.refused, outcome.events
    key, value = _identity_columns(outcome, refused.identities)
    columns = (
        called(outcome.users, refused.homes),
        key,
        value,
        refused.reasons,
        events.ids_of(refused.firsts),
        events.ids_of(refused.lasts),
        refused.counts,
    )
    return _sorted(_table("refusals", columns), "canonical_id", "key", "value", "reason")
