"""Erasure, planned: whom it is about, what goes, and what the graph is without it
(RESOLUTION.md §8, docs/decisions/0016)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from idweave.core.difference import difference, goes_on_as
from idweave.core.errors import InputError, NotFound
from idweave.core.graph import Graph, User
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.record import Project
from idweave.ports import Changes, Entry, Erased, OperatorRow, Place, Reader, Suppressed

from .differing import difference_of
from .door import Door
from .erased import Erasing, ErasureAnswer
from .intake import Intake
from .mentions import Mentions
from .operated import IdentityText
from .operators import check_text
from .reading import all_names, canonical_number, follow
from .retelling import Entered, Occasion, Retelling, retell
from .ruling import OperatorKind, ruled
from .suppressing import Digests
from .sweeping import UNTOUCHED, Edit, Rest, Sweep, Swept, Target, Untouched, at_its_time
from .telling import groups_of, stored_name


class Plan(NamedTuple):
    """An erasure about to be made: what to say of it, and how it is written."""

    answer: ErasureAnswer
    changes: Changes


@dataclass(slots=True)
class _Person:
    """Whom a user's erasure is about: names, identities of its own, those that stay with others,
    and its events: ids and places."""

    names: list[int] = field(default_factory=list)
    identities: set[Identity] = field(default_factory=set)
    shared: set[Identity] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    places: set[Place] = field(default_factory=set)


class _Seen(NamedTuple):
    """An event of before; without a fact where it linked nothing."""

    payload_id: int
    entry: Entry
    fact: Fact | None


@dataclass(slots=True)
class _After:
    """What is told once it is done: events that went (id → time), and those that go on otherwise
    (old id → new)."""

    told: Retelling
    gone: dict[str, int] = field(default_factory=dict)
    stripped: dict[str, Rest] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def enter(self, one: _Seen, edit: Edit | Untouched, *, is_hit: bool) -> None:
        """One event of before as it is after; of two that are the same now, the first stays.
        ``is_hit``: it carried an erased identity."""
        payload_id, entry, fact = one
        if isinstance(edit, Rest):
            rest = at_its_time(edit, entry.time_ms)
            if is_hit or rest.record.event_id != entry.event_id:
                self.stripped[entry.event_id] = rest
            entry, fact = entry._replace(event_id=rest.record.event_id), rest.record.fact
        if edit is None or entry.event_id in self._taken:
            self.gone[entry.event_id] = entry.time_ms
            return
        self._taken.add(entry.event_id)
        if fact is None:
            self.told.loose.append((payload_id, entry))
        else:
            self.told.entered.append(Entered(payload_id, entry, fact))


class Eraser:
    """Plans over one consistent view of the store. ``remembered`` is what earlier erasures left,
    with the key of the store's digests in it."""

    def __init__(
        self, reader: Reader, project: Project, door: Door, *, intake: Intake, remembered: Erased
    ) -> None:
        self._reader = reader
        self._project = project
        self._name = project.name
        self._door = door
        self._intake = intake
        self._remembered = remembered
        self._all_rows = reader.operators(None)
        self._rows = [row for row in self._all_rows if row.project == project.name]
        self._rules = ruled(project.policy, self._rows)
        self._told = Retelling()
        self._erased: dict[Identity, bool] = {}

    def plan(self, said: Erasing, now_ms: int, *, dry_run: bool) -> Plan:
        """What an erasure would do. Raises NotFound for whom nobody knows, and InputError."""
        check_text(said.author, said.reason)
        if said.user is None and not said.identities:
            raise InputError("Nothing is to be erased.", fix="Name a user, or identities.")
        person = _Person() if said.user is None else self._person(said.user)
        self._erased = dict.fromkeys(sorted(person.identities), False)
        self._erased |= dict.fromkeys(said.identities, True)
        self._check_texts(said)
        until_ms = None if said.forever else now_ms
        swept = self._sweep(person, until_ms)
        self._check_known(said, swept)
        self._take_groups(swept)
        after = self._after(swept)
        rows, dropped = self._rows_after(after)
        rules = (self._rules, ruled(self._project.policy, rows))
        sides = self._told.graph(rules[0]), after.told.resolution(rules[1])
        graphs = sides[0], sides[1].graph
        names = self._names(person, graphs, after)
        counts = {
            "events": len(after.gone),
            "events_of_others": len(after.gone.keys() - person.events) if said.user else 0,
            "events_stripped": len(after.stripped),
            "identities": len(self._erased),
            "names": len(names),
            "rejections": len(swept.rejections),
            "operator_facts": len(dropped),
            "mentions": swept.mentions + self._policies_naming(),
        }
        row = self._erasure_row(said, now_ms, counts)
        answer = self._answer(row, (person, names), graphs, dry_run=dry_run)
        if dry_run:
            return Plan(answer, Changes())
        occasion = self._occasion(row, names, (swept, after))
        changes = retell(
            self._intake, self._name, after.told, rules[1], sides=sides, occasion=occasion
        )
        self._forget(changes, after, swept)
        changes.dropped_operators = dropped
        changes.operators += [*(one for one in rows if one not in self._rows), row]
        kept_out = tuple(self._suppressed(swept, until_ms))
        erased_names = tuple((self._name, name) for name in names)
        changes.erased = Erased(self._remembered.key, kept_out, erased_names)
        return Plan(answer, changes)

    def _answer(
        self,
        row: OperatorRow,
        of: tuple[_Person, list[int]],
        graphs: tuple[Graph, Graph],
        *,
        dry_run: bool,
    ) -> ErasureAnswer:
        person, names = of
        return ErasureAnswer(
            self._name,
            dry_run,
            str(row.operator_id),
            row.stated_ms,
            tuple(IdentityText(*identity) for identity in sorted(self._erased)),
            tuple(IdentityText(*one) for one in sorted(person.shared - self._erased.keys())),
            tuple(map(str, names)),
            dict(row.counts),
            difference_of(difference(*graphs), self._shown_name),
            is_scrubbed=False,
        )

    # -- whom it is about -----------------------------------------------------------------------

    def _person(self, canonical_id: str) -> _Person:
        """A user as a person: its own identities are those that it holds, and those that it held
        and nobody else holds or ever held."""
        reader, project = self._reader, self._name
        row = follow(reader, project, canonical_number(canonical_id))
        names = all_names(reader, project, row.name)
        had = [state.identity for state in reader.held(project, row.name)]
        had += [stay.identity for stay in reader.stays(project, names)]
        self._told.take(reader, groups_of(reader, project, had))
        done = self._told.resolution(self._rules)
        graph = done.graph
        user = graph.find(row.founder)
        holders: dict[Identity, set[User]] = {}
        for stay in graph.former:
            holders.setdefault(stay.identity, set()).add(graph.find(stay.user))
        former = {identity for identity, of in holders.items() if user in of}
        held = set(graph.members(user))
        own = {one for one in former if one not in graph.owner and holders[one] == {user}}
        events = {event for event in done.outcomes if done.home(event) == user}
        places = {
            Place(one.payload_id, one.entry.nth)
            for one in self._told.entered
            if one.entry.event_id in events
        }
        return _Person(names, held | own, former - held - own, events, places)

    def _occasion(
        self, row: OperatorRow, names: list[int], found: tuple[Swept, _After]
    ) -> Occasion:
        return Occasion(
            row.stated_ms,
            row.operator_id,
            erased=frozenset(self._erased),
            orphaned=self._orphaned(*found),
            dead=frozenset(names),
            first=self._intake.beginning(self._name),
        )

    def _orphaned(self, swept: Swept, after: _After) -> frozenset[Identity]:
        """What events that go carried, nobody held, and nothing carries any more: a retracted
        event may have brought it."""
        left = {one for entered in after.told.entered for one in entered.fact.identities}
        told = {None, *self._told.groups}
        states = ((one, self._reader.identity(self._name, one)) for one in swept.carried - left)
        return frozenset(
            one
            for one, state in states
            if (state is None or state.owner is None)
            and self._reader.group_of(self._name, one) in told
        )

    def _policies_naming(self) -> int:
        """How many policies that were in force have a value in their text, as a blocked one."""
        mentions = Mentions(self._erased)
        rows = self._reader.policies(self._name)
        return sum(mentions.are_in(row.text) for row in rows)

    def _check_texts(self, said: Erasing) -> None:
        mentions = Mentions(self._erased)
        if mentions.are_in(said.author) or mentions.are_in(said.reason):
            fix = "Name the request instead (a ticket number): author and reason are kept."
            raise InputError("Author or reason names what is to be erased.", fix=fix)

    def _check_known(self, said: Erasing, swept: Swept) -> None:
        """Nobody knows these identities: most likely a slip, and it would be remembered."""
        digests = Digests(self._remembered.key, self._name)
        known = {row.digest for row in self._remembered.suppressed}
        for identity in () if swept.edits or swept.rejections else said.identities:
            if digests.identity(identity) not in known and said.user is None:
                fix = "Check key and value; nothing was changed."
                raise NotFound(f"{identity} was never seen in {self._name!r}.", fix=fix)

    # -- what goes ------------------------------------------------------------------------------

    def _sweep(self, person: _Person, until_ms: int | None) -> Swept:
        erased = self._erased
        joins = {
            row.event_id
            for row in self._rows
            if row.kind == OperatorKind.JOIN and not erased.keys().isdisjoint(row.identities)
        }
        states = (self._reader.identity(self._name, identity) for identity in erased)
        numbers = [state.identity_id for state in states if state is not None]
        sets = self._reader.sets_of(numbers)
        wanted = {one.payload_id for one in self._reader.sightings(sets, 1 << 62)}
        own, events = frozenset(person.places), frozenset(joins)
        target = Target(self._project, erased, own, events, until_ms)
        return Sweep(self._reader, target, self._door).run(wanted)

    def _take_groups(self, swept: Swept) -> None:
        """All groups that anything of it is in."""
        found = {*groups_of(self._reader, self._name, self._erased)}
        for set_id in sorted(swept.sets):
            members = (state.identity for state in self._reader.set_members(set_id))
            found |= {*groups_of(self._reader, self._name, members)}
        self._told.take(self._reader, sorted(found - set(self._told.groups)))

    def _after(self, swept: Swept) -> _After:
        after = _After(Retelling(list(self._told.groups), kept=self._told.kept))
        self._told.entered.sort(key=lambda one: (one.payload_id, one.entry.nth))
        for one in self._told.entered:
            edit = swept.edit_at(one.payload_id, one.entry.nth)
            is_hit = not self._erased.keys().isdisjoint(one.fact.identities)
            if edit is UNTOUCHED and is_hit:  # its record is none under the rules of today
                swept.edits[one.payload_id][one.entry.nth] = edit = None
                swept.by_event.add(one.entry.event_id)
            after.enter(_Seen(*one), edit, is_hit=is_hit)
        for sighting in self._reader.unlinked(self._name):
            edits = [swept.edit_at(sighting.payload_id, entry.nth) for entry in sighting.entries]
            if all(edit is UNTOUCHED for edit in edits):
                continue
            after.told.loosened.append(sighting)
            for entry, edit in zip(sighting.entries, edits, strict=True):
                after.enter(_Seen(sighting.payload_id, entry, None), edit, is_hit=False)
        return after

    def _rows_after(self, after: _After) -> tuple[list[OperatorRow], list[int]]:
        """What operators stated, without what is erased; and the numbers of what goes whole."""
        mentions, rows, dropped = Mentions(self._erased), list[OperatorRow](), list[int]()
        for row in self._rows:
            rest = tuple(one for one in row.identities if one not in self._erased)
            is_pair = row.kind in (OperatorKind.JOIN, OperatorKind.APART)
            is_hit = len(rest) < len(row.identities)
            if (is_hit and (is_pair or not rest)) or row.event_id in after.gone:
                dropped.append(row.operator_id)
                continue
            renamed = after.stripped.get(row.event_id)
            rows.append(
                replace(
                    row,
                    identities=rest,
                    event_id=row.event_id if renamed is None else renamed.record.event_id,
                    author=mentions.taken_out(row.author),
                    reason=mentions.taken_out(row.reason),
                    removed_by=mentions.taken_out(row.removed_by),
                    removed_because=mentions.taken_out(row.removed_because),
                )
            )
        return rows, dropped

    # -- what is left ---------------------------------------------------------------------------

    def _shown_name(self, user: User) -> str:
        return str(stored_name(self._reader, self._name, user))

    def _names(self, person: _Person, graphs: tuple[Graph, Graph], after: _After) -> list[int]:
        """The names that lead to nobody for ever: the person's, and those whose founding event is
        no more and of whose users nothing is left, gone ones included."""
        before, now = graphs
        names = set(person.names)
        for user in before.held:
            is_unfounded = user.event_id in after.gone or user.event_id in after.stripped
            if is_unfounded and goes_on_as(before, now, before.find(user)) is None:
                names.add(stored_name(self._reader, self._name, user))
        for event_id, time_ms in after.gone.items():
            name = stored_name(self._reader, self._name, User(time_ms, Kind.OBSERVE, event_id))
            row = self._reader.user(self._name, name)
            if row is not None and row.gone:
                names.add(name)
        return sorted(names)

    def _erasure_row(self, said: Erasing, now_ms: int, counts: Mapping[str, int]) -> OperatorRow:
        number = max((row.operator_id for row in self._all_rows), default=0) + 1
        why = (said.author.strip(), said.reason.strip(), now_ms)
        kind = OperatorKind.ERASE.value
        of = (number, self._name, kind, (), "", now_ms)
        return OperatorRow(*of, *why, counts=tuple(counts.items()))

    def _forget(self, changes: Changes, after: _After, swept: Swept) -> None:
        """Add what goes beside the graph: bytes, rejections, event ids."""
        for payload_id, body in swept.bodies():
            if body is None:
                changes.dropped_payloads.append(payload_id)
            else:
                changes.edited_payloads.append((payload_id, body))
        changes.settled_rejections += [row.rejection_id for row in swept.rejections]
        gone = sorted({*after.gone, *after.stripped})
        changes.dropped_untimed += [(self._name, event_id) for event_id in gone]
        changes.untimed += [
            (self._name, rest.record.event_id)
            for _, rest in sorted(after.stripped.items())
            if not rest.record.timed
        ]
        changes.erased_identities += [(self._name, identity) for identity in self._erased]

    def _suppressed(self, swept: Swept, until_ms: int | None) -> Iterable[Suppressed]:
        """What is refused from now on; an erasure takes nothing back of an earlier one."""
        digests = Digests(self._remembered.key, self._name)
        known = {row.digest: row for row in self._remembered.suppressed}
        for identity, is_whole in self._erased.items():
            digest, until, whole = digests.identity(identity), until_ms, is_whole
            if (row := known.get(digest)) is not None:
                untils = (row.until_ms, until_ms)
                until = None if None in untils else max(one for one in untils if one is not None)
                whole = whole or row.whole
            yield Suppressed(self._name, digest, until, whole)
        for event_id in sorted(swept.by_event):
            yield Suppressed(self._name, digests.event(event_id), None, whole=True)
