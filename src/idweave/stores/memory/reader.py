"""Answers from dictionaries that no writer touches while they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from idweave.core.identity import Identity
from idweave.ports import (
    Erased,
    FeedRow,
    IdentityState,
    OperatorRow,
    PayloadRow,
    PolicyRow,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    Sighting,
    StayRow,
    UserRow,
    is_erased,
)

from .tables import Tables


class MemoryReader:
    """See :class:`idweave.ports.Reader` for what each method promises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # -- who is who -----------------------------------------------------------------------------

    def identity(self, project: str, identity: Identity) -> IdentityState | None:
        """The state of an identity."""
        found = self._tables.identities.find("value", [(project, identity)])
        return found[0][1].state if found else None

    def group_of(self, project: str, identity: Identity) -> int | None:
        """The group that an identity is in."""
        found = self._tables.identities.find("value", [(project, identity)])
        return found[0][1].group_id if found else None

    def groups(self, project: str) -> list[int]:
        """All groups of a project."""
        found = self._tables.identities.find("project", [project])
        return sorted({known.group_id for _, known in found})

    def groups_behind(self, group_id: int) -> list[int]:
        """The groups of crowded identities that sets of this group carry loosely."""
        sets = (known for _, known in self._tables.sets.find("link", self._ids(group_id)))
        loose = (known.ids for known in sets if known.loose_after_ms is not None)
        found = {self._group(number) for ids in loose for number in ids}
        return sorted(found - {group_id})

    def loose_groups(self, group_id: int) -> list[tuple[int, int]]:
        """Identities of this group that sets of other groups carry loosely, with those."""
        ids = self._ids(group_id)
        found = {
            (number, self._group(known.link))
            for number in ids
            if self._tables.identities.rows[number].state.crowded_ms is not None
            for _, known in self._tables.sets.find("member", [number])
            if known.loose_after_ms is not None and known.link is not None
        }
        return sorted(tie for tie in found if tie[1] != group_id)

    def _ids(self, group_id: int) -> list[int]:
        return [number for number, _ in self._tables.identities.find("group", [group_id])]

    def _group(self, identity_id: int) -> int:
        return self._tables.identities.rows[identity_id].group_id

    def told(self, group_id: int) -> Iterator[tuple[SetKey, Sighting]]:
        """Everything that was said of a group."""
        for set_id, known in self._tables.sets.find("link", self._ids(group_id)):
            for _, span in self._tables.sightings.find("set", [set_id]):
                yield known.key, span.sighting

    def user(self, project: str, name: int) -> UserRow | None:
        """The row of a name."""
        return self._tables.users.get((project, name))

    def names_into(self, project: str, name: int) -> list[int]:
        """Names merged directly into this one."""
        return sorted(row.name for _, row in self._tables.users.find("merged", [(project, name)]))

    def feed(self, project: str, after: int, limit: int) -> list[FeedRow]:
        """The changes of a project: their numbers have no holes."""
        end = min(after + limit, self.feed_end(project))
        return [self._tables.feed.rows[project, seq] for seq in range(after + 1, end + 1)]

    def feed_end(self, project: str) -> int:
        """The number of the last change of a project."""
        return self._tables.marks.get(f"feed {project}") or 0

    def users(self, project: str) -> Iterable[UserRow]:
        """All live users."""
        return [row for _, row in sorted(self._tables.users.find("live", [project]), key=_key)]

    def old_names(self, project: str) -> Iterable[int]:
        """All names that are no live user's any more."""
        rows = self._tables.users.rows.items()
        return sorted(
            name
            for (of, name), row in rows
            if of == project and (row.gone or row.merged_into is not None)
        )

    def held(self, project: str, name: int) -> list[IdentityState]:
        """Identities that the user holds now."""
        found = self._tables.identities.find("owner", [(project, name)])
        return sorted((known.state for _, known in found), key=lambda state: state.identity)

    def stays(self, project: str, names: Sequence[int]) -> list[StayRow]:
        """Past stays with any of these names."""
        found = self._tables.stays.find("name", [(project, name) for name in names])
        return sorted(
            (stay for _, stay in found), key=lambda stay: (stay.left_ms, stay.identity, stay.life)
        )

    def last_stay(self, identity_id: int) -> int | None:
        """The name that an identity stayed with last, of the stays that ended."""
        found = self._tables.stays.find("identity", [identity_id])
        return max((stay for _, stay in found), key=lambda stay: stay.life).name if found else None

    def refusals(
        self, project: str, names: Sequence[int] | None, after: int, limit: int
    ) -> list[RefusalRow]:
        """Refusals, most recent first; of the same event, those that nobody asked for first."""
        if names is None:
            found = self._tables.refusals.find("project", [project])
        else:
            found = self._tables.refusals.find("home", [(project, name) for name in names])
        rows = sorted(
            (row for _, row in found),
            key=lambda row: (row.home is not None, row.home or 0, row.identity_id, row.reason),
        )
        rows.sort(key=lambda row: row.last, reverse=True)
        return rows[after : after + limit]

    # -- what was said --------------------------------------------------------------------------

    def sets_of(self, identity_ids: Sequence[int]) -> list[int]:
        """Sets that hold any of these identities."""
        return sorted(set_id for set_id, _ in self._tables.sets.find("member", identity_ids))

    def set_members(self, set_id: int) -> list[IdentityState]:
        """The identities of a set, strongest first."""
        known = self._tables.sets.get(set_id)
        if known is None:
            return []
        listed = known.ids[: len(known.key.identities)]
        return [self._tables.identities.rows[number].state for number in listed]

    def runs(self, set_ids: Sequence[int]) -> list[Run]:
        """The runs of these sets."""
        return [run for _, run in sorted(self._tables.runs.find("set", set_ids), key=_key)]

    def run_sets(self, project: str, names: Sequence[int], anchor_ids: Sequence[int]) -> list[int]:
        """Sets of the project with a run that names any of these users or anchors."""
        runs = self._tables.runs
        found = runs.find("name", names) + runs.find("anchor", anchor_ids)
        sets = self._tables.sets.rows
        return sorted({run.set_id for _, run in found if sets[run.set_id].project == project})

    def seen_range(self, identity_id: int) -> tuple[int, int] | None:
        """First and last time that an identity was seen."""
        spans = [
            span for _, span in self._tables.sightings.find("set", self.sets_of([identity_id]))
        ]
        if not spans:
            return None
        return min(span.first_ms for span in spans), max(span.last_ms for span in spans)

    def sightings(self, set_ids: Sequence[int], until_ms: int) -> Iterator[Sighting]:
        """Sightings of these sets, latest end first."""
        found = [
            (span.last_ms, number, span.sighting)
            for number, span in self._tables.sightings.find("set", set_ids)
            if span.first_ms <= until_ms
        ]
        found.sort(key=lambda item: item[:2], reverse=True)
        return (sighting for _, _, sighting in found)

    def payload(self, payload_id: int) -> PayloadRow | None:
        """What was said under this number."""
        return self._tables.payloads.get(payload_id)

    def log(self) -> Iterator[Sighting]:
        """All sightings, by payload."""
        found = (
            (span.sighting.payload_id, number, span.sighting)
            for number, span in self._tables.sightings.rows.items()
        )
        return (sighting for _, _, sighting in sorted(found, key=lambda item: item[:2]))

    def payloads(self) -> Iterator[PayloadRow]:
        """Everything that was said."""
        return (row for _, row in sorted(self._tables.payloads.rows.items(), key=_key))

    def erased(self) -> Erased:
        """What is remembered of erasures."""
        tables = self._tables
        suppressed = tuple(row for _, row in sorted(tables.suppressed.rows.items(), key=_key))
        names = sorted(key for key, row in tables.users.rows.items() if is_erased(row))
        return Erased(tables.keys.get("suppression") or b"", suppressed, tuple(names))

    # -- what was not believed, and how much there is ---------------------------------------------

    def rejections(
        self, project: str | None, after: int, limit: int, ids: Sequence[int] | None = None
    ) -> list[RejectionRow]:
        """Open rejections by id."""
        wanted = None if ids is None else set(ids)
        rows = [
            row
            for number, row in sorted(self._tables.rejections.rows.items(), key=_key)
            if number > after
            and (project is None or row.project == project)
            and (wanted is None or number in wanted)
        ]
        return rows[:limit]

    def operators(self, project: str | None) -> list[OperatorRow]:
        """What operators stated."""
        rows = (row for _, row in sorted(self._tables.operators.rows.items(), key=_key))
        return [row for row in rows if project is None or row.project == project]

    def policies(self, project: str | None) -> list[PolicyRow]:
        """The policies that held."""
        rows = (row for _, row in sorted(self._tables.policies.rows.items(), key=_key))
        return [row for row in rows if project is None or row.project == project]

    def unlinked(self, project: str) -> list[Sighting]:
        """The sightings of what links nothing."""
        sets = self._tables.sets.rows
        found = (span.sighting for _, span in sorted(self._tables.sightings.rows.items(), key=_key))
        return [
            one for one in found if sets[one.set_id].project == project and not sets[one.set_id].ids
        ]

    def find_event(self, project: str, event_id: str) -> list[tuple[SetKey, Sighting]]:
        """The sightings that hold an event."""
        sets = self._tables.sets.rows
        found = [
            (sets[span.sighting.set_id].key, span.sighting)
            for span in self._tables.sightings.rows.values()
            if sets[span.sighting.set_id].project == project
            and any(entry.event_id == event_id for entry in span.sighting.entries)
        ]
        return sorted(found, key=lambda item: (item[1].payload_id, item[1].set_id))

    def counters(self, project: str | None) -> dict[tuple[str, str], int]:
        """The counters of one project, or of all."""
        rows = self._tables.counters.rows.items()
        return {key: count for key, count in rows if project is None or key[0] == project}

    def projects(self) -> list[str]:
        """The projects that anything was said of."""
        return sorted({project for project, _ in self._tables.counters.rows})

    def largest(self, project: str, limit: int) -> list[tuple[int, int]]:
        """Users with the most identities."""
        known = (known for _, known in self._tables.identities.find("project", [project]))
        held = Counter(one.state.owner for one in known if one.state.owner is not None)
        return sorted(held.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def tallies(self, project: str) -> tuple[int, int]:
        """How many live users and how many identities a project has."""
        tables = self._tables
        return tables.users.count("live", project), tables.identities.count("project", project)

    def store_bytes(self) -> int:
        """The payloads: by far the largest part of any store."""
        return sum(len(row.body) for row in self._tables.payloads.rows.values())


def _key(item: tuple[Any, object]) -> Any:
    return item[0]
