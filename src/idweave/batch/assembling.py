"""What was gathered from tables, as numbered identities and shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.evidence import VALUE_LENGTH_MAX, naming
from idweave.core.identity import LOGIN_KEY, Kind
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
    named = _named(table, policy)
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
    values: list[pa.Array] = []
    numbered: list[Ints] = []
    columns: dict[str, Coded] = {}
    known = list(dict.fromkeys(keys.values()))
    first = 0
    for place, key in enumerate(known):
        own = [name for name in keys if keys[name] == key]
        texts = [table[name].combine_chunks() for name in own]
        distinct, codes = _distinct(texts)
        clean = cleaned(distinct, key, policy)
        merged = clean.values.dictionary_encode()
        number = merged.indices.fill_null(NOTHING).to_numpy().astype(np.int32)
        number = np.where(number >= 0, number + np.int32(first), np.int32(NOTHING))
        padded = np.append(number, np.int32(NOTHING))
        for name, code in zip(own, codes, strict=True):
            bad = _bad_shapes(code, clean.bad)
            columns[name] = Coded(padded[code], bad)
        values.append(merged.dictionary)
        numbered.append(np.full(len(merged.dictionary), place, np.int32))
        first += len(merged.dictionary)
    return Identities(tuple(known), np.concatenate(numbered), pa.concat_arrays(values)), columns


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


def _named(table: pa.Table, policy: Policy) -> pa.Array:
    """The ``distinct_id`` of each shape as facts carry it. Where it is plainly the login id of the
    row and that is plain, nothing has to be asked."""
    texts = table[""].combine_chunks()
    present = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
    if not len(present):
        return texts
    some = texts.take(pa.array(present)).dictionary_encode()
    rule = policy.rule(LOGIN_KEY)
    odd = np.ones(len(some.dictionary), np.bool_)
    if rule is not None and rule.normalise.value == "none":
        plain = pc.match_substring_regex(some.dictionary, "^[0-9A-Za-z_-]{1,200}$")
        odd = ~plain.to_numpy(zero_copy_only=False)
    places = np.flatnonzero(odd)
    changed = [naming(text, policy) for text in some.dictionary.take(pa.array(places)).to_pylist()]
    renamed = pc.replace_with_mask(some.dictionary, pa.array(odd), pa.array(changed, pa.string()))
    mask = np.zeros(len(texts), np.bool_)
    mask[present] = True
    return pc.replace_with_mask(texts, pa.array(mask), renamed.take(some.indices))


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
