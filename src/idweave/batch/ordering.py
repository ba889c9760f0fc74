"""The one order of facts (RESOLUTION.md §2), for columns: by time, kind and event id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .said import Events, Flags, Ints, Longs, Said


def in_order(said: Said, events: Longs, parts: Ints | Longs | None = None) -> Longs:
    """These events by the order of the law; with ``parts`` (a number of each), by these first."""
    times = said.events.times[events]
    kinds = np.append(said.shapes.kinds, np.int8(0))[said.events.shapes[events]]
    keys = (kinds, times) if parts is None else (kinds, times, parts)
    by = np.lexsort(keys)
    equal = np.ones(max(len(by) - 1, 0), np.bool_)
    for key in keys:
        equal &= np.diff(key[by]) == 0
    return _by_id(said.events, events[by], equal)


def by_time(events: Events) -> Longs | None:
    """All events by time and event id; None where they are so already."""
    steps = np.diff(events.times)
    if (steps > 0).all():
        return None
    by = np.argsort(events.times, kind="stable")
    return _by_id(events, by, np.diff(events.times[by]) == 0)


def _by_id(events: Events, order: Longs, equal: Flags) -> Longs:
    """The order with event ids deciding where a row is ``equal`` to the one before it. Text is
    compared by code point, which Arrow's bytes of UTF-8 and Python's ``str`` do alike."""
    if not equal.any():
        return order
    tied = np.zeros(len(order), np.bool_)
    tied[1:] |= equal
    tied[:-1] |= equal
    places = np.flatnonzero(tied)
    run = np.cumsum(np.concatenate(([True], ~equal)))[places]
    ids = events.ids.take(pa.array(order[places])).combine_chunks()
    table = pa.table({"run": run, "id": ids})
    by = pc.sort_indices(table, sort_keys=[("run", "ascending"), ("id", "ascending")])
    sorted_ = order.copy()
    sorted_[places] = order[places][by.to_numpy()]
    return sorted_
