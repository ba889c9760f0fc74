"""The synthetic world as columns: millions of events in seconds, the same at every run.

Of the people 90 % log in and 35 % of those bind a phone, 40 % have a second device, 1.5 % share
one, 0.5 % unbind their phone now and then, 1 in 2000 sends the same phone as many others, and 2 %
of the events come a day late. Every event is of anybody: no two neighbours share a thing, which is
the hardest case. Ten million events carry 21 million ids, 2.6 million distinct ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
ROWS = 1_000_000
KEYS = ("$identity_android_id", "$identity_login_id", "$identity_mobile")

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def hexadecimal(chance: np.random.Generator, count: int, length: int) -> pa.Array:
    """Random hexadecimal texts."""
    drawn = chance.integers(0, 256, (count, length // 2), np.uint8)
    digits = np.empty((count, length), np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _DIGITS[drawn >> 4], _DIGITS[drawn & 15]
    starts = np.arange(0, (count + 1) * length, length, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(starts), pa.py_buffer(digits))


class People:
    """Who there is, and which devices they use."""

    def __init__(self, count: int, chance: np.random.Generator) -> None:
        seconds = chance.choice(count, int(count * 0.4), replace=False)
        owners = np.concatenate((np.arange(count), seconds))
        sharing = np.flatnonzero(chance.random(count) < 0.015)
        shared = chance.integers(0, len(owners), len(sharing))
        self.person = np.concatenate((owners, sharing))
        self.device = np.concatenate((np.arange(len(owners)), shared))
        self.logs_in = chance.random(count) < 0.9
        self.has_phone = self.logs_in & (chance.random(count) < 0.35)
        self.unbinds = chance.random(count) < 0.005
        same = chance.random(count) < 0.0005
        self.devices = hexadecimal(chance, len(owners), 16)
        self.logins = pa.array([f"user-{number:07}" for number in range(count)])
        phones = (f"139{number:08}" for number in range(count))
        self.phones = pa.array(
            ["13800000000" if junk else own for junk, own in zip(same, phones, strict=True)]
        )
        self.seen = np.zeros(len(self.person), np.bool_)


def tables(events: int, seed: int = 1) -> Iterator[pa.Table]:
    """The events, a million at a time."""
    chance = np.random.default_rng(seed)
    people = People(events // 10, chance)
    for start in range(0, events, ROWS):
        yield _table(people, chance, START_MS + start // 10 * 864, min(ROWS, events - start))


def _table(people: People, chance: np.random.Generator, start_ms: int, count: int) -> pa.Table:
    use = chance.integers(0, len(people.person), count)
    person, device = people.person[use], people.device[use]
    late = (chance.random(count) < 0.02) * DAY_MS
    times = start_ms + np.sort(chance.integers(0, ROWS // 10 * 864, count)) - late
    first = np.zeros(count, np.bool_)
    uses, place = np.unique(use, return_index=True)
    first[place[~people.seen[uses]]] = True
    people.seen[uses] = True
    named = people.logs_in[person] & ((chance.random(count) > 0.1) | first)
    phoned = people.has_phone[person] & named & ~first
    unbind = people.has_phone[person] & people.unbinds[person] & ~first
    unbind &= chance.random(count) < 0.1
    kinds = np.where(unbind, 2, (first & people.logs_in[person]).astype(np.int64))
    return _columns(
        people, hexadecimal(chance, count, 32), times, kinds, person, device, named, phoned
    )


def _columns(  # noqa: PLR0917 - one argument a column
    people: People,
    ids: pa.Array,
    times: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    device: npt.NDArray[np.int64],
    named: npt.NDArray[np.bool_],
    phoned: npt.NDArray[np.bool_],
) -> pa.Table:
    unbind = kinds == 2
    logins = people.logins.take(pa.array(person))
    devices = people.devices.take(pa.array(device))
    types = pa.array(["track", "track_signup", "track_id_unbind"])
    values = (
        people.devices.take(pa.array(device, mask=unbind)),
        people.logins.take(pa.array(person, mask=~named | unbind)),
        people.phones.take(pa.array(person, mask=~(phoned | unbind))),
    )
    return pa.table(
        {
            "event_id": ids,
            "time": times,
            "type": types.take(pa.array(kinds)),
            "distinct_id": pc.if_else(pa.array(named | unbind), logins, devices),
            **dict(zip(KEYS, values, strict=True)),
        }
    )


def write(path: Path, events: int) -> None:
    """The events as a Parquet file of row groups of a million."""
    writer = None
    for table in tables(events):
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()
