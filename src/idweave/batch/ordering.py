"""The one order of facts (RESOLUTION.md §2), for columns: by time, kind and event id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .hashing import word_of, words_of
from .said import Bytes, Events, Flags, Ints, Longs, Said


def in_order(said: Said, events: Longs, parts: Ints | Longs | None = None) -> Longs:
    """The places of these events by the order of the law; with ``parts`` (a number of each), by
    these first."""
    times = said.events.times[events]
    kinds = np.append(said.shapes.kinds, np.int8(0))[said.events.shapes[events]]
    if parts is None:
        by = np.argsort(times)
        equal = np.diff(times[by]) == 0
    else:
        by = np.lexsort((times, parts))
        equal = (np.diff(times[by]) == 0) & (np.diff(parts[by]) == 0)
    return _decided(said.events.ids, events, kinds, (by, equal))


def by_time(events: Events) -> Longs | None:
    """All events by time and event id; None where they are so already."""
    if (np.diff(events.times) > 0).all():
        return None
    by = np.argsort(events.times)
    kinds = np.zeros(len(by), np.int8)
    equal = np.diff(events.times[by]) == 0
    return _decided(events.ids, np.arange(len(by)), kinds, (by, equal))


def _decided(
    ids: pa.ChunkedArray, events: Longs, kinds: Bytes, so_far: tuple[Longs, Flags]
) -> Longs:
    """The order with kind and event id deciding where a row is equal to the one before it. Text is
    compared by code point, which Arrow's bytes of UTF-8 and Python's ``str`` do alike."""
    order, equal = so_far
    if not equal.any():
        return order
    tied = np.zeros(len(order), np.bool_)
    tied[1:] |= equal
    tied[:-1] |= equal
    places = np.flatnonzero(tied)
    run = np.cumsum(np.concatenate(([True], ~equal)))[places]
    rows = order[places]
    columns = {"run": run, "kind": kinds[rows], "id": ids.take(pa.array(events[rows]))}
    by = pc.sort_indices(pa.table(columns), sort_keys=[(name, "ascending") for name in columns])
    decided = order.copy()
    decided[places] = rows[by.to_numpy()]
    return decided


def by_text(texts: pa.Array) -> Longs:
    """The places of texts by code point: eight bytes at a time as numbers, the next eight only
    where those before are alike. A fifth of the time that comparing texts takes."""
    starts, words = words_of(texts)
    begins, lengths = starts[:-1], np.diff(starts)
    order = np.arange(len(texts))
    tied, run = order.copy(), np.zeros(len(texts), np.int64)
    for nth in range((int(lengths.max(initial=0)) + 7) // 8):
        rows = order[tied]
        word = word_of(begins[rows], lengths[rows], words, nth).byteswap()
        by = np.lexsort((word, run)) if nth else np.argsort(word)
        order[tied], word, run = rows[by], word[by], run[by]
        same = (word[1:] == word[:-1]) & (run[1:] == run[:-1])
        keep = np.append(same, False) | np.append(False, same)
        run = np.cumsum(np.append(True, ~same))[keep]
        tied = tied[keep]
        if not len(tied):
            break
    return order
