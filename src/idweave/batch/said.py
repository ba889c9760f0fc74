"""What files said, as numbers: events refer to distinct shapes, shapes to distinct identities.

A *shape* is what makes facts alike but for time and name: their kind, their identities that count
(strongest first), and for a login or an unbind the ``distinct_id``. Millions of events have few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from idweave.core.evidence import naming
from idweave.core.identity import Identity, Kind
from idweave.core.policy import Policy

from .shape import Shape

Bytes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

NOTHING = -1
"""The shape of what links nothing, and the user of what belongs to nobody."""

PIECE_BYTES_MAX = 2**31 - 2**20
"""Arrow's texts count their bytes in 31 bits."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Distinct identities by number: ``keys[key[n]]`` and ``values[n]``."""

    keys: tuple[str, ...]
    key: Ints
    values: pa.Array

    def __len__(self) -> int:
        return len(self.key)

    def of(self, numbers: Ints | Longs) -> list[Identity]:
        """These identities as the rules see them."""
        names = [self.keys[key] for key in self.key[numbers].tolist()]
        values = self.values.take(pa.array(numbers)).to_pylist()
        return list(map(Identity, names, values))


@dataclass(frozen=True, slots=True)
class Shapes:
    """Distinct shapes by number; the members of shape ``n`` are
    ``members[starts[n]:starts[n + 1]]``, strongest first. ``distinct_ids`` are as sent; the rules
    see them by :func:`idweave.core.evidence.naming`."""

    kinds: Bytes
    starts: Longs
    members: Ints
    distinct_ids: pa.Array

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def sizes(self) -> Longs:
        """How many identities each shape has."""
        return np.diff(self.starts)

    def firsts(self) -> Ints:
        """The strongest identity of each shape, -1 where it has none."""
        found = np.full(len(self), NOTHING, np.int32)
        has_any = self.sizes > 0
        found[has_any] = self.members[self.starts[:-1][has_any]]
        return found

    def of_members(self) -> Ints:
        """The shape of each entry of ``members``."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)

    def some(self, numbers: Ints) -> Shapes:
        """These shapes, in this order."""
        sizes = self.sizes[numbers]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        offsets = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        members = self.members[np.repeat(self.starts[:-1][numbers], sizes) + offsets]
        named = self.distinct_ids.take(pa.array(numbers))
        return Shapes(self.kinds[numbers], starts, members, named)

    def texts(self, identities: Identities, policy: Policy) -> list[Shape]:
        """The shapes as the rules see them."""
        used, place = np.unique(self.members, return_inverse=True)
        known = identities.of(used)
        members = [known[at] for at in place.tolist()]
        starts = self.starts.tolist()
        parts = (tuple(members[a:b]) for a, b in pairwise(starts))
        kinds = map(Kind, self.kinds.tolist())
        named = self.distinct_ids.to_pylist()
        called = (None if text is None else naming(text, policy) for text in named)
        return list(map(Shape, kinds, parts, called))


@dataclass(frozen=True, slots=True)
class Events:
    """Events by number, in the order of the files: time in ms, shape, id, and the columns that
    the tables should carry along."""

    times: Longs
    shapes: Ints
    ids: pa.ChunkedArray
    kept: pa.Table

    def __len__(self) -> int:
        return len(self.times)

    def in_one_piece(self) -> Events:
        """The same with the event ids in one array, from which single ones are taken quickly.
        Past two gigabytes of them they stay in pieces."""
        if self.ids.nbytes > PIECE_BYTES_MAX:
            return self
        return replace(self, ids=pa.chunked_array([self.ids.combine_chunks()], pa.string()))

    def some(self, numbers: Longs) -> Events:
        """These events, in this order."""
        wanted = pa.array(numbers)
        kept = self.kept.take(wanted) if self.kept.num_columns else self.kept
        return Events(self.times[numbers], self.shapes[numbers], self.ids.take(wanted), kept)


@dataclass(frozen=True, slots=True)
class Said:
    """All that was said."""

    identities: Identities
    shapes: Shapes
    events: Events

    def compacted(self) -> Said:
        """The same without shapes that no event has, and without identities that no shape has."""
        counts = np.bincount(
            self.events.shapes[self.events.shapes >= 0], minlength=len(self.shapes)
        )
        if counts.all() and len(np.unique(self.shapes.members)) == len(self.identities):
            return self
        used = np.flatnonzero(counts).astype(np.int32)
        numbers = np.full(len(self.shapes) + 1, NOTHING, np.int32)  # -1 stays: it is the last
        numbers[used] = np.arange(len(used), dtype=np.int32)
        shapes = self.shapes.some(used)
        known, members = np.unique(shapes.members, return_inverse=True)
        identities = Identities(
            self.identities.keys,
            self.identities.key[known],
            self.identities.values.take(pa.array(known)),
        )
        events = replace(self.events, shapes=numbers[self.events.shapes])
        return Said(identities, replace(shapes, members=members.astype(np.int32)), events)
