"""Slabs of lines become parcels, in whatever process there is: for the import of a fresh store."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from idweave.core.record import Project
from idweave.engine.door import Door
from idweave.engine.parcels import Parcel, parcel_of
from idweave.wire import Decoded

from .files.blocks import GZIP_LEVEL, blocks_of, decoded_of
from .files.lines import Line
from .files.slabs import Slab

try:
    from idweave.fastjson import sound_records
except ImportError:  # without msgspec everything goes the slow road

    def sound_records(content: bytes) -> list[dict[str, Any]] | None:
        """None: that the records are sound is not known yet."""
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """Under which rules slabs are read, and for which project where records name none."""

    projects: Mapping[str, Project]
    project: str


class Work(NamedTuple):
    """One slab, and when it came."""

    asked: Asked
    slab: Slab
    received_at_ms: int


class Found(NamedTuple):
    """What a slab held: lines that are not blank, requests without data, and the rest."""

    lines: int
    empty_requests: int
    parcels: list[Parcel]


def read_slab(work: Work) -> Found:
    """Read a slab. Pure, but for the speed that msgspec gives; never raises for what it holds."""
    asked, parcels = work.asked, list[Parcel]()
    door, lines, empty = Door(asked.projects), 0, 0
    for block in blocks_of(work.slab.lines()):
        lines += len(block)
        for decoded in _decoded(block, asked.project):
            if decoded.empty:
                empty += 1
            else:
                delivery = door.parse(decoded, work.received_at_ms, live=False)
                parcels.append(parcel_of(delivery, asked.projects))
    return Found(lines, empty, parcels)


def _decoded(block: Sequence[Line], project: str) -> Iterator[Decoded]:
    """What a block of lines holds, as ``decoded_of`` says; sooner where all are sound records."""
    if all(line.is_whole and line.text.startswith(b"{") for line in block):
        payload = b"[" + b",".join(line.text for line in block) + b"]"
        records = sound_records(payload)
        if records is not None and len(records) == len(block):
            packed = gzip.compress(payload, GZIP_LEVEL, mtime=0)
            yield Decoded(tuple(records), packed, project=project)
            return
    yield from decoded_of(block, project)
