"""The log, told again: every accepted record of every payload, through today's door."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from idweave.ports import PayloadRow, Reader
from idweave.wire import read_payload

from .door import Door
from .intake import Delivery
from .reading import damaged


def replay_deliveries(reader: Reader, door: Door) -> Iterator[Delivery]:
    """One delivery per payload, holding just the records that were accepted from it."""
    for payload_id, sightings in groupby(reader.log(), key=attrgetter("payload_id")):
        said = reader.payload(payload_id)
        if said is not None:
            places = sorted({entry.nth for seen in sightings for entry in seen.entries})
            yield _delivery(door, tuple(places), said)


def _delivery(door: Door, places: tuple[int, ...], said: PayloadRow) -> Delivery:
    records = read_payload(said.body)
    if places[-1] >= len(records):
        raise damaged(said.payload_id)
    items = tuple(door.again(records[nth], said, vouched=True) for nth in places)
    return Delivery(
        said.body, said.received_at_ms, items, said.project, stated=said.stated, places=places
    )
