"""How event ids, identity sets and the entries of a sighting are packed into columns."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from hashlib import blake2b

from idweave.core.identity import KIND_OF_TYPE, Fact, Kind, Order
from idweave.ports import Entry, SetKey

TYPES = (*KIND_OF_TYPE, "item_set", "item_delete")
"""Record types by their stored number: append only, never reorder."""

_NUMBER = {name: number for number, name in enumerate(TYPES)}
_ENTRY = struct.Struct("<q16sBI")
_PLAIN, _TEXT = b"\x00", b"\x01"
_HEX_ID = re.compile(r"[0-9a-f]{32}\Z")

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
    """Entries as one blob: 29 bytes each, or JSON where an event id is not 32 hex digits."""
    if all(_HEX_ID.match(entry.event_id) for entry in entries):
        pack, fromhex = _ENTRY.pack, bytes.fromhex
        return _PLAIN + b"".join(
            pack(time_ms, fromhex(event_id), _NUMBER[type_], index)
            for time_ms, event_id, type_, index in entries
        )
    return _TEXT + json.dumps([list(entry) for entry in entries]).encode()


def unpack_entries(blob: bytes) -> tuple[Entry, ...]:
    """The entries of a blob."""
    if blob[:1] == _TEXT:
        return tuple(Entry(*fields) for fields in json.loads(blob[1:]))
    return tuple(
        Entry(time_ms, event.hex(), TYPES[number], index)
        for time_ms, event, number, index in _ENTRY.iter_unpack(memoryview(blob)[1:])
    )


def digest(key: SetKey) -> bytes:
    """What a set is found by: 16 bytes over the exact texts, lengths included."""
    named = () if key.named is None else (("", ""), key.named)
    texts = [text for identity in (*key.identities, *named) for text in identity]
    exact = "".join(f"{len(text)}:{text}" for text in texts)
    return blake2b(exact.encode(), digest_size=16).digest()


def fact_of(entry: Entry, key: SetKey) -> Fact | None:
    """The fact of an entry, from its set; None for an item."""
    kind = KIND_OF_TYPE.get(entry.type)
    if kind is None:
        return None
    distinct_id = None if key.named is None else f"{key.named.key}+{key.named.value}"
    return Fact(entry.time_ms, entry.event_id, kind, key.identities, distinct_id)
