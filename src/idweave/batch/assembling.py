"""What was gathered from tables, as numbered identities and shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.evidence import VALUE_LENGTH_MAX
from idweave.core.identity import Kind
from idweave.core.policy import Policy
from idweave.core.rejection import Code, Rejection

from .cleaning import cleaned
from .columns import Gathered
from .rejecting import Rejected, rejected
from .rows import ITEM
from .said import NOTHING, Events, Identities, Ints, Longs, Said, Shapes, Words

ABSENT = np.iinfo(np.int32).max

_WHY = {
    "long": (
        Code.IDENTITY_VALUE_TOO_LONG,
        f"The value is longer than {VALUE_LENGTH_MAX} characters.",
    ),
    "nul": (Code.INVALID_JSON, "Text holds the character NUL."),
}
_FIX = "Mend the value where the table is made, and resolve it again."


class Coded(NamedTuple):
    """One identity column of the shapes: the number of each one's identity (-1: none counts), and
    the shapes that cannot be used, with why."""

    numbers: Ints
    bad: dict[int, str]


def assembled(gathered: Gathered, policy: Policy) -> tuple[Said, Words]:
    """All that was gathered, and the sums of its event ids. Rows whose identities cannot be used
    become rejections."""
    table = pa.concat_tables(gathered.said)
    kinds = np.concatenate(gathered.kinds)
    identities, columns = _coded(table, gathered.columns.keys, policy)
    members, sizes = _members(columns, gathered.columns.keys, (identities, policy))
    members[kinds == ITEM] = NOTHING
    sizes[kinds == ITEM] = 0
    starts = np.concatenate(([0], np.cumsum(sizes)))
    shape_kinds = np.where(kinds == ITEM, np.int8(Kind.OBSERVE), kinds)
    named = table[""].combine_chunks()
    shapes = Shapes(shape_kinds, starts, members[members >= 0], named)
    said = Said(identities, shapes, _events(gathered))
    sums = np.concatenate(gathered.sums)
    bad = {shape: (name, why) for name, one in columns.items() for shape, why in one.bad.items()}
    return _without(gathered, said, sums, bad) if bad else (said, sums)


def _events(gathered: Gathered) -> Events:
    return Events(
        np.concatenate(gathered.times),
        np.concatenate(gathered.shapes),
        pa.chunked_array(gathered.ids, pa.string()),
        pa.concat_tables(gathered.kept),
    )


# -- identities ------------------------------------------------------------------------------------


def _coded(
    table: pa.Table, keys: Mapping[str, str], policy: Policy
) -> tuple[Identities, dict[str, Coded]]:
    """The identities of all columns; columns of one key share theirs."""
    known = list(dict.fromkeys(keys.values()))
    columns: dict[str, Coded] = {}
    values: list[pa.Array] = []
    first = 0

    def act(key: str) -> tuple[pa.Array, dict[str, Coded]]:
        own = [name for name in keys if keys[name] == key]
        return _coded_key(table.select(own), key, policy)

    with ThreadPoolExecutor(len(known)) as threads:
        for found, coded in threads.map(act, known):
            for name, one in coded.items():
                moved = np.where(one.numbers >= 0, one.numbers + np.int32(first), one.numbers)
                columns[name] = Coded(moved, one.bad)
            values.append(found)
            first += len(found)
    places = [np.full(len(found), place, np.int32) for place, found in enumerate(values)]
    return Identities(tuple(known), np.concatenate(places), pa.concat_arrays(values)), columns


def _coded_key(table: pa.Table, key: str, policy: Policy) -> tuple[pa.Array, dict[str, Coded]]:
    """The values of one key, and the columns that hold them."""
    distinct, codes = _distinct([column.combine_chunks() for column in table.columns])
    clean = cleaned(distinct, key, policy)
    merged = clean.values.dictionary_encode()
    number = merged.indices.fill_null(NOTHING).to_numpy().astype(np.int32)
    padded = np.append(number, np.int32(NOTHING))
    coded = {
        name: Coded(padded[code], _bad_shapes(code, clean.bad))
        for name, code in zip(table.column_names, codes, strict=True)
    }
    return merged.dictionary, coded


def _distinct(texts: list[pa.Array]) -> tuple[pa.Array, list[Ints]]:
    """The distinct values of some arrays, and the place of each row's value (-1: null)."""
    coded = pa.concat_arrays(texts).dictionary_encode()
    codes = coded.indices.fill_null(NOTHING).to_numpy()
    return coded.dictionary, np.split(codes, np.cumsum([len(text) for text in texts])[:-1])


def _bad_shapes(code: Ints, bad: Mapping[int, str]) -> dict[int, str]:
    if not bad:
        return {}
    found = np.flatnonzero(np.isin(code, list(bad)))
    return {
        shape: bad[place] for shape, place in zip(found.tolist(), code[found].tolist(), strict=True)
    }


def _members(
    columns: Mapping[str, Coded], keys: Mapping[str, str], by: tuple[Identities, Policy]
) -> tuple[Ints, Longs]:
    """The identities of each shape in the order of the law, -1 between them; and how many."""
    identities, policy = by

    def strength(name: str) -> tuple[int, str]:
        rule = policy.rule(keys[name])
        return (0 if rule is None else rule.rank), keys[name]

    names = sorted(columns, key=strength)
    matrix = np.stack([columns[name].numbers for name in names], axis=1)
    start = 0
    while start < len(names):
        end = start + 1
        while end < len(names) and keys[names[end]] == keys[names[start]]:
            end += 1
        if end - start > 1:
            matrix[:, start:end] = _by_value(matrix[:, start:end], identities)
        start = end
    return matrix, (matrix >= 0).sum(axis=1)


def _by_value(numbers: Ints, identities: Identities) -> Ints:
    """Identities of one key by value in each row, each once."""
    rank = np.full(len(identities) + 1, ABSENT, np.int32)
    order = pc.sort_indices(identities.values).to_numpy()
    rank[order] = np.arange(len(order), dtype=np.int32)
    by = np.argsort(rank[numbers], axis=1, kind="stable")
    found = np.take_along_axis(numbers, by, axis=1)
    found[:, 1:][found[:, 1:] == found[:, :-1]] = NOTHING
    return found


# -- what cannot be used ---------------------------------------------------------------------------


def _without(
    gathered: Gathered, said: Said, sums: Words, bad: Mapping[int, tuple[str, str]]
) -> tuple[Said, Words]:
    flags = np.isin(said.events.shapes, list(bad))
    rows = np.flatnonzero(flags)
    gathered.rejections += _rejections(gathered, said.events, rows, bad)
    good = np.flatnonzero(~flags)
    return replace(said, events=said.events.some(good)).compacted(), sums[good]


def _rejections(
    gathered: Gathered, events: Events, rows: Longs, bad: Mapping[int, tuple[str, str]]
) -> list[Rejected]:
    files = [place.file for place in gathered.places for _ in range(len(place.numbers))]
    numbers = np.concatenate([place.numbers for place in gathered.places])
    ids = events.ids.take(pa.array(rows)).to_pylist()
    found = []
    for row, name in zip(rows.tolist(), ids, strict=True):
        column, word = bad[int(events.shapes[row])]
        code, reason = _WHY[word]
        why = Rejection(code, column, reason, _FIX)
        raw = json.dumps({"event_id": name, "time": int(events.times[row])}, ensure_ascii=False)
        found.append(rejected((files[row], int(numbers[row]), None), why, raw))
    return found
