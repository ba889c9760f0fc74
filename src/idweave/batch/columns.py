"""Tables with a column for each identity key become what was said, without Python per event.

Every row is hashed, rows that are alike but for time and name share a shape, and only the texts of
shapes are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.event_id import event_id
from idweave.core.record import Project

from .hashing import Numbering, Secrets, glimpses, hashed
from .mapping import Columns
from .rejecting import Rejected
from .rows import Rows, checked, text_of
from .said import Bytes, Ints, Longs, Words
from .shape import NAMED_KINDS
from .tabular import Load

NAMED_CODES = [int(kind) for kind in NAMED_KINDS]


class Hashed(NamedTuple):
    """One chunk: its sound rows, their sums, and the rows that cannot be used."""

    file: str
    received: int
    rows: Rows
    one: Words
    other: Words
    sums: Words
    rejections: list[Rejected]


class Place(NamedTuple):
    """Where rows stand: the file, and the number of each row in it."""

    file: str
    numbers: Longs


@dataclass(slots=True)
class Gathered:
    """What all chunks of one mapping hold: events in columns, and a row for each new shape."""

    columns: Columns
    times: list[Longs] = field(default_factory=list)
    shapes: list[Ints] = field(default_factory=list)
    sums: list[Words] = field(default_factory=list)
    ids: list[pa.Array] = field(default_factory=list)
    kept: list[pa.Table] = field(default_factory=list)
    kinds: list[Bytes] = field(default_factory=list)
    said: list[pa.Table] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    rejections: list[Rejected] = field(default_factory=list)
    received: int = 0


class ColumnReader:
    """Reads chunks of tables that share one mapping. ``by``: what hashes, and in how many threads
    ahead."""

    def __init__(
        self, project: Project, columns: Columns, keep: tuple[str, ...], by: tuple[Secrets, int]
    ) -> None:
        self._project = project
        self._columns = columns
        self._keep = keep
        self._secrets, self._workers = by
        self._numbering = Numbering()

    def read(self, chunks: Iterable[Load], gathered: Gathered) -> Iterator[int]:
        """Add chunks to what was gathered; yields the rows of each when it is in."""
        with ThreadPoolExecutor(self._workers) as threads:
            waiting: list[Future[Hashed]] = []
            for load in chunks:
                waiting.append(threads.submit(self._hashed, load))
                if len(waiting) > self._workers:
                    yield self._take(waiting.pop(0).result(), gathered)
            for left in waiting:
                yield self._take(left.result(), gathered)

    def _hashed(self, load: Load) -> Hashed:
        chunk = load()
        rows, doubts = checked(chunk, self._columns, self._with_ids(chunk.table))
        rows = rows._replace(kept=rows.kept.select(list(self._keep)))
        one, other = self._sums(rows)
        sums = glimpses(rows.ids, self._secrets)
        refused = [doubt.rejected(chunk) for doubt in doubts]
        return Hashed(chunk.file, len(chunk.table), rows, one, other, sums, refused)

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

    def _sums(self, rows: Rows) -> tuple[Words, Words]:
        named = np.flatnonzero(np.isin(rows.kinds, NAMED_CODES))
        parts = hashed(rows.texts[""].take(pa.array(named)), self._secrets)
        kinds = rows.kinds.astype(np.uint64)
        found = [kinds * self._secrets.whole(which, len(self._columns.keys)) for which in (0, 1)]
        for which in (0, 1):
            found[which][named] += parts[which]
        for place, name in enumerate(self._columns.keys):
            sums = hashed(rows.texts[name], self._secrets)
            for which in (0, 1):
                found[which] += sums[which] * self._secrets.whole(which, place)
        return found[0], found[1]

    def _take(self, found: Hashed, gathered: Gathered) -> int:
        rows = found.rows
        numbers, fresh = self._numbering.of(found.one, found.other)
        new = pa.array(fresh)
        texts = {name: text.take(new) for name, text in rows.texts.items()}
        is_named = pa.array(np.isin(rows.kinds[fresh], NAMED_CODES))
        texts[""] = pc.if_else(is_named, texts[""], None)
        gathered.said.append(pa.table(texts))
        gathered.kinds.append(rows.kinds[fresh])
        gathered.times.append(rows.times)
        gathered.shapes.append(numbers)
        gathered.sums.append(found.sums)
        gathered.ids.append(rows.ids)
        gathered.kept.append(rows.kept)
        gathered.places.append(Place(found.file, rows.numbers))
        gathered.rejections += found.rejections
        gathered.received += found.received
        return found.received


def _json(value: Any) -> Any:
    """A cell as JSON has it."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def wanted(columns: Columns, keep: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns to read: all of them where rows are known by their whole content."""
    if "event_id" not in columns.roles:
        return list(names)
    return list(dict.fromkeys((*columns.names, *(name for name in keep if name in names))))
