"""Tables with a column for each identity key become what was said, without Python per event.

Every row is hashed; rows that are alike but for time and name share a shape, and only the texts of
identities that come for the first time are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.event_id import event_id
from idweave.core.record import Project

from .ahead import ahead
from .arrays import Bytes, Ints, Longs, Words
from .events import Columns, Pile, Shelf
from .hashing import Numbering, Secrets, hashed
from .mapping import Columns as Mapped
from .rejecting import Rejected
from .rows import Rows, checked, text_of
from .shape import NAMED_KINDS
from .tabular import Chunk

NAMED_CODES = [int(kind) for kind in NAMED_KINDS]

CHUNKS_AHEAD = 2
"""Chunks that are decoded before they are asked for: 10 MB each."""


class Hashed(NamedTuple):
    """One chunk: its sound rows, their sums, those of each identity column, and the rows that
    cannot be used."""

    received: int
    rows: Rows
    sums: tuple[Words, ...]
    of_column: dict[str, tuple[Words, ...]]
    rejections: list[Rejected]


class Values:
    """The distinct values of one key, numbered as they come."""

    def __init__(self) -> None:
        self.numbering = Numbering()
        self.parts: list[pa.Array] = [pa.array([], pa.string())]

    def numbers(self, texts: pa.Array, rows: Longs, sums: tuple[Words, ...]) -> Ints:
        """The numbers of the texts in these rows; nulls are the empty text."""
        found, fresh = self.numbering.of(*(one[rows] for one in sums))
        self.parts.append(texts.take(pa.array(rows[fresh])).fill_null(""))
        return found


class Gathered:
    """What all chunks of one mapping hold: events, and a row for each new shape: its kind, the
    number of its value in each identity column, and the ``distinct_id`` where that matters."""

    def __init__(self, columns: Mapped, shelf: Shelf) -> None:
        self.columns = columns
        self.pile = Pile(shelf)
        self.numbering = Numbering()
        self.kinds: list[Bytes] = []
        self.named: list[pa.Array] = []
        self.numbers: dict[str, list[Ints]] = {name: [] for name in columns.keys}
        self.values = {key: Values() for key in columns.keys.values()}
        self.rejections: list[Rejected] = []
        self.received = 0

    def close(self) -> None:
        """No more will come: what numbers are given by can be forgotten."""
        self.numbering = Numbering()
        for values in self.values.values():
            values.numbering = Numbering()

    def add(self, found: Hashed) -> int:
        """Add a chunk; returns how many rows it had."""
        rows = found.rows
        shapes, fresh = self.numbering.of(*found.sums)
        for name, key in self.columns.keys.items():
            texts, sums = rows.texts[name], found.of_column[name]
            self.numbers[name].append(self.values[key].numbers(texts, fresh, sums))
        is_named = pa.array(np.isin(rows.kinds[fresh], NAMED_CODES))
        self.named.append(pc.if_else(is_named, rows.texts[""].take(pa.array(fresh)), None))
        self.kinds.append(rows.kinds[fresh])
        self.pile.add(Columns(rows.times, rows.ids, rows.kept), shapes)
        self.rejections += found.rejections
        self.received += found.received
        return found.received


class ColumnReader:
    """Reads chunks of tables that share one mapping. ``by``: what hashes, and in how many
    threads."""

    def __init__(
        self, project: Project, columns: Mapped, keep: tuple[str, ...], by: tuple[Secrets, int]
    ) -> None:
        self._project = project
        self._columns = columns
        self._keep = keep
        self._secrets, self._workers = by

    def read(self, chunks: Iterable[Chunk], gathered: Gathered) -> Iterator[int]:
        """Add chunks to what was gathered; yields the rows of each when it is in."""
        with ThreadPoolExecutor(self._workers) as threads:
            waiting: list[Future[Hashed]] = []
            try:
                for chunk in ahead(chunks, CHUNKS_AHEAD):
                    waiting.append(threads.submit(self._hashed, chunk))
                    if len(waiting) > self._workers:
                        yield gathered.add(waiting.pop(0).result())
            finally:  # of a damaged file what came before counts
                while waiting:
                    gathered.add(waiting.pop(0).result())

    def _hashed(self, chunk: Chunk) -> Hashed:
        rows, doubts = checked(chunk, self._columns, self._with_ids(chunk.table))
        rows = rows._replace(kept=rows.kept.select(list(self._keep)))
        of_column = {name: hashed(rows.texts[name], self._secrets) for name in self._columns.keys}
        refused = [doubt.rejected(chunk) for doubt in doubts]
        return Hashed(len(chunk.table), rows, self._sums(rows, of_column), of_column, refused)

    def _with_ids(self, table: pa.Table) -> pa.Array:
        """The event ids; a table without any gets them from the whole content of each row, so that
        equal rows are one event."""
        column = self._columns.roles.get("event_id")
        if column is not None:
            return text_of(table[column])
        rows = table.to_pylist()
        named = [
            event_id({k: _json(v) for k, v in row.items()}, self._project.name) for row in rows
        ]
        return pa.array(named, pa.string())

    def _sums(self, rows: Rows, of_column: dict[str, tuple[Words, ...]]) -> tuple[Words, ...]:
        named = np.flatnonzero(np.isin(rows.kinds, NAMED_CODES))
        parts = hashed(rows.texts[""].take(pa.array(named)), self._secrets)
        kinds = rows.kinds.astype(np.uint64)
        found = [kinds * self._secrets.whole(which, len(of_column)) for which in (0, 1)]
        for which in (0, 1):
            found[which][named] += parts[which]
            for place, sums in enumerate(of_column.values()):
                found[which] += sums[which] * self._secrets.whole(which, place)
        return tuple(found)


def _json(value: Any) -> Any:
    """A cell as JSON has it."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def wanted(columns: Mapped, keep: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns to read: all of them where rows are known by their whole content."""
    if "event_id" not in columns.roles:
        return list(names)
    return list(dict.fromkeys((*columns.names, *(name for name in keep if name in names))))
