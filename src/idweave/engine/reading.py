"""How answers are read: names followed, events found by the identity sets of a user."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from idweave.core.errors import InputError, NotFound, StoreError
from idweave.core.identity import KIND_OF_TYPE, Kind, Order
from idweave.core.record import Rejection
from idweave.ports import Entry, Reader, Run, Sighting, UserRow, is_erased
from idweave.wire import read_payload

NAMES_FOLLOWED_MAX = 10_000
"""Steps from an old name to its user: a chain is as long as the merges of one user."""

END_OF_TIME_MS = 1 << 62


class Found(NamedTuple):
    """An event of a user: what it is, where its record stands."""

    entry: Entry
    payload_id: int
    name: int | None


def canonical_number(canonical_id: str) -> int:
    """A canonical id as text, as a number."""
    is_number = canonical_id.isascii() and canonical_id.isdigit() and len(canonical_id) <= 19
    if is_number and int(canonical_id) < 1 << 63:
        return int(canonical_id)
    fix = "A canonical_id is up to 19 digits; look a person up by one of its identities."
    raise InputError(f"{canonical_id[:50]!r} is not a canonical_id.", fix=fix)


def order_of_entry(entry: Entry) -> Order:
    """The place of an event in the order of facts."""
    kind = KIND_OF_TYPE.get(entry.type, Kind.OBSERVE)
    return Order(entry.time_ms, kind, entry.event_id)


def run_at(runs: Sequence[Run], order: Order) -> Run | None:
    """The run of a set that an event falls into; ``runs`` are the set's, by start."""
    at = bisect_right(runs, order, key=lambda run: run.start)
    return runs[at - 1] if at else None


def follow(reader: Reader, project: str, name: int) -> UserRow:
    """The user that a name leads to now (law L7). Raises NotFound for a name never given."""
    for _ in range(NAMES_FOLLOWED_MAX):
        row = reader.user(project, name)
        if row is None:
            fix = "Look the user up by one of its identities."
            raise NotFound(f"No user of project {project!r} was ever called {name}.", fix=fix)
        if is_erased(row):
            fix = "Nothing is held about who that was; what came later has another name."
            raise NotFound(f"The user called {name} was erased.", fix=fix)
        if row.merged_into is None and not row.gone:
            return row
        leads_to = row.merged_into if row.merged_into is not None else _heir(reader, row)
        if leads_to is None:
            break
        name = leads_to
    raise NotFound(f"The user once called {name} holds nothing any more.")


def _heir(reader: Reader, row: UserRow) -> int | None:
    """Whom a name leads to that a late fact took away: the user of its founding event; where that
    is nobody's now, the first user that holds, or held last, an identity of that event."""
    runs = reader.runs([row.founder_set])
    run = run_at(runs, row.founder) if runs else None
    if run is not None and run.name is not None:
        return run.name
    members = reader.set_members(row.founder_set)
    owners = [state.owner for state in members]
    owners += [reader.last_stay(state.identity_id) for state in members]
    return next((owner for owner in owners if owner is not None), None)


def all_names(reader: Reader, project: str, name: int) -> list[int]:
    """A user's name and, after it, all names that lead to it by merges, ascending."""
    found, front = {name}, [name]
    while front:
        merged = [into for of in front for into in reader.names_into(project, of)]
        front = [other for other in merged if other not in found]
        found.update(front)
    return [name, *sorted(found - {name})]


class Walk:
    """The events of one user, newest first, under one attribution."""

    def __init__(self, reader: Reader, project: str, name: int, *, latest: bool) -> None:
        self._reader = reader
        self._name = name
        self._names = set(all_names(reader, project, name))
        held = [state.identity_id for state in reader.held(project, name)]
        self._held = set(held)
        self._latest = latest
        if latest:
            sets = {*reader.sets_of(held), *reader.run_sets(project, [], held)}
        else:
            former = [stay.identity_id for stay in reader.stays(project, sorted(self._names))]
            sets = {
                *reader.sets_of(held + former),
                *reader.run_sets(project, sorted(self._names), []),
            }
        self._sets = sorted(sets)
        self._runs: dict[int, list[Run]] = defaultdict(list)
        for run in reader.runs(self._sets):
            self._runs[run.set_id].append(run)

    def _is_mine(self, sighting: Sighting, entry: Entry) -> bool:
        runs = self._runs.get(sighting.set_id)
        if not runs:  # an uncontested group is one user
            return True
        run = run_at(runs, order_of_entry(entry))
        if run is None:
            return False
        return run.anchor_id in self._held if self._latest else run.name in self._names

    def __iter__(self) -> Iterator[Found]:
        return self.before(END_OF_TIME_MS, "")

    def before(self, time_ms: int, event_id: str) -> Iterator[Found]:
        """Events older than this one, newest first. Sightings overlap in time, so an event waits
        until no sighting that is still to come can hold a newer one."""
        waiting: list[tuple[int, tuple[int, ...], Found]] = []
        for sighting in self._reader.sightings(self._sets, time_ms):
            newest = max(entry.time_ms for entry in sighting.entries)
            while waiting and -waiting[0][0] > newest:
                yield heapq.heappop(waiting)[2]
            for entry in sighting.entries:
                is_older = (entry.time_ms, entry.event_id) < (time_ms, event_id)
                if is_older and self._is_mine(sighting, entry):
                    found = Found(entry, sighting.payload_id, self._name)
                    reverse = tuple(-ord(letter) for letter in entry.event_id)
                    heapq.heappush(waiting, (-entry.time_ms, reverse, found))
        while waiting:
            yield heapq.heappop(waiting)[2]


def damaged(payload_id: int) -> StoreError:
    """What is raised for a stored request that cannot be read any more."""
    fix = "Put back the last sound copy of the store, or go on without this request."
    return StoreError(f"Request {payload_id} is damaged in the store.", fix=fix)


class Payloads:
    """Records by place; the payloads of one answer are read and decoded once each."""

    CACHED_MAX = 64

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._read: dict[int, tuple[int, tuple[Mapping[str, Any] | Rejection, ...]]] = {}

    def record(self, payload_id: int, nth: int) -> tuple[int, Mapping[str, Any]] | None:
        """When the payload was received, and the record at this place of it."""
        if payload_id not in self._read:
            stored = self._reader.payload(payload_id)
            if stored is None:
                return None
            if len(self._read) >= self.CACHED_MAX:
                self._read.clear()
            self._read[payload_id] = (stored.received_at_ms, read_payload(stored.body))
        received_at_ms, records = self._read[payload_id]
        if nth >= len(records):
            raise damaged(payload_id)
        record = records[nth]
        return None if isinstance(record, Rejection) else (received_at_ms, record)
