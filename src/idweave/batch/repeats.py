"""Events that were said more than once: each id counts once (law L5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from .hashing import Secrets, glimpses, hashed
from .ordering import in_order
from .said import Longs, Said, Words

GLIMPSED_SHARE_MAX = 0.05
"""Where more events than this may be repeats by a glimpse at their ids, whole ids are hashed."""


def without_repeats(said: Said, secrets: Secrets, sums: Words | None = None) -> tuple[Said, int]:
    """The same with each event id once, and how many were left out. Of events that share an id the
    first in the order of the law stays. ``sums``: those of the event ids, where known already."""
    ids = said.events.ids
    if sums is None:
        found = [glimpses(chunk, secrets) for chunk in ids.chunks]
        sums = np.concatenate((np.empty(0, np.uint64), *found))
    likely = _shared(sums)
    if len(likely) > len(sums) * GLIMPSED_SHARE_MAX:  # ids that begin and end alike
        whole = [hashed(chunk, secrets, 1)[0] for chunk in ids.chunks]
        likely = _shared(np.concatenate(whole))
    if not len(likely):
        return said, 0
    ordered = likely[in_order(said, likely)]
    texts = ids.take(pa.array(ordered)).combine_chunks().dictionary_encode()
    numbers = texts.indices.to_numpy()
    _, first = np.unique(numbers, return_index=True)
    repeats = np.delete(ordered, first)
    if not len(repeats):
        return said, 0
    keep = np.ones(len(sums), np.bool_)
    keep[repeats] = False
    return replace(said, events=said.events.some(np.flatnonzero(keep))), len(repeats)


def _shared(sums: Words) -> Longs:
    """The rows whose sum another row has, too. Sorting the sums alone is a tenth of the cost of
    sorting their places, and mostly says that there are none."""
    ordered = np.sort(sums)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.empty(0, np.int64)
    place = np.searchsorted(twice, sums)
    return np.flatnonzero(twice[np.minimum(place, len(twice) - 1)] == sums)
