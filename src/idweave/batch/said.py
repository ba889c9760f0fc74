"""What files said, as numbers: events refer to distinct shapes, shapes to distinct identities.

A *shape* is what makes facts alike but for time and name: their kind, their identities that count
(strongest first), and for a login or an unbind the ``distinct_id``. Millions of events have few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from idweave.core.evidence import naming
from idweave.core.identity import Identity, Kind
from idweave.core.policy import Policy

from .arrays import NOTHING, Bytes, Flags, Ints, Longs
from .events import Events
from .shape import Shape


@dataclass(frozen=True, slots=True)
class Identities:
    """Distinct identities by number: ``keys[key[n]]`` and ``values[n]``."""

    keys: tuple[str, ...]
    key: Ints
    values: pa.Array

    def __len__(self) -> int:
        return len(self.key)

    def some(self, chosen: Flags) -> Identities:
        """The chosen ones, in this order."""
        return Identities(self.keys, self.key[chosen], self.values.filter(pa.array(chosen)))

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
        begins = self.starts[numbers]
        sizes = self.starts[numbers + 1] - begins
        starts = np.concatenate(([0], np.cumsum(sizes)))
        offsets = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        members = self.members[np.repeat(begins, sizes) + offsets]
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
class Said:
    """All that was said."""

    identities: Identities
    shapes: Shapes
    events: Events

    def compacted(self) -> Said:
        """The same without shapes that no event has, and without identities that no shape has."""
        used = np.zeros(len(self.shapes) + 1, np.bool_)  # one more for what links nothing
        for run in self.events.runs:
            used[run.shapes] = True
        shapes, events = self.shapes, self.events
        if not used[:-1].all():
            chosen = np.flatnonzero(used[:-1]).astype(np.int32)
            shapes, events = shapes.some(chosen), events.renumbered(_renumbering(used[:-1]))
        known = np.zeros(len(self.identities), np.bool_)
        known[shapes.members] = True
        if known.all():
            return Said(self.identities, shapes, events)
        members = _renumbering(known)[shapes.members]
        return Said(self.identities.some(known), replace(shapes, members=members), events)


def _renumbering(used: Flags) -> Ints:
    """New numbers for what is used, in its order; -1 for the rest, and at the end for -1."""
    found = np.full(len(used) + 1, NOTHING, np.int32)
    found[:-1][used] = np.arange(int(used.sum()), dtype=np.int32)
    return found
