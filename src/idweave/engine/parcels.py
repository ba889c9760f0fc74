"""Deliveries sorted out by project and identity set, in plain columns: what processes that read
hand to the one that writes (:mod:`.loading`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idweave.core.identity import Identity, Kind
from idweave.core.record import Project, Record, Rejection
from idweave.ports import SetKey

from .intake import NOTHING, Delivery, places_of
from .sets import set_key


class Told(NamedTuple):
    """The events of a parcel that carried one set, each once, in columns. ``event_ids`` are 32 hex
    digits, as all records have; ``untimed`` are those whose time is not their own."""

    project: str
    key: SetKey
    times: list[int]
    event_ids: list[str]
    types: list[str]
    places: list[int]
    untimed: list[str]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery sorted out. ``rejected`` are project, reason and place; ``duplicates`` counts the
    repeats within it by project; ``mismatched`` names who sent a wrong check number."""

    payload: bytes
    project: str
    received_at_ms: int
    told: Sequence[Told]
    rejected: Sequence[tuple[str, Rejection, int]]
    duplicates: Mapping[str, int]
    mismatched: str | None

    @property
    def received(self) -> int:
        """How many records it held."""
        told = sum(len(one.times) for one in self.told)
        return told + len(self.rejected) + sum(self.duplicates.values())


def parcel_of(delivery: Delivery, projects: Mapping[str, Project]) -> Parcel:
    """Sort out a delivery of records. Pure; any process."""
    sorting = _Sorting(projects)
    rejected = []
    for place, (project, item) in zip(places_of(delivery), delivery.items, strict=True):
        if isinstance(item, Rejection):
            rejected.append((project, item, place))
        else:
            sorting.add(project, item, place)
    first = delivery.items[0][0] if delivery.items else None
    return Parcel(
        delivery.payload,
        delivery.project,
        delivery.received_at_ms,
        list(sorting.told.values()),
        rejected,
        sorting.duplicates,
        first if delivery.crc_mismatch else None,
    )


class _Sorting:
    def __init__(self, projects: Mapping[str, Project]) -> None:
        self.told: dict[tuple[str, SetKey], Told] = {}
        self.duplicates: Counter[str] = Counter()
        self._projects = projects
        self._seen: set[tuple[str, str]] = set()
        self._plain: dict[tuple[str, tuple[Identity, ...]], Told] = {}

    def add(self, project: str, record: Record, place: int) -> None:
        """Put a record to those of its set."""
        name = (project, record.event_id)
        if name in self._seen:
            self.duplicates[project] += 1
            return
        self._seen.add(name)
        told = self._told(project, record)
        told.times.append(record.time_ms)
        told.event_ids.append(record.event_id)
        told.types.append(record.type)
        told.places.append(place)
        if not record.timed:
            told.untimed.append(record.event_id)

    def _told(self, project: str, record: Record) -> Told:
        fact = record.fact
        if fact is None:
            return self._of(project, NOTHING)
        policy = self._projects[project].policy
        if fact.kind < Kind.BIND:  # what a login or an unbind names is part of its set
            return self._of(project, set_key(fact, policy))
        carried = (project, fact.identities)
        told = self._plain.get(carried)
        if told is None:
            key = SetKey(policy.effective(fact.identities))
            told = self._plain[carried] = self._of(project, key)
        return told

    def _of(self, project: str, key: SetKey) -> Told:
        told = self.told.get((project, key))
        if told is None:
            told = self.told[project, key] = Told(project, key, [], [], [], [], [])
        return told
