"""The answer as tables: names, types and order of columns and rows are a promise (``SCHEMA``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.resolve import first_name

from .ordering import by_text, by_time
from .outcome import Outcome
from .rejecting import Rejected
from .said import Ints, Longs

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

EVENTS_AT_ONCE = 1_000_000
"""Events of one row group: some 60 MB in memory."""


def small_tables(
    outcome: Outcome, rejections: Sequence[Rejected]
) -> Iterator[tuple[str, pa.Table]]:
    """All tables but ``events``, each sorted."""
    called = pc.cast(pa.array(outcome.users.names), TEXT)
    yield "identities", _identities(outcome, called)
    yield "users", _users(outcome, called)
    yield "redirects", _redirects(outcome)
    yield "refusals", _refusals(outcome, called)
    columns = zip(*sorted(rejections, key=_place), strict=True) if rejections else [()] * 8
    yield "rejections", _table("rejections", list(columns))


def _place(one: Rejected) -> tuple[str, int, int]:
    return one.file, one.line, -1 if one.record is None else one.record


def _table(name: str, columns: Sequence[Any]) -> pa.Table:
    fields = SCHEMA[name]
    arrays = [
        column.cast(kind)
        if isinstance(column, pa.Array | pa.ChunkedArray)
        else pa.array(column, kind)
        for column, (_, kind) in zip(columns, fields, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(list(fields)))


def _sorted(table: pa.Table, *names: str) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in names])


def _taken(values: pa.Array, numbers: Ints | Longs) -> pa.Array:
    """The values at these places; null at -1."""
    return values.take(pa.array(numbers, mask=numbers < 0))


def _times(times: Longs) -> pa.Array:
    return pa.array(times, mask=times < 0)


def _identity_columns(outcome: Outcome, numbers: Longs) -> tuple[pa.Array, pa.Array]:
    identities = outcome.said.identities
    keys = pa.array(identities.keys, TEXT).take(pa.array(identities.key[numbers]))
    return keys, identities.values.take(pa.array(numbers))


def _identities(outcome: Outcome, called: pa.Array) -> pa.Table:
    stays = outcome.stays
    rows = _by_identity(outcome)
    numbers = stays.identities[rows]
    key, value = _identity_columns(outcome, numbers)
    columns = (
        key,
        value,
        _taken(called, stays.users[rows]),
        _times(outcome.first_ms[numbers]),
        _times(outcome.last_ms[numbers]),
        stays.lives[rows],
        _times(stays.left_ms[rows]),
    )
    return _table("identities", columns)


def _by_identity(outcome: Outcome) -> Longs:
    """The stays by key, value and life."""
    identities, stays = outcome.said.identities, outcome.stays
    place = np.empty(len(identities), np.int64)
    done = 0
    for _, key in sorted((name, key) for key, name in enumerate(identities.keys)):
        own = np.flatnonzero(identities.key == key)
        place[own[by_text(identities.values.take(pa.array(own)))]] = done + np.arange(len(own))
        done += len(own)
    return np.lexsort((stays.lives, place[stays.identities]))


def _users(outcome: Outcome, called: pa.Array) -> pa.Table:
    users, stays, events = outcome.users, outcome.stays, outcome.said.events
    count = len(users.names)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1, np.int64)
    some = outcome.seen >= 0
    owners, times = outcome.seen[some], events.times[some]
    np.minimum.at(first, owners, times)
    np.maximum.at(last, owners, times)
    held = stays.users >= 0
    is_former = stays.left_ms >= 0
    columns = (
        called,
        events.ids.take(pa.array(users.founders)),
        events.times[users.founders],
        np.bincount(stays.users[held & ~is_former], minlength=count),
        np.bincount(stays.users[held & is_former], minlength=count),
        np.bincount(owners, minlength=count),
        _times(np.where(last < 0, -1, first)),
        _times(last),
    )
    return _table("users", columns).take(pa.array(np.argsort(users.names)))


def _redirects(outcome: Outcome) -> pa.Table:
    users = outcome.users
    founding = outcome.said.events.ids.take(pa.array(users.merged)).to_pylist()
    old = np.fromiter(map(first_name, founding), np.int64, len(founding))
    lead = users.names[users.merged_into]
    taken = {*old.tolist(), *users.names.tolist()} if outcome.renamed else set()
    more = [pair for pair in outcome.renamed if pair[0] not in taken]
    pairs = np.array(more, np.int64).reshape(-1, 2)
    old, lead = np.concatenate((old, pairs[:, 0])), np.concatenate((lead, pairs[:, 1]))
    by = np.argsort(old)
    columns = (pc.cast(pa.array(column[by]), TEXT) for column in (old, lead))
    return _table("redirects", tuple(columns))


def _refusals(outcome: Outcome, called: pa.Array) -> pa.Table:
    refused, ids = outcome.refused, outcome.said.events.ids
    key, value = _identity_columns(outcome, refused.identities)
    columns = (
        _taken(called, refused.homes),
        key,
        value,
        refused.reasons,
        ids.take(pa.array(refused.firsts)),
        ids.take(pa.array(refused.lasts)),
        refused.counts,
    )
    return _sorted(_table("refusals", columns), "canonical_id", "key", "value", "reason")


def events_schema(outcome: Outcome) -> pa.Schema:
    """The columns of ``events``: the promised ones, then those that were carried along."""
    return pa.schema([*SCHEMA["events"], *outcome.said.events.kept.schema])


def event_tables(outcome: Outcome) -> Iterator[pa.Table]:
    """All events by time and event id, a row group at a time."""
    events = outcome.said.events
    order = by_time(events)
    called = pc.cast(pa.array(outcome.users.names), TEXT)
    schema = events_schema(outcome)
    for start in range(0, len(events), EVENTS_AT_ONCE):
        end = min(start + EVENTS_AT_ONCE, len(events))
        rows = np.arange(start, end) if order is None else order[start:end]
        some = pa.array(rows)
        seen, latest = outcome.seen[rows], outcome.latest[rows]
        owners = _taken(called, seen)
        columns = [
            events.ids.take(some),
            pa.array(events.times[rows]).cast(TIME),
            owners,
            owners if (seen == latest).all() else _taken(called, latest),
            *(column.take(some) for column in events.kept.columns),
        ]
        yield pa.table(columns, schema=schema)
