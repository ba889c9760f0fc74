"""How event ids, identity sets and the entries of a sighting are packed into columns."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from struct import error, pack, unpack_from

from idweave.core.errors import StoreError
from idweave.core.identity import KIND_OF_TYPE, Kind, Order
from idweave.ports import Entry, SetKey

TYPES = (*KIND_OF_TYPE, "item_set", "item_delete")
"""Record types by their stored number: append only, never reorder."""

_NUMBER = {name: number for number, name in enumerate(TYPES)}
ENTRY_BYTES = 8 + 16 + 1 + 4
_PLAIN, _TEXT = b"\x00", b"\x01"
_HEX_ID = re.compile(r"[0-9a-f]{32}\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")

EventColumn = bytes | str
"""An event id as a column: 16 bytes where it is 32 hex digits (as all records have), else text."""


def pack_event(event_id: str) -> EventColumn:
    """An event id as a column."""
    return bytes.fromhex(event_id) if _HEX_ID.match(event_id) else event_id


def unpack_event(column: EventColumn) -> str:
    """The event id of a column."""
    return column.hex() if isinstance(column, bytes) else column


def order_columns(order: Order) -> tuple[int, int, EventColumn]:
    """An order as three columns."""
    return order.time_ms, int(order.kind), pack_event(order.event_id)


def order_of(time_ms: int, kind: int, event: EventColumn) -> Order:
    """The order of three columns."""
    return Order(time_ms, Kind(kind), unpack_event(event))


def pack_entries(entries: Sequence[Entry]) -> bytes:
    """Entries as one blob: columns of times, event ids, types and places, 29 bytes an entry; or
    JSON where an event id is not 32 hex digits."""
    times, events, types, places = zip(*entries, strict=True)
    joined = "".join(events)
    if set(map(len, events)) != {32} or not _HEX.match(joined):
        return _TEXT + json.dumps([list(entry) for entry in entries]).encode()
    count, numbers = len(entries), bytes(map(_NUMBER.__getitem__, types))
    columns = (pack(f"<{count}q", *times), bytes.fromhex(joined), numbers)
    return b"".join((_PLAIN, *columns, pack(f"<{count}I", *places)))


def unpack_entries(blob: bytes) -> tuple[Entry, ...]:
    """The entries of a blob. Raises StoreError for one that the disk did not keep."""
    try:
        return _entries(blob)
    except (ValueError, TypeError, IndexError, error):
        fix = "Run `idweave doctor`, and put back the last sound copy."
        raise StoreError("Events in the store are damaged.", fix=fix) from None


def _entries(blob: bytes) -> tuple[Entry, ...]:
    if blob[:1] == _TEXT:
        return tuple(Entry(*fields) for fields in json.loads(blob[1:]))
    count = len(blob) // ENTRY_BYTES
    joined = blob[1 + 8 * count : 1 + 24 * count].hex()
    events = [joined[at : at + 32] for at in range(0, 32 * count, 32)]
    types = [TYPES[number] for number in blob[1 + 24 * count : 1 + 25 * count]]
    places = unpack_from(f"<{count}I", blob, 1 + 25 * count)
    return tuple(map(Entry, unpack_from(f"<{count}q", blob, 1), events, types, places))


def digest(key: SetKey) -> bytes:
    """What a set is found by: 16 bytes over the exact texts, lengths included."""
    named = () if key.named is None else (("", ""), key.named)
    texts = [text for identity in (*key.identities, *named) for text in identity]
    exact = "".join(f"{len(text)}:{text}" for text in texts)
    return blake2b(exact.encode(), digest_size=16).digest()
