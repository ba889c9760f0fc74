"""Events that were said more than once: each id counts once (law L5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from .arrays import Longs, Words
from .hashing import Secrets, glimpses, hashed
from .ordering import Facts, in_order
from .said import Said

GLIMPSED_SHARE_MAX = 0.05
"""Where more events than this may be repeats by a glimpse at their ids, whole ids are hashed."""

Sums = Callable[[pa.Array], Words]


def without_repeats(said: Said, secrets: Secrets) -> tuple[Said, int]:
    """The same with each event id once, and how many were left out. Of events that share an id the
    first in the order of the law stays."""

    def glimpsed(ids: pa.Array) -> Words:
        return glimpses(ids, secrets)

    def whole(ids: pa.Array) -> Words:
        return hashed(ids, secrets, 1)[0]

    events = said.events
    parts = len(events) // events.shelf.bounds.repeat_events + 1
    found: list[Longs] = []
    for part in range(parts):
        likely = _shared(said, glimpsed, (part, parts))
        if len(likely) * parts > len(events) * GLIMPSED_SHARE_MAX:  # ids that begin and end alike
            likely = _shared(said, whole, (part, parts))
        found.append(_repeats(said, likely))
    repeats = np.unique(np.concatenate(found))
    if not len(repeats):
        return said, 0
    return replace(said, events=events.without(repeats)), len(repeats)


def _shared(said: Said, sums_of: Sums, part: tuple[int, int]) -> Longs:
    """The events whose sum another event has, too; of all sums only this part of so many. Sorting
    the sums alone is a tenth of the cost of sorting their places, and mostly says that there are
    none."""
    pieces = [np.empty(0, np.uint64)]
    for run in said.events.runs:
        sums = sums_of(run.columns().ids)
        pieces.append(sums[_own(sums, part)] if part[1] > 1 else sums)
    ordered = np.concatenate(pieces)
    del pieces
    ordered.sort()
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.empty(0, np.int64)
    found = [np.empty(0, np.int64)]
    for run in said.events.runs:
        sums = sums_of(run.columns().ids)
        place = np.minimum(np.searchsorted(twice, sums), len(twice) - 1)
        found.append(run.first + np.flatnonzero(twice[place] == sums))
    return np.concatenate(found)


def _own(sums: Words, part: tuple[int, int]) -> Longs:
    """The sums of this part."""
    which, parts = part
    return np.flatnonzero((sums >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32) == which)


def _repeats(said: Said, likely: Longs) -> Longs:
    """Of events that may share ids those that do and are not the first of theirs."""
    if not len(likely):
        return likely
    events, ids = said.events, said.events.ids_of(likely)
    kinds = np.append(said.shapes.kinds, np.int8(0))[events.shapes_of(likely)]
    facts = Facts(events.times_of(likely), kinds, lambda rows: ids.take(pa.array(rows)))
    ordered = in_order(facts)
    texts = ids.take(pa.array(ordered)).dictionary_encode()
    _, first = np.unique(texts.indices.to_numpy(), return_index=True)
    return np.delete(likely[ordered], first)
