"""The answer as tables: names, types and order of columns and rows are a promise (``SCHEMA``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.resolve import first_name

from .arrays import LATE, Ints, Longs
from .ordering import by_text
from .outcome import Outcome
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


def small_tables(
    outcome: Outcome, rejections: Sequence[Rejected]
) -> Iterator[tuple[str, pa.Table]]:
    """All tables but ``events`` (:mod:`.merging`), each sorted."""
    called = pc.cast(pa.array(outcome.users.names), TEXT)
    yield "identities", _identities(outcome, called)
    yield "users", _users(outcome, called)
    yield "redirects", _redirects(outcome, called)
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
    users, stays, count = outcome.users, outcome.stays, len(outcome.users.names)
    first, last, events = _user_spans(outcome)
    held = stays.users >= 0
    is_former = stays.left_ms >= 0
    columns = (
        called,
        users.founder_ids,
        outcome.said.events.times_of(users.founders),
        np.bincount(stays.users[held & ~is_former], minlength=count),
        np.bincount(stays.users[held & is_former], minlength=count),
        events,
        _times(np.where(last < 0, -1, first)),
        _times(last),
    )
    return _table("users", columns).take(pa.array(np.argsort(users.names)))


def _user_spans(outcome: Outcome) -> tuple[Longs, Longs, Longs]:
    """When each user had the first event and the last, as seen, and how many."""
    owners, spans, count = outcome.owners, outcome.spans, len(outcome.users.names)
    plain = np.flatnonzero(owners.of_shape[:-1] >= 0)
    listed = np.flatnonzero(owners.seen >= 0)
    times = outcome.said.events.times_of(owners.events[listed])
    of: Longs = np.concatenate((owners.of_shape[plain], owners.seen[listed]))
    first, last = np.full(count, LATE), np.full(count, -1, np.int64)
    np.minimum.at(first, of, np.concatenate((spans.firsts[plain], times)))
    np.maximum.at(last, of, np.concatenate((spans.lasts[plain], times)))
    events = np.zeros(count, np.int64)
    np.add.at(events, of, np.concatenate((spans.counts[plain], np.ones(len(listed), np.int64))))
    return first, last, events


def _redirects(outcome: Outcome, called: pa.Array) -> pa.Table:
    users = outcome.users
    founding = outcome.said.events.ids_of(users.merged).to_pylist()
    old = np.fromiter(map(first_name, founding), np.int64, len(founding))
    by = np.argsort(old)
    into = called.take(pa.array(users.merged_into[by]))
    return _table("redirects", (pc.cast(pa.array(old[by]), TEXT), into))


def _refusals(outcome: Outcome, called: pa.Array) -> pa.Table:
    refused, events = outcome.refused, outcome.said.events
    key, value = _identity_columns(outcome, refused.identities)
    columns = (
        _taken(called, refused.homes),
        key,
        value,
        refused.reasons,
        events.ids_of(refused.firsts),
        events.ids_of(refused.lasts),
        refused.counts,
    )
    return _sorted(_table("refusals", columns), "canonical_id", "key", "value", "reason")
