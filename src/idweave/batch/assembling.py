"""What was gathered from tables, as numbered identities and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.identity import Kind
from idweave.core.policy import Policy

from .arrays import NOTHING, Ints
from .cleaning import cleaned
from .columns import Gathered
from .rows import ITEM
from .said import Identities, Said, Shapes

ABSENT = np.iinfo(np.int32).max


def assembled(gathered: Gathered, policy: Policy) -> Said:
    """All that was gathered."""
    gathered.close()
    kinds = np.concatenate(gathered.kinds)
    identities, number_of = _identities(gathered, policy)
    columns: dict[str, Ints] = {}
    for name, key in gathered.columns.keys.items():
        columns[name] = number_of[key][np.concatenate(gathered.numbers.pop(name))]
    matrix = _members(columns, gathered.columns.keys, (identities, policy))
    columns.clear()
    matrix[kinds == ITEM] = NOTHING
    kinds[kinds == ITEM] = Kind.OBSERVE
    counts = matrix >= 0
    starts = np.concatenate(([0], np.cumsum(counts.sum(axis=1))))
    shapes = Shapes(kinds, starts, matrix[counts], pa.concat_arrays(gathered.named))
    return Said(identities, shapes, gathered.pile.events())


def _identities(gathered: Gathered, policy: Policy) -> tuple[Identities, dict[str, Ints]]:
    """The identities of all keys, and by key those that its numbered values are (-1: none that
    counts)."""
    keys = tuple(gathered.values)

    def act(key: str) -> tuple[pa.Array, Ints]:
        values = pa.concat_arrays(gathered.values[key].parts)
        return _distinct(values, cleaned(values, key, policy))

    with ThreadPoolExecutor(len(keys)) as threads:
        found = list(threads.map(act, keys))
    number_of: dict[str, Ints] = {}
    first = 0
    for key, (values, numbers) in zip(keys, found, strict=True):
        number_of[key] = np.where(numbers >= 0, numbers + np.int32(first), numbers)
        first += len(values)
    places = [np.full(len(values), place, np.int32) for place, (values, _) in enumerate(found)]
    values = pa.concat_arrays([values for values, _ in found])
    return Identities(keys, np.concatenate(places), values), number_of


def _distinct(values: pa.Array, clean: pa.Array) -> tuple[pa.Array, Ints]:
    """The distinct values that are left of distinct ones, and which of them each is (-1: null).
    Values that are as they were are distinct still."""
    if pc.any(pc.not_equal(clean, values)).as_py():
        coded = clean.dictionary_encode()
        return coded.dictionary, coded.indices.fill_null(NOTHING).to_numpy()
    counts = clean.is_valid().to_numpy(zero_copy_only=False)
    numbers = np.full(len(values), NOTHING, np.int32)
    numbers[counts] = np.arange(int(counts.sum()), dtype=np.int32)
    return clean.drop_null(), numbers


def _members(
    columns: Mapping[str, Ints], keys: Mapping[str, str], by: tuple[Identities, Policy]
) -> Ints:
    """The identities of each shape in the order of the law, -1 between them."""
    identities, policy = by

    def strength(name: str) -> tuple[int, str]:
        rule = policy.rule(keys[name])
        return (0 if rule is None else rule.rank), keys[name]

    names = sorted(columns, key=strength)
    matrix = np.stack([columns[name] for name in names], axis=1)
    start = 0
    while start < len(names):
        end = start + 1
        while end < len(names) and keys[names[end]] == keys[names[start]]:
            end += 1
        if end - start > 1:
            matrix[:, start:end] = _by_value(matrix[:, start:end], identities)
        start = end
    return matrix


def _by_value(numbers: Ints, identities: Identities) -> Ints:
    """Identities of one key by value in each row, each once."""
    rank = np.full(len(identities) + 1, ABSENT, np.int32)
    order = pc.sort_indices(identities.values).to_numpy()
    rank[order] = np.arange(len(order), dtype=np.int32)
    by = np.argsort(rank[numbers], axis=1, kind="stable")
    found = np.take_along_axis(numbers, by, axis=1)
    found[:, 1:][found[:, 1:] == found[:, :-1]] = NOTHING
    return found
