"""Events in columns, run behind run: in memory while they are few, else in files.

A *run* is a million events in the order of their times. Numbers of events count through all runs.
What is kept of every event in memory is the number of its shape, four bytes; the other columns are
opened run by run when they are needed, and let go again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from .arrays import Ints, Longs, places_by_size


class Bounds(NamedTuple):
    """How much is held at once. Other bounds never give another answer.

    Parquet is decoded ``chunk_rows`` at a time, 10 MB of ids, whose memory the next chunk uses
    again. ``run_events`` are sorted at once; ``run_bytes`` bounds their texts, as Arrow counts
    bytes of text in 31 bits. Up to ``memory_bytes`` of runs stay in memory, some twenty million
    events, and later ones go to files. ``repeat_events`` are compared at once, ``fact_events`` of
    contested groups are handed out at once.
    """

    chunk_rows: int = 1 << 17
    run_events: int = 1_000_000
    run_bytes: int = 1 << 28
    memory_bytes: int = 1 << 30
    repeat_events: int = 1 << 25
    fact_events: int = 1 << 22


BOUNDS = Bounds()
"""What a machine of a few gigabytes can hold."""

TICK_EVENTS = 1024
"""Each run keeps every so manieth of its times in memory: they tell where to cut all runs."""


class Columns(NamedTuple):
    """Events in columns: time in ms, id, and the columns that the tables should carry along."""

    times: Longs
    ids: pa.Array
    kept: pa.Table

    def some(self, rows: slice) -> Columns:
        """These rows."""
        length = rows.stop - rows.start
        return Columns(
            self.times[rows],
            self.ids.slice(rows.start, length),
            self.kept.slice(rows.start, length),
        )


class Stored(Protocol):
    """Columns that were put away."""

    @property
    def schema(self) -> pa.Schema:
        """The names and types of the kept columns."""
        ...

    def columns(self) -> Columns:
        """All of them; what is in a file is only read where it is looked at."""
        ...

    def drop(self) -> None:
        """Forget them."""
        ...


class Shelf:
    """Where runs are put away: in memory up to a bound, then in files of ``folder`` (None: never),
    which is made when the first comes."""

    def __init__(self, folder: Path | None = None, bounds: Bounds = BOUNDS) -> None:
        self.bounds = bounds
        self._folder = folder
        self.held_bytes = 0
        self.files = 0

    def put(self, columns: Columns) -> Stored:
        """Put columns away. Raises OSError where the disk is full."""
        size = columns.times.nbytes + columns.ids.nbytes + columns.kept.nbytes
        if self._folder is None or self.held_bytes + size <= self.bounds.memory_bytes:
            self.held_bytes += size
            return _InMemory(columns, size, self)
        self._folder.mkdir(exist_ok=True)
        self.files += 1
        return _InFile(columns, self._folder / f"{self.files}.arrow")

    def close(self) -> None:
        """Remove every file."""
        if self.files and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class _InMemory:
    def __init__(self, columns: Columns, size: int, shelf: Shelf) -> None:
        self._columns, self._size, self._shelf = columns, size, shelf
        self.schema = columns.kept.schema

    def columns(self) -> Columns:
        return self._columns

    def drop(self) -> None:
        self._shelf.held_bytes -= self._size


class _InFile:
    """An Arrow file that is mapped while it is looked at: no run stays in memory for it."""

    def __init__(self, columns: Columns, path: Path) -> None:
        self._path = path
        self.schema = columns.kept.schema
        fields = [("time", pa.int64()), ("id", pa.string())]
        schema = pa.schema([*(pa.field(*one) for one in fields), *self.schema])
        arrays = [pa.array(columns.times), columns.ids]
        kept = [column.combine_chunks() for column in columns.kept.columns]
        batch = pa.record_batch([*arrays, *kept], schema=schema)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(batch)

    def columns(self) -> Columns:
        with pa.memory_map(str(self._path)) as file:
            batch = pa.ipc.open_file(file).get_batch(0)
        kept = pa.Table.from_batches([batch]).select(list(range(2, batch.num_columns)))
        return Columns(batch.column(0).to_numpy(), batch.column(1), kept)

    def drop(self) -> None:
        self._path.unlink()


@dataclass(frozen=True, slots=True)
class Run:
    """Some events by time: the number of the first, their shapes, some of their times from the
    first to the last, and where their columns are."""

    first: int
    shapes: Ints
    ticks: Longs
    stored: Stored

    def __len__(self) -> int:
        return len(self.shapes)

    def columns(self) -> Columns:
        """Its columns."""
        return self.stored.columns()


@dataclass(frozen=True, slots=True)
class Events:
    """All events by number; each source's in the order of its files."""

    runs: tuple[Run, ...]
    shelf: Shelf
    names: tuple[str, ...] = ()
    """The kept columns where there is no run that has them."""

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    @property
    def schema(self) -> pa.Schema:
        """The kept columns. Columns of several sources meet as text."""
        schemas = [run.stored.schema for run in self.runs]
        if schemas and all(schemas[0].equals(one) for one in schemas):
            return schemas[0]
        names = schemas[0].names if schemas else self.names
        return pa.schema([(name, pa.string()) for name in names])

    def shapes_of(self, numbers: Longs) -> Ints:
        """The shapes of these events."""
        found = np.empty(len(numbers), np.int32)
        for run, places, rows in self._split(numbers):
            found[places] = run.shapes[rows]
        return found

    def times_of(self, numbers: Longs) -> Longs:
        """The times of these events."""
        found = np.empty(len(numbers), np.int64)
        for run, places, rows in self._split(numbers):
            found[places] = run.columns().times[rows]
        return found

    def ids_of(self, numbers: Longs) -> pa.Array:
        """The ids of these events."""
        parts, places = [pa.array([], pa.string())], [np.empty(0, np.int64)]
        for run, place, rows in self._split(numbers):
            parts.append(run.columns().ids.take(pa.array(rows)))
            places.append(place)
        place = np.concatenate(places)
        found = pa.concat_arrays(parts)
        if (np.diff(place) == 1).all():
            return found
        back = np.empty(len(place), np.int64)
        back[place] = np.arange(len(place))
        return found.take(pa.array(back))

    def _split(self, numbers: Longs) -> Iterator[tuple[Run, Longs, Longs]]:
        """Runs that hold some of these events, where they stand among them, and in the run."""
        order = np.arange(len(numbers))
        if (np.diff(numbers) < 0).any():
            order = np.argsort(numbers)
        ordered = numbers[order]
        ends = np.searchsorted(ordered, [run.first + len(run) for run in self.runs])
        start = 0
        for run, end in zip(self.runs, ends.tolist(), strict=True):
            if end > start:
                yield run, order[start:end], ordered[start:end] - run.first
            start = end

    def without(self, numbers: Longs) -> Events:
        """The same without these; numbers of events become others."""
        runs: list[Run] = []
        gone = {run.first: rows for run, _, rows in self._split(numbers)}
        for run in self.runs:
            if run.first not in gone:
                runs.append(run)
                continue
            rows = np.delete(np.arange(len(run)), gone[run.first])
            columns = run.columns()
            wanted = pa.array(rows)
            kept = columns.kept.take(wanted) if columns.kept.num_columns else columns.kept
            some = Columns(columns.times[rows], columns.ids.take(wanted), kept)
            del columns
            run.stored.drop()
            runs.append(_run(some, run.shapes[rows], self.shelf))
        return Events(_numbered(runs), self.shelf)

    def renumbered(self, number_of: Ints) -> Events:
        """The same with other numbers of shapes; the last of ``number_of`` is for -1."""
        runs = (replace(run, shapes=number_of[run.shapes]) for run in self.runs)
        return replace(self, runs=tuple(runs))

    def moved(self, first: int) -> Events:
        """The same with shapes that count from ``first`` on."""
        here = np.int32(first)
        runs = (
            replace(run, shapes=np.where(run.shapes >= 0, run.shapes + here, run.shapes))
            for run in self.runs
        )
        return replace(self, runs=tuple(runs))


