"""Rows of a table checked by column: times, kinds and ids, and which rows cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.errors import InputError
from idweave.core.evidence import VALUE_LENGTH_MAX
from idweave.core.identity import KIND_OF_TYPE, Kind
from idweave.core.record import time_ms_of
from idweave.core.rejection import Code, Rejection

from .arrays import Bytes, Flags, Longs
from .cleaning import trimmed
from .hashing import bytes_of
from .mapping import Columns
from .rejecting import Rejected, rejected
from .tabular import Chunk

ITEM = 100
"""The kind of what is kept and links nothing (``item_set``, ``item_delete``)."""

UNKNOWN = -1

KIND_CODES: dict[str, int] = {
    **{kind.word: int(kind) for kind in Kind},
    **{word: int(kind) for word, kind in KIND_OF_TYPE.items()},
    "item_set": ITEM,
    "item_delete": ITEM,
}
"""What the column ``type`` may say: types of records, or kinds of facts."""

TYPED = ", ".join(sorted(KIND_CODES))
EXPLICIT = [int(kind) for kind in (Kind.BIND, Kind.UNBIND, Kind.DETACH, Kind.RELEASE)]

_SECONDS = 1_000_000_000, 9_999_999_999
_NO_TIME = Rejection(
    Code.INVALID_FIELD,
    "time",
    "The row has no time that can be used.",
    "Give milliseconds or seconds since 1970, a timestamp, or ISO 8601 text.",
)
_NO_ID = Rejection(
    Code.INVALID_FIELD, "event_id", "The row has no event id.", "Give every row its own."
)
_NO_TYPE = Rejection(
    Code.INVALID_FIELD, "type", "The row's type is not known.", f"Use one of: {TYPED}."
)
_NO_IDENTITY = Rejection(
    Code.NO_VALID_IDENTITY,
    "identities",
    "A bind or unbind says what it is about, and this row has no identity.",
    "Fill at least one identity column.",
)
_LONG = f"The value is longer than {VALUE_LENGTH_MAX} characters."
_FIX = "Mend the value where the table is made, and resolve it again."


class Rows(NamedTuple):
    """Sound rows: time in ms, kind, event id, the texts of identity columns
    (and under ``""`` the ``distinct_id``), and all columns as they were."""

    times: Longs
    kinds: Bytes
    ids: pa.Array
    texts: Mapping[str, pa.Array]
    kept: pa.Table


class Doubt(NamedTuple):
    """A row that cannot be used, and why."""

    row: int
    why: Rejection

    def rejected(self, chunk: Chunk) -> Rejected:
        """The rejection, with the row as it was."""
        row = chunk.table.slice(self.row, 1).to_pylist()[0]
        raw = json.dumps(row, ensure_ascii=False, default=str)
        return rejected((chunk.file, chunk.first + self.row, None), self.why, raw)


def checked(chunk: Chunk, columns: Columns, ids: pa.Array) -> tuple[Rows, list[Doubt]]:
    """The rows of a chunk that can be used, and the others."""
    table, count = chunk.table, chunk.table.num_rows
    times = times_of(table[columns.roles["time"]])
    kinds = _kinds(table, columns, count)
    texts = {name: _identity_text(table[name], name) for name in columns.keys}
    distinct = columns.roles.get("distinct_id")
    texts[""] = pa.nulls(count, pa.string()) if distinct is None else text_of(table[distinct])
    explicit = np.flatnonzero(np.isin(kinds, EXPLICIT))
    is_empty = np.zeros(count, np.bool_)
    is_empty[explicit] = _without_text([texts[name] for name in columns.keys], explicit)
    doubts: dict[int, Rejection] = {}
    for flags, why in (
        *(one for name in columns.keys for one in _unusable(texts[name], name)),
        (is_empty, _NO_IDENTITY),
        (kinds == UNKNOWN, _NO_TYPE),
        (times < 0, _NO_TIME),
        (~_flags(pc.greater(pc.binary_length(ids), 0)), _NO_ID),
    ):
        doubts |= dict.fromkeys(np.flatnonzero(flags).tolist(), why)
    rows = Rows(times, kinds, ids, texts, table)
    return _without(rows, doubts), [Doubt(row, why) for row, why in sorted(doubts.items())]


def _unusable(texts: pa.Array, name: str) -> Iterator[tuple[Flags, Rejection]]:
    """Which texts cannot be ids, and why. A look at their bytes mostly says that all can be."""
    starts, content = bytes_of(texts)
    if np.diff(starts).max(initial=0) > VALUE_LENGTH_MAX:
        long = pc.greater(pc.utf8_length(trimmed(texts)), VALUE_LENGTH_MAX)
        yield _flags(long), Rejection(Code.IDENTITY_VALUE_TOO_LONG, name, _LONG, _FIX)
    if not content.all():
        yield (
            _flags(pc.match_substring(texts, "\0")),
            Rejection(Code.INVALID_JSON, name, "Text holds the character NUL.", _FIX),
        )


def _without_text(columns: Sequence[pa.Array], rows: Longs) -> Flags:
    """Which of these rows have no text in any of the columns."""
    found = np.ones(len(rows), np.bool_)
    for column in columns:
        found &= ~_flags(pc.greater(pc.binary_length(column.take(pa.array(rows))), 0))
    return found


def _without(rows: Rows, doubts: Mapping[int, Rejection]) -> Rows:
    if not doubts:
        return rows
    good = np.delete(np.arange(len(rows.times)), list(doubts))
    taken = pa.array(good)
    texts = {name: text.take(taken) for name, text in rows.texts.items()}
    ids, kept = rows.ids.take(taken), rows.kept.take(taken)
    return Rows(rows.times[good], rows.kinds[good], ids, texts, kept)


def _flags(flags: pa.Array) -> Flags:
    found: Flags = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.dictionary_decode() if pa.types.is_dictionary(found.type) else found


def text_of(column: pa.ChunkedArray) -> pa.Array:
    """A column as text; numbers as their digits."""
    found = _whole(column)
    return found if pa.types.is_string(found.type) else found.cast(pa.string())


def _identity_text(column: pa.ChunkedArray, name: str) -> pa.Array:
    """A column of ids as text. Floats are whole numbers that met a gap in pandas; others are not
    ids at all. Raises InputError for what no id can be."""
    found = _whole(column)
    kind = found.type
    if pa.types.is_string(kind):
        return found
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_large_string(kind):
        return found.cast(pa.string())
    if pa.types.is_floating(kind):
        try:
            return found.cast(pa.int64()).cast(pa.string())
        except pa.ArrowInvalid:
            kind = "numbers with fractions"
    fix = "Write ids as text, or leave the column out with --map COLUMN=-."
    raise InputError(f"Column {name!r} holds {kind}, and ids are text or whole numbers.", fix=fix)


def _kinds(table: pa.Table, columns: Columns, count: int) -> Bytes:
    column = columns.roles.get("type")
    if column is None:
        return np.full(count, int(Kind.OBSERVE), np.int8)
    coded = text_of(table[column]).dictionary_encode()
    words = coded.dictionary.to_pylist()
    codes = np.array([*(KIND_CODES.get(word, UNKNOWN) for word in words), Kind.OBSERVE], np.int8)
    found: Bytes = codes[coded.indices.fill_null(len(words)).to_numpy()]
    return found


# -- times -----------------------------------------------------------------------------------------


def times_of(column: pa.ChunkedArray) -> Longs:
    """Times in ms since 1970; -1 for what is none. As ``core.record.time_ms_of`` takes numbers."""
    found = _whole(column)
    if pa.types.is_timestamp(found.type):
        floored = pc.floor_temporal(found, unit="millisecond")
        return _limited(floored.cast(pa.timestamp("ms", found.type.tz)).cast(pa.int64()))
    if pa.types.is_integer(found.type):
        return _of_numbers(found.cast(pa.int64()))
    if pa.types.is_string(found.type) or pa.types.is_large_string(found.type):
        return _each(found, _of_text)
    return _each(found, _of_value)


def _of_numbers(numbers: pa.Array) -> Longs:
    values = _limited(numbers)
    is_seconds = (values >= _SECONDS[0]) & (values <= _SECONDS[1])
    return np.where(is_seconds, values * 1000, values)


def _limited(numbers: pa.Array) -> Longs:
    values: Longs = numbers.fill_null(-1).to_numpy(zero_copy_only=False)
    from idweave.core.record import TIME_MAX_MS

    return np.where((values < 0) | (values > TIME_MAX_MS), -1, values)


def _each(column: pa.Array, act: Any) -> Longs:
    coded = column.dictionary_encode()
    known = np.array([*map(act, coded.dictionary.to_pylist()), -1], np.int64)
    found: Longs = known[coded.indices.fill_null(len(known) - 1).to_numpy()]
    return found


def _of_value(value: object) -> int:
    if isinstance(value, datetime):
        return _of_moment(value)
    found = time_ms_of(value)
    return -1 if found is None else found


def _of_text(text: str) -> int:
    """Digits, or ISO 8601; a time without its zone is UTC."""
    word = text.strip()
    if word.isascii() and word.isdigit() and len(word) <= 18:
        return _of_value(int(word))
    try:
        return _of_moment(datetime.fromisoformat(word))
    except ValueError:
        return -1


def _of_moment(moment: datetime) -> int:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    found = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return max(found, -1)
