"""The table ``events``: runs that are each in order of time become one, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from .events import TICK_EVENTS, Events, Run
from .ordering import Facts, in_order
from .outcome import Outcome
from .tables import TIME, called, schema_of

EVENTS_AT_ONCE = 500_000
"""Events of one row group: some 50 MB in memory, and as much for the next, made meanwhile."""


class Slice(NamedTuple):
    """Some events of a run."""

    run: Run
    rows: slice


def events_schema(outcome: Outcome) -> pa.Schema:
    """The columns of ``events``: the promised ones, then those that were carried along."""
    return pa.schema([*schema_of("events"), *outcome.events.schema])


def event_tables(outcome: Outcome, rows_max: int = EVENTS_AT_ONCE) -> Iterator[pa.Table]:
    """All events by time and event id, a row group at a time. The groups depend on nothing but the
    events: cuts through the runs are made anywhere, groups at full numbers."""
    waiting: list[pa.Table] = []
    rows = 0
    for slices in _cut(outcome.events, rows_max):
        waiting.append(_merged(outcome, slices))
        rows += waiting[-1].num_rows
        while rows >= rows_max:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows_max).combine_chunks()
            waiting, rows = [whole.slice(rows_max)], rows - rows_max
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _cut(events: Events, rows: int) -> Iterator[list[Slice]]:
    """What all runs hold from one time to the next, about so many rows. Only events of one
    millisecond are never cut apart."""
    if not events.runs:
        return
    ticks = np.sort(np.concatenate([run.ticks for run in events.runs]))
    times = np.unique(np.append(ticks[:: max(rows // TICK_EVENTS, 1)], ticks[-1]))
    starts = [0] * len(events.runs)
    for until in times.tolist():
        slices = []
        for place, run in enumerate(events.runs):
            start = starts[place]
            end = _end(run, until) if run.ticks[0] <= until and start < len(run) else start
            if end > start:
                slices.append(Slice(run, slice(start, end)))
                starts[place] = end
        if slices:
            yield slices


def _end(run: Run, until: int) -> int:
    """How many of a run's events are not later."""
    if run.ticks[-1] <= until:
        return len(run)
    return int(np.searchsorted(run.columns().times, until, "right"))


def _merged(outcome: Outcome, slices: Iterable[Slice]) -> pa.Table:
    """The rows of some events in order."""
    times, ids, kept, seen, latest = [], [], [], [], []
    schema = events_schema(outcome)
    carried = outcome.events.schema
    for run, rows in slices:
        some = run.columns().some(rows)
        times.append(some.times)
        ids.append(some.ids)
        kept.append(some.kept.cast(carried))
        owners = outcome.owners.of(run, rows)
        seen.append(owners[0])
        latest.append(owners[1])
    table = pa.concat_tables(kept)
    moments, texts = np.concatenate(times), pa.concat_arrays(ids)
    homes, owned = np.concatenate(seen), np.concatenate(latest)
    facts = Facts(moments, np.zeros(len(moments), np.int8), texts.take)
    order = in_order(facts)
    wanted = pa.array(order)
    names = called(outcome.users, homes[order])
    columns = [
        texts.take(wanted),
        pa.array(moments[order]).cast(TIME),
        names,
        names if np.array_equal(homes, owned) else called(outcome.users, owned[order]),
        *(column.take(wanted) for column in table.columns),
    ]
    return pa.table(columns, schema=schema)
