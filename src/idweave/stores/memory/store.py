"""A store in memory: what it holds ends with it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from idweave.core.identity import Fact, Identity
from idweave.ports import (
    Changes,
    GroupRow,
    HighMarks,
    IdentityRow,
    Reader,
    SetKey,
    SetRow,
    UserRow,
    fact_of,
)

from .reader import MemoryReader
from .tables import Known, Tables
from .writes import write


def _row(number: int, known: Known) -> IdentityRow:
    return IdentityRow(number, known.state.identity, known.group_id, known.state.crowded_ms)


class MemoryStore:
    """A store in dictionaries, for tests, trials and replays.

    A reader sees what was committed when it was opened and takes no lock, so any thread may open,
    use and close it, and commit meanwhile: a commit that finds readers copies the tables first and
    leaves theirs alone. That costs time and room in proportion to the store.
    """

    def __init__(self) -> None:
        self._tables = Tables()
        self._lock = threading.RLock()
        """Held while the tables change, or a reader comes or goes; who makes the parts of a commit
        may read meanwhile."""

    def close(self) -> None:
        """Forget everything; open readers keep what they see."""
        with self._lock:
            self._tables = Tables()

    def high_marks(self) -> HighMarks:
        """See :class:`idweave.ports.Store`."""
        tables = self._tables
        return HighMarks(
            max(tables.payloads.rows, default=0),
            max(tables.identities.rows, default=0),
            max(tables.sets.rows, default=0),
            max(tables.groups.rows, default=0),
            tables.marks.get("rejection") or 0,
        )

    def find_sets(self, project: str, keys: Sequence[SetKey]) -> dict[SetKey, SetRow]:
        """See :class:`idweave.ports.Store`."""
        wanted = [(project, key) for key in keys]
        return {
            known.key: SetRow(
                set_id, self._group_of(known.link), self._newest_ms(set_id), known.loose_after_ms
            )
            for set_id, known in self._tables.sets.find("key", wanted)
        }

    def _group_of(self, link: int | None) -> int | None:
        linking = None if link is None else self._tables.identities.get(link)
        return None if linking is None else linking.group_id

    def _newest_ms(self, set_id: int) -> int:
        spans = self._tables.sightings.find("set", [set_id])
        return max((span.last_ms for _, span in spans), default=-1)

    def find_identities(
        self, project: str, identities: Sequence[Identity]
    ) -> dict[Identity, IdentityRow]:
        """See :class:`idweave.ports.Store`."""
        wanted = [(project, identity) for identity in identities]
        found = self._tables.identities.find("value", wanted)
        return {known.state.identity: _row(number, known) for number, known in found}

    def find_groups(self, group_ids: Sequence[int]) -> dict[int, GroupRow]:
        """See :class:`idweave.ports.Store`."""
        groups = self._tables.groups.rows
        return {number: groups[number] for number in group_ids if number in groups}

    def find_users(self, project: str, names: Sequence[int]) -> dict[int, UserRow]:
        """See :class:`idweave.ports.Store`."""
        rows = (self._tables.users.get((project, name)) for name in names)
        return {row.name: row for row in rows if row is not None}

    def find_owners(self, identity_ids: Sequence[int]) -> dict[int, int | None]:
        """See :class:`idweave.ports.Store`."""
        known = self._tables.identities.rows
        return {number: known[number].state.owner for number in identity_ids if number in known}

    def members(self, group_id: int) -> list[IdentityRow]:
        """See :class:`idweave.ports.Store`."""
        return [_row(*found) for found in self._tables.identities.find("group", [group_id])]

    def facts(self, group_id: int) -> Iterator[tuple[int, SetKey, Fact]]:
        """See :class:`idweave.ports.Store`."""
        for key, sighting in MemoryReader(self._tables).told(group_id):
            for entry in sighting.entries:
                fact = fact_of(entry, key)
                if fact is not None:
                    yield sighting.set_id, key, fact

    def seen(self, project: str, set_id: int, from_ms: int, to_ms: int) -> set[str]:
        """See :class:`idweave.ports.Store`."""
        return {
            entry.event_id
            for _, span in self._tables.sightings.find("set", [set_id])
            if span.last_ms >= from_ms and span.first_ms <= to_ms
            for entry in span.sighting.entries
        }

    def seen_untimed(self, project: str, event_ids: Sequence[str]) -> set[str]:
        """See :class:`idweave.ports.Store`."""
        return {one for one in event_ids if (project, one) in self._tables.untimed.rows}

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        """See :class:`idweave.ports.Store`."""
        with self._lock:
            if self._tables.readers:
                self._tables = self._tables.copy()
            write(self._tables, [changes] if isinstance(changes, Changes) else changes)

    def scrub(self) -> None:
        """See :class:`idweave.ports.Store`. There is no disk."""

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """See :class:`idweave.ports.Store`."""
        with self._lock:
            tables = self._tables
            tables.readers += 1
        try:
            yield MemoryReader(tables)
        finally:
            with self._lock:
                tables.readers -= 1