def joined_events(parts: Sequence[Events]) -> Events:
    """Events behind events."""
    return Events(_numbered(run for part in parts for run in part.runs), parts[0].shelf)


def _numbered(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Runs that are not empty, with numbers that go through all of them."""
    found: list[Run] = []
    first = 0
    for run in runs:
        if len(run):
            found.append(replace(run, first=first))
            first += len(run)
    return tuple(found)


def _run(columns: Columns, shapes: Ints, shelf: Shelf) -> Run:
    times = columns.times
    ticks = np.append(times[::TICK_EVENTS], times[-1:])
    return Run(0, shapes, ticks, shelf.put(columns))


class Pile:
    """Events of one source on their way into runs."""

    def __init__(self, shelf: Shelf, names: tuple[str, ...] = ()) -> None:
        self._shelf, self._names = shelf, names
        self._parts: list[tuple[Columns, Ints]] = []
        self._runs: list[Run] = []
        self._rows = self._bytes = 0

    def add(self, columns: Columns, shapes: Ints) -> None:
        """Some more events."""
        if self._parts and not columns.kept.schema.equals(self._parts[0][0].kept.schema):
            self._seal()
        self._parts.append((columns, shapes))
        self._rows += len(shapes)
        self._bytes += columns.ids.nbytes + columns.kept.nbytes
        bounds = self._shelf.bounds
        if self._rows >= bounds.run_events or self._bytes >= bounds.run_bytes:
            self._seal()

    def events(self) -> Events:
        """All that were added."""
        self._seal()
        return Events(_numbered(self._runs), self._shelf, self._names)

    def _seal(self) -> None:
        if not self._rows:
            return
        times = np.concatenate([part.times for part, _ in self._parts])
        ids = pa.concat_arrays([part.ids for part, _ in self._parts])
        kept = pa.concat_tables([part.kept for part, _ in self._parts]).combine_chunks()
        shapes = np.concatenate([shapes for _, shapes in self._parts])
        self._parts, self._rows, self._bytes = [], 0, 0
        order = places_by_size(times)
        if order is not None:
            wanted = pa.array(order)
            kept = kept.take(wanted) if kept.num_columns else kept
            times, ids, shapes = times[order], ids.take(wanted), shapes[order]
        self._runs.append(_run(Columns(times, ids, kept), shapes, self._shelf))
