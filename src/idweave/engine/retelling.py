"""Groups told again from their own facts, under other rules, in one commit.

This is how everything timeless takes effect (RESOLUTION.md §8): the groups that it concerns are
forgotten and grouped and resolved anew, so one that falls apart becomes several, and several that
belong together become one. Numbers of sets and identities stay, names stay with their founders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, cast

from idweave.core.difference import goes_on_as
from idweave.core.errors import NotFound
from idweave.core.graph import Graph
from idweave.core.identity import Fact, Identity
from idweave.core.resolve import Resolution, resolve
from idweave.ports import (
    Change,
    Changes,
    Entry,
    IdentityRow,
    Reader,
    SetKey,
    SetRow,
    Sighting,
    Store,
    UserRow,
    fact_of,
)

from .grouping import Grouping
from .intake import NOTHING, Intake
from .reading import follow
from .ruling import Rules
from .turning import lead_of, tell_anew


class Entered(NamedTuple):
    """An entry of the log with its payload, and the fact that it is."""

    payload_id: int
    entry: Entry
    fact: Fact


@dataclass(slots=True)
class Retelling:
    """What is told again: these groups, all entries of theirs, and entries that come back to life.

    ``loosened``: sightings that linked nothing, of which some entries do now; ``loose``: entries of
    these that still link nothing. ``kept``: the numbers of sets and identities.
    """

    groups: list[int] = field(default_factory=list)
    entered: list[Entered] = field(default_factory=list)
    loosened: list[Sighting] = field(default_factory=list)
    loose: list[tuple[int, Entry]] = field(default_factory=list)
    kept: dict[SetKey | Identity, int] = field(default_factory=dict)

    def take(self, reader: Reader, groups: Iterable[int]) -> None:
        """Add everything of these groups."""
        for group in groups:
            self.groups.append(group)
            for key, sighting in reader.told(group):
                self.kept[key] = sighting.set_id
                for entry in sighting.entries:
                    fact = fact_of(entry, key)
                    if fact is not None:
                        self.entered.append(Entered(sighting.payload_id, entry, fact))

    def graph(self, rules: Rules) -> Graph:
        """What these facts come to under some rules."""
        return self.resolution(rules).graph

    def resolution(self, rules: Rules) -> Resolution:
        """The same with whom each event belongs to."""
        facts = (one.fact for one in self.entered if one.entry.event_id not in rules.withdrawn)
        return resolve(facts, rules.policy)


Sides = tuple[Graph, Resolution]
"""What some facts came to before, and what they (or what is left of them) come to now."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and when groups are told again, as the feed says it. ``erased``: identities of a person
    that no row of the feed may name any more, older ones included, nor ``orphaned`` ones, which
    nothing carries any more; ``dead``: names that lead to nobody since. ``first``: what the feed
    must tell before."""

    recorded_at_ms: int
    operator_id: int = 0
    event: str = ""
    erased: frozenset[Identity] = frozenset()
    orphaned: frozenset[Identity] = frozenset()
    dead: frozenset[int] = frozenset()
    first: Sequence[Change] = ()


def retell(
    intake: Intake,
    project: str,
    told: Retelling,
    rules: Rules,
    *,
    sides: Sides,
    occasion: Occasion,
) -> Changes:
    """The changes that tell groups again under these rules; ``sides``: who was who of them, and
    who is who now."""
    grouping = intake.fresh_grouping(project, rules)
    grouping.is_retelling = True
    hidden = _Hidden(intake.store, frozenset(told.groups))
    grouping.store = cast("Store", hidden)
    with intake.store.reader() as reader:
        members = _numbers(intake.store, told.groups)
        grouping.kept = dict(chain(told.kept.items(), members.items()))
        changes = Changes(dropped_groups=list(told.groups), dropped_sightings=told.loosened)
        _enter(grouping, told, changes)
        _settle_names(grouping, reader, sides, changes)
        _settle_gone(grouping, intake.store, (told, sides[1]), changes)
        _move_founders(grouping, changes)
    tell_anew(intake.store, project, members, changes=changes, occasion=occasion)
    return changes


def _numbers(store: Store, groups: Iterable[int]) -> dict[Identity, int]:
    return {row.identity: row.identity_id for group in groups for row in store.members(group)}


def _enter(grouping: Grouping, told: Retelling, changes: Changes) -> None:
    """Group every entry anew. Those that are taken out link nothing, and stay."""
    keys = [
        NOTHING if one.entry.event_id in grouping.withdrawn else grouping.key_of(one.fact)
        for one in told.entered
    ]
    grouping.prefetch([NOTHING, *keys])
    entries: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for one, key in zip(told.entered, keys, strict=True):
        known = grouping.known_set(key, changes)
        entries[known.set_id, one.payload_id].append(one.entry)
        grouping.add(known, one.fact)
    for payload_id, entry in told.loose:
        known = grouping.known_set(NOTHING, changes)
        entries[known.set_id, payload_id].append(entry)
    for (set_id, payload_id), some in entries.items():
        changes.sightings.append(Sighting(set_id, payload_id, tuple(some)))
    grouping.flush(changes)


def _settle_names(grouping: Grouping, reader: Reader, sides: Sides, changes: Changes) -> None:
    """Names of users that are not told again: merged ones lead on, those that are no more lead to
    whoever holds most of what they held, else to whom their founding event belongs (law L7)."""
    before, now = sides
    after = now.graph
    names = grouping.naming.of([*before.held, *after.held])
    written = {row.name for _, row in changes.users}
    for user in sorted(before.held):
        row = reader.user(grouping.project, names[user])
        if row is None or row.name in written:
            continue
        live = before.find(user)
        heir = after.find(user) if user in after.held else goes_on_as(before, after, live)
        if heir is None and user.event_id in now.outcomes:
            heir = now.home(user.event_id)
        leads_to = None if heir is None or heir == user else names[heir]
        is_gone = user not in after.held
        settled = UserRow(row.name, user, row.founder_set, leads_to, gone=is_gone)
        changes.users.append((grouping.project, settled))


def _move_founders(grouping: Grouping, changes: Changes) -> None:
    """Every name says under which set its founding event is seen: sets may be others now."""
    sets = {entry.event_id: seen.set_id for seen in changes.sightings for entry in seen.entries}
    changes.users = [
        (of, replace(row, founder_set=sets.get(row.founder.event_id, row.founder_set)))
        for of, row in changes.users
    ]


def _settle_gone(
    grouping: Grouping, store: Store, told: tuple[Retelling, Resolution], changes: Changes
) -> None:
    """Names that were gone before lead to whoever their founding event belongs to now; where that
    is taken out, or links nothing any more, they go on leading where they led (law L7)."""
    retelling, after = told
    founders = {
        one.fact.order: one.fact
        for one in retelling.entered
        if one.fact.order not in after.graph.held
    }
    names = grouping.naming.of(founders)
    rows = store.find_users(grouping.project, sorted(names.values()))
    written = {row.name for _, row in changes.users}
    for user, fact in sorted(founders.items()):
        row = rows.get(names[user])
        if row is None or row.name in written or not row.gone or row.merged_into is not None:
            continue
        if user.event_id not in after.outcomes:
            lead = lead_of(store, row)
        elif not grouping.policy.effective(fact.identities):
            lead = _led(store, grouping.project, row.name)
        else:
            home = after.home(user.event_id)
            lead = None if home is None else grouping.naming.of([home])[home]
        changes.users.append((grouping.project, replace(row, merged_into=lead)))


def _led(store: Store, project: str, name: int) -> int | None:
    """Where a name leads as the store is, by what its founding event carried."""
    with store.reader() as reader, suppress(NotFound):
        return follow(reader, project, name).name
    return None


class _Hidden:
    """The store as it will be once these groups are forgotten."""

    def __init__(self, store: Store, groups: frozenset[int]) -> None:
        self._store = store
        self._groups = groups

    def find_sets(self, project: str, keys: Sequence[SetKey]) -> dict[SetKey, SetRow]:
        """See :class:`idweave.ports.Store`."""
        found = self._store.find_sets(project, keys)
        return {key: row for key, row in found.items() if row.group_id not in self._groups}

    def find_identities(
        self, project: str, identities: Sequence[Identity]
    ) -> dict[Identity, IdentityRow]:
        """See :class:`idweave.ports.Store`."""
        found = self._store.find_identities(project, identities)
        return {key: row for key, row in found.items() if row.group_id not in self._groups}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
