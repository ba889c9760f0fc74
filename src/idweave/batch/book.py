"""Facts that Python reads one by one, written down as numbers; and parts of several readers put
together as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from idweave.core.identity import Fact
from idweave.core.policy import Policy

from .arrays import NOTHING, Ints
from .events import Columns, Pile, Shelf, joined_events
from .said import Identities, Said, Shapes
from .shape import NAMED_KINDS

ShapeKey = tuple[int, tuple[tuple[str, str], ...], str | None]
"""A shape in plain values, as processes hand it on."""


def shape_of(fact: Fact, policy: Policy) -> ShapeKey | None:
    """The shape of a fact; None where nothing of it counts."""
    identities = policy.effective(fact.identities)
    if not identities:
        return None
    return int(fact.kind), identities, fact.distinct_id if fact.kind in NAMED_KINDS else None


class Block(NamedTuple):
    """What one process read of one block: its events refer to its own shapes."""

    event_ids: list[str]
    times: list[int]
    shapes: list[int]
    new_shapes: list[ShapeKey]
    kept: list[list[str | None]]


class Book:
    """Blocks written one behind the other; shapes and identities get their numbers here."""

    def __init__(self, kept: Sequence[str] = (), shelf: Shelf | None = None) -> None:
        self._kept = tuple(kept)
        self._shapes: dict[ShapeKey, int] = {}
        self._identities: dict[tuple[str, str], int] = {}
        self._members: list[list[int]] = []
        self._pile = Pile(Shelf() if shelf is None else shelf, self._kept)
        self.is_empty = True

    def add(self, block: Block) -> None:
        """Write down a block."""
        self.is_empty = False
        numbers = np.array([*map(self._shape, block.new_shapes), NOTHING], np.int32)
        shapes = numbers[np.array(block.shapes, np.int32)]  # NOTHING is -1: the last of numbers
        text = pa.string()
        kept = {
            name: pa.array(column, text)
            for name, column in zip(self._kept, block.kept, strict=True)
        }
        ids = pa.array(block.event_ids, text)
        self._pile.add(Columns(np.array(block.times, np.int64), ids, pa.table(kept)), shapes)

    def add_facts(self, facts: Iterable[Fact], policy: Policy) -> None:
        """Write down facts without records."""
        told = list(facts)
        shapes: dict[ShapeKey, int] = {}
        numbers = []
        for fact in told:
            key = shape_of(fact, policy)
            numbers.append(NOTHING if key is None else shapes.setdefault(key, len(shapes)))
        ids, times = [fact.event_id for fact in told], [fact.time_ms for fact in told]
        self.add(Block(ids, times, numbers, list(shapes), [[None] * len(told)] * len(self._kept)))

    def _shape(self, key: ShapeKey) -> int:
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = len(self._shapes)
            known = self._identities
            self._members.append([known.setdefault(one, len(known)) for one in key[1]])
        return found

    def said(self) -> Said:
        """All blocks as one."""
        return Said(self._numbered(), self._shape_table(), self._pile.events())

    def _numbered(self) -> Identities:
        keys: dict[str, int] = {}
        key = [keys.setdefault(name, len(keys)) for name, _ in self._identities]
        values = pa.array([value for _, value in self._identities], pa.string())
        return Identities(tuple(keys), np.array(key, np.int32), values)

    def _shape_table(self) -> Shapes:
        starts = np.array([0, *accumulate(map(len, self._members))], np.int64)
        members = np.fromiter(chain.from_iterable(self._members), np.int32, int(starts[-1]))
        kinds = np.array([kind for kind, _, _ in self._shapes], np.int8)
        named = pa.array([named for _, _, named in self._shapes], pa.string())
        return Shapes(kinds, starts, members, named)


def joined(parts: Sequence[Said]) -> Said:
    """What several readers read, as one: equal identities get one number."""
    if len(parts) == 1:
        return parts[0]
    identities, numbers = _joined_identities([part.identities for part in parts])
    shapes = [part.shapes for part in parts]
    sizes = np.concatenate([one.sizes for one in shapes])
    firsts = np.cumsum([0, *map(len, shapes)])
    table = Shapes(
        np.concatenate([one.kinds for one in shapes]),
        np.concatenate(([0], np.cumsum(sizes))),
        np.concatenate([number[one.members] for number, one in zip(numbers, shapes, strict=True)]),
        pa.concat_arrays([one.distinct_ids for one in shapes]),
    )
    events = (part.events.moved(first) for part, first in zip(parts, firsts.tolist(), strict=False))
    return Said(identities, table, joined_events(list(events)))


def _joined_identities(parts: Sequence[Identities]) -> tuple[Identities, list[Ints]]:
    keys: dict[str, int] = {}
    places = [
        np.array([keys.setdefault(k, len(keys)) for k in one.keys], np.int32) for one in parts
    ]
    key = np.concatenate([place[one.key] for place, one in zip(places, parts, strict=True)])
    values = pa.concat_arrays([one.values for one in parts]).dictionary_encode()
    pairs = key.astype(np.int64) * len(values) + values.indices.to_numpy()
    _, first, number = np.unique(pairs, return_index=True, return_inverse=True)
    cuts = np.cumsum([len(one) for one in parts])[:-1]
    numbers = np.split(number.astype(np.int32), cuts)
    taken = values.dictionary.take(values.indices.take(pa.array(first)))
    return Identities(tuple(keys), key[first], taken), numbers
