"""A fresh store filled at once: years of history are taken in first, and resolved once at the end.

The store comes to what it would by one :meth:`Engine.accept` of everything. Nobody may read or
write it meanwhile, and it is of no use before :meth:`Loading.finish`: whoever opens it sees to
that (``stores.filling``). In memory are the identities and sets, some 1 KB for each set, and 25
bytes for each event (125 where a set's events come out of order).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from struct import Struct

from idweave.core.identity import KIND_OF_TYPE, Fact, Kind, Order
from idweave.core.record import Project
from idweave.ports import Changes, Entry, PayloadRow, SetKey, Sighting, Store, fact_of

from .answers import Receipt
from .grouping import Grouping
from .intake import Intake, Refused, count, reject
from .known import Group, KnownSet
from .parcels import Parcel, Told
from .stating import FACT_TYPES

FACTS_AT_ONCE = 100_000
"""Facts of contested groups that are resolved in one transaction, about 1 KB each while they are;
a larger group is one by itself."""

ROWS_AT_ONCE = 100_000
"""Identities that are written in one transaction, about 1 KB each while they are."""

_ENTRY = Struct("<q16sB")
"""An event in memory: time, id, kind of its fact."""

Show = Callable[[int, int], None]
"""Hears how many of how many groups are resolved."""


class _Said:
    """All that was said of one set."""

    __slots__ = ("entries", "ids", "key", "known")

    def __init__(self, key: SetKey, known: KnownSet) -> None:
        self.key = key
        self.known = known
        self.entries = bytearray()
        self.ids: set[bytes] | None = None  # made when an event comes that may be a repeat

    @property
    def group(self) -> Group | None:
        """The group that the set is in now."""
        return None if self.known.group is None else self.known.group.root()

    def repeats(self, told: Told) -> set[str]:
        """Those of these events that are in already: only one that is not later than all can be."""
        if min(told.times) > self.known.newest_ms:
            return set()
        if self.ids is None:
            self.ids = {event for _, event, _ in _ENTRY.iter_unpack(self.entries)}
        ids = self.ids
        return {event for event in told.event_ids if bytes.fromhex(event) in ids}

    def add(self, told: Told) -> None:
        """Remember these events."""
        pack, kinds = _ENTRY.pack, KIND_OF_TYPE
        events = list(map(bytes.fromhex, told.event_ids))
        for time_ms, event, type_ in zip(told.times, events, told.types, strict=True):
            self.entries += pack(time_ms, event, kinds.get(type_, _NO_KIND))
        if self.ids is not None:
            self.ids.update(events)
        self.known.newest_ms = max(self.known.newest_ms, *told.times)

    def facts(self) -> Iterator[Fact]:
        """All of them as facts."""
        for entry in _ENTRY.iter_unpack(self.entries):
            yield self._fact(*entry)

    def earliest(self) -> Fact:
        """The one that is first in the order of the law."""
        time_ms = min(time_ms for time_ms, _, _ in _ENTRY.iter_unpack(self.entries))
        likely = (one for one in _ENTRY.iter_unpack(self.entries) if one[0] == time_ms)
        return self._fact(*min(likely, key=_order))

    def _fact(self, time_ms: int, event: bytes, kind: int) -> Fact:
        fact = fact_of(Entry(time_ms, event.hex(), FACT_TYPES[Kind(kind)], 0), self.key)
        assert fact is not None, "items are in no group"
        return fact


_NO_KIND = 255


def _order(entry: tuple[int, bytes, int]) -> Order:
    return Order(entry[0], Kind(entry[2]), entry[1].hex())


class Loading:
    """Fills a store that holds nothing. Not thread-safe."""

    def __init__(self, store: Store, projects: Mapping[str, Project]) -> None:
        self._store = store
        self._intake = Intake(store, projects)
        self._said: dict[str, dict[SetKey, _Said]] = {}
        self._untimed: dict[str, set[str]] = {}
        self._latest_ms = 0

    # -- taking in ------------------------------------------------------------------------------

    def take(self, parcels: Iterable[Parcel]) -> Receipt:
        """Write down what parcels say, and say what became of all of them together."""
        changes = Changes()
        rejected = duplicates = received = 0
        for parcel in parcels:
            received += parcel.received
            self._latest_ms = max(self._latest_ms, parcel.received_at_ms)
            rejected += len(parcel.rejected)
            duplicates += self._take(parcel, changes)
        changes.joined_groups.clear()  # groups are written at the end, as they are then
        self._store.commit(changes)
        self._intake.committed(changes)
        return Receipt(received, received - rejected - duplicates, rejected, duplicates)

    def _take(self, parcel: Parcel, changes: Changes) -> int:
        """Returns how many of its records are repeats."""
        payload_id = 0
        if parcel.mismatched is not None:
            count(changes, parcel.mismatched, "crc_mismatches", 1)
        if parcel.rejected:
            payload_id = self._intake.next_id("payload")
            size = len(parcel.payload) // parcel.received
            for project, why, place in parcel.rejected:
                refused = Refused(project, why, place, parcel.received_at_ms, size)
                reject(self._intake, refused, payload_id, changes)
        duplicates = dict(parcel.duplicates)
        for told in parcel.told:
            received, project = len(told.times), told.project
            new = self._new(told)
            duplicates[project] = duplicates.get(project, 0) + received - len(new.times)
            self._intake.begin(project, parcel.received_at_ms, changes)
            count(changes, project, "received", received)
            count(changes, project, "accepted", len(new.times))
            if new.times:
                payload_id = payload_id or self._intake.next_id("payload")
                self._add(new, payload_id, changes)
        for project, repeats in duplicates.items():
            count(changes, project, "duplicates", repeats)
            count(changes, project, "received", parcel.duplicates.get(project, 0))
        if payload_id:
            row = PayloadRow(payload_id, parcel.project, parcel.received_at_ms, parcel.payload)
            changes.payloads.append(row)
        return sum(duplicates.values())

    def _new(self, told: Told) -> Told:
        """What is not in already."""
        said = self._said.get(told.project, {}).get(told.key)
        repeats = set[str]() if said is None else said.repeats(told)
        if told.untimed:
            known = self._untimed.setdefault(told.project, set())
            repeats |= known.intersection(told.untimed)
            known.update(told.untimed)
        return _without(told, repeats) if repeats else told

    def _add(self, told: Told, payload_id: int, changes: Changes) -> None:
        of_project = self._said.setdefault(told.project, {})
        said = of_project.get(told.key)
        if said is None:
            known = self._intake.grouping(told.project).known_set(told.key, changes)
            said = of_project[told.key] = _Said(told.key, known)
        said.add(told)
        entries = tuple(map(Entry, told.times, told.event_ids, told.types, told.places))
        changes.sightings.append(Sighting(said.known.set_id, payload_id, entries))
        changes.untimed += [(told.project, event_id) for event_id in told.untimed]
        group = said.group
        if group is not None and not group.contested:
            group.contested = any(KIND_OF_TYPE[type_] < Kind.LOGIN for type_ in told.types)

    # -- resolving ------------------------------------------------------------------------------

    def finish(self, show: Show) -> None:
        """Resolve what was taken in, and write who is who."""
        groups = {project: self._intake.grouping(project) for project in sorted(self._said)}
        total = sum(len(grouping.touched()) for grouping in groups.values())
        done = 0
        for project, grouping in groups.items():
            for part in self._parts(project, grouping):
                changes = Changes()
                told = grouping.settle(part, changes)
                if told:
                    changes.feed.append((project, self._latest_ms, told))
                grouping.histories.clear()  # nothing more comes to them here
                self._store.commit(changes)
                done += len(part)
                show(done, total)

    def _parts(self, project: str, grouping: Grouping) -> Iterator[list[Group]]:
        """The groups with the facts that decide them, so many at once as memory should hold: of an
        uncontested group the earliest of each set, of which one is its founder."""
        for group in grouping.touched():
            assert group.work is not None, "it is touched"
            group.contested = group.contested or not grouping.fits(group.work)
        part: list[Group] = []
        facts = rows = 0
        for group, sets in self._grouped(project):
            for said in sets:
                for fact in said.facts() if group.contested else (said.earliest(),):
                    grouping.add(said.known, fact)
                    facts += group.contested
            part.append(group)
            rows += group.size
            if facts >= FACTS_AT_ONCE or rows >= ROWS_AT_ONCE:
                yield part
                part, facts, rows = [], 0, 0
        if part:
            yield part

    def _grouped(self, project: str) -> Iterator[tuple[Group, Sequence[_Said]]]:
        placed = [(group, said) for said in self._said[project].values() if (group := said.group)]
        placed.sort(key=lambda pair: pair[0].group_id)
        for group, pairs in groupby(placed, key=lambda pair: pair[0]):
            yield group, [said for _, said in pairs]


def _without(told: Told, repeats: set[str]) -> Told:
    kept = [nth for nth, event_id in enumerate(told.event_ids) if event_id not in repeats]
    return Told(
        told.project,
        told.key,
        [told.times[nth] for nth in kept],
        [told.event_ids[nth] for nth in kept],
        [told.types[nth] for nth in kept],
        [told.places[nth] for nth in kept],
        [event_id for event_id in told.untimed if event_id not in repeats],
    )
