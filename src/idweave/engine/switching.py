"""A change of policy, worked out over one consistent view: which groups it concerns, and these
told again, one after the other.

A group is left as it is where that is provably the same: every record of it is read as before, and
either all rules that its identities meet are unchanged, or it is one user under both policies in
whatever order its facts come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from idweave.core.difference import Difference, difference
from idweave.core.errors import Conflict
from idweave.core.identity import Fact, Identity
from idweave.core.policy import FactsFrom, KeyRule, Merge, Policy, WhenCrowded, WhenFull, WhenTaken
from idweave.core.record import Project, Record, Rejection
from idweave.core.rejection import Code
from idweave.ports import Changes, Entry, Reader, SetKey, Sighting, fact_of

from .door import Door
from .intake import Intake
from .reading import Payloads
from .retelling import Entered, Occasion, Retelling, retell
from .ruling import rules_of
from .sets import links, set_key
from .telling import all_groups, groups_of

REJECTED_SHOWN_MAX = 5
"""Events that a policy would orphan, as examples; all are counted."""

Tell = Callable[[int, int], None]
"""Told how far it is: groups done, of how many. Every group is looked at and then told again, or
left: it counts twice."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class _Part:
    """Groups, and entries that linked nothing until now, that are told again together."""

    groups: list[int] = field(default_factory=list)
    revived: list[Entered] = field(default_factory=list)


class Switch:
    """One change of a project's policy; the reader's view must be that of the last commit."""

    def __init__(self, reader: Reader, before: Project, after: Project, intake: Intake) -> None:
        name = before.name
        self._reader = reader
        self._name = name
        self._intake = intake
        self._door = Door({name: after})
        self._payloads = Payloads(reader)
        self._rules = (
            rules_of(before.policy, reader, name),
            rules_of(after.policy, reader, name),
        )
        self._alike = reads_alike(before.policy, after.policy)
        self._switches_alike = _switches(before.policy) == _switches(after.policy)
        self._parts = _Parts()
        self._emptied: list[tuple[Sighting, list[Entry]]] = []  # of nothing: and what stays of it
        self._rejected: Counter[str] = Counter()
        self._examples: list[str] = []
        self._told: list[Difference] = []
        self.groups = 0
        self.told_again = 0

    @property
    def differences(self) -> list[Difference]:
        """What differs, part by part, once all parts were made."""
        return self._told

    def look(self, tell: Tell) -> None:
        """Find out what is concerned. Raises Conflict where events would not be believed any
        more: then nothing must change."""
        reader, done = self._reader, 0
        self.groups = len(reader.groups(self._name))
        for groups in all_groups(reader, self._name):
            self._look_at(groups)
            done += len(groups)
            tell(done, 2 * self.groups)
        if not self._alike:
            for sighting in reader.unlinked(self._name):
                self._look_at_nothing(sighting)
        if self._rejected:
            raise self._orphans()
        self._parts.close(lambda identity: groups_of(reader, self._name, [identity]))
        self.told_again = sum(len(part.groups) for part in self._parts.all())

    def changes(self, now_ms: int, tell: Tell) -> Iterator[Changes]:
        """What to write, part by part; each is only made when the one before it is written."""
        occasion = Occasion(now_ms, first=self._intake.beginning(self._name))
        done = 2 * self.groups - self.told_again
        if self._emptied:
            stay = [replace_entries(one, left) for one, left in self._emptied if left]
            dropped = [one for one, _ in self._emptied]
            yield Changes(dropped_sightings=dropped, sightings=stay)
        for part in self._parts.all():
            yield self._changes_of(part, occasion)
            occasion = Occasion(now_ms)
            done += len(part.groups)
            tell(done, 2 * self.groups)

    # -- looking --------------------------------------------------------------------------------

    def _look_at(self, groups: list[int]) -> None:
        here, brought, has_changed = set[Identity](), set[Identity](), False
        for group in groups:
            for key, sighting in self._reader.told(group):
                here.update(links(key))
                for then in self._keys_then(key, sighting):
                    if then != key:
                        has_changed = True
                        brought.update(links(then))
        if has_changed or not self._is_same(groups, here):
            self._parts.add(_Part(groups), brought - here)

    def _keys_then(self, key: SetKey, sighting: Sighting) -> Iterator[SetKey]:
        """The sets of a sighting's entries under the other policy."""
        policy = self._rules[1].policy
        if not self._alike:
            for entry in sighting.entries:
                fact = self._read(sighting.payload_id, entry)
                if fact is not None:
                    yield set_key(fact, policy)
            return
        for entry in {entry.type: entry for entry in sighting.entries}.values():
            fact = fact_of(entry, key)
            if fact is not None:
                yield set_key(fact, policy)

    def _look_at_nothing(self, sighting: Sighting) -> None:
        """Entries that linked nothing may do so under the other policy."""
        _, withdrawn = self._rules[1]
        left: list[Entry] = []
        for entry in sighting.entries:
            fact = self._read(sighting.payload_id, entry)
            found = () if fact is None else links(set_key(fact, self._rules[1].policy))
            if fact is None or not found or entry.event_id in withdrawn:
                left.append(entry)
            else:
                revived = Entered(sighting.payload_id, entry, fact)
                self._parts.add(_Part([], [revived]), set(found))
        if len(left) < len(sighting.entries):
            self._emptied.append((sighting, left))

    def _read(self, payload_id: int, entry: Entry) -> Fact | None:
        """An entry's fact under the other policy; None for an item, and for what that rejects,
        which is noted."""
        said = self._reader.payload(payload_id)
        found = self._payloads.record(payload_id, entry.nth)
        if said is None or found is None:
            return None
        _, record = self._door.again(found[1], said, vouched=True)
        if isinstance(record, Record) and said.stated:
            record = self._undeclared(record)
        if isinstance(record, Rejection):
            self._note(record.code, f"{entry.time_ms}-{entry.event_id}: {record.reason}")
            return None
        return None if record.fact is None else replace(record.fact, time_ms=entry.time_ms)

    def _undeclared(self, record: Record) -> Record | Rejection:
        """What was stated without a record passes no door: its keys are looked at here."""
        for identity in () if record.fact is None else record.fact.identities:
            if self._rules[1].policy.rule(identity.key) is None:
                reason = f"No rule of the policy declares the identity key {identity.key}."
                return Rejection(Code.UNDEFINED_IDENTITY, "identities", reason, "")
        return record

    def _note(self, code: Code, example: str) -> None:
        self._rejected[code.value] += 1
        if len(self._examples) < REJECTED_SHOWN_MAX:
            self._examples.append(example)

    def _orphans(self) -> Conflict:
        counts = ", ".join(f"{code} {count}" for code, count in sorted(self._rejected.items()))
        events = sum(self._rejected.values())
        said = "event that is stored" if events == 1 else "events that are stored"
        problem = f"This policy would not believe {events} {said} ({counts}): {self._examples[0]}"
        fix = "Declare their keys (with `enabled = false` they link nothing). Nothing was changed."
        return Conflict(problem, fix=fix)

    def _is_same(self, groups: list[int], here: set[Identity]) -> bool:
        """Whether facts that are read as before come to the same under both policies."""
        before, after = (rules.policy for rules in self._rules)
        keys = {identity.key for identity in here}
        if (
            self._switches_alike
            and all(before.rule(key) == after.rule(key) for key in keys)
            and set(_apart(before, here)) == set(_apart(after, here))
        ):
            return True
        if len(groups) > 1 or after.merge is not Merge.ANY or any(_apart(after, here)):
            return False
        rows = self._intake.store.find_groups(groups).values()
        return not any(row.contested for row in rows) and after.fit_one_user(here)

    # -- telling again --------------------------------------------------------------------------

    def _changes_of(self, part: _Part, occasion: Occasion) -> Changes:
        told = Retelling()
        told.take(self._reader, part.groups)
        before = told.graph(self._rules[0])
        if not self._alike:
            told.entered = list(self._read_again(told.entered))
        told.entered += part.revived
        sides = (before, told.resolution(self._rules[1]))
        self._told.append(difference(before, sides[1].graph))
        rules = self._rules[1]
        return retell(self._intake, self._name, told, rules, sides=sides, occasion=occasion)

    def _read_again(self, entered: Iterable[Entered]) -> Iterator[Entered]:
        for one in entered:
            fact = self._read(one.payload_id, one.entry)
            if fact is not None:  # as it is: what is rejected was found by looking
                yield one._replace(fact=fact)


def replace_entries(sighting: Sighting, entries: list[Entry]) -> Sighting:
    """The same sighting with fewer entries."""
    return replace(sighting, entries=tuple(entries))


class _Parts:
    """Parts that share an identity, or a group, become one."""

    def __init__(self) -> None:
        self._parts: list[_Part | None] = []
        self._of_group: dict[int, int] = {}
        self._of_identity: dict[Identity, int] = {}
        self._into: dict[int, int] = {}

    def add(self, part: _Part, brought: set[Identity]) -> None:
        """A part that is told again; ``brought``: identities that its facts carry now."""
        number = len(self._parts)
        self._parts.append(part)
        for group in part.groups:
            self._of_group[group] = number
        for identity in sorted(brought):
            self._unite(self._of_identity.setdefault(identity, number), number)

    def close(self, groups_of: Callable[[Identity], list[int]]) -> None:
        """Take in the groups where identities that were brought are."""
        for identity, number in self._of_identity.items():
            for group in groups_of(identity):
                known = self._of_group.get(group)
                if known is None:
                    root = self._root(number)
                    self._of_group[group] = root
                    self._at(root).groups.append(group)
                else:
                    self._unite(known, number)

    def all(self) -> Iterator[_Part]:
        """The parts, in order."""
        return (part for part in self._parts if part is not None)

    def _at(self, number: int) -> _Part:
        part = self._parts[number]
        assert part is not None, "a root has its part"
        return part

    def _root(self, number: int) -> int:
        while number in self._into:
            number = self._into[number]
        return number

    def _unite(self, one: int, other: int) -> None:
        root, taken = sorted((self._root(one), self._root(other)))
        if root == taken:
            return
        into, gone = self._at(root), self._at(taken)
        into.groups += gone.groups
        into.revived += gone.revived
        self._into[taken] = root
        self._parts[taken] = None


# -- policies --------------------------------------------------------------------------------------


def reads_alike(one: Policy, other: Policy) -> bool:
    """Whether every record is the same fact with the same identities under both policies; only
    their rank may differ."""
    same_source = one.facts_from is other.facts_from
    return same_source and list(map(_reading, one.keys)) == list(map(_reading, other.keys))


def _reading(rule: KeyRule) -> KeyRule:
    """What of a rule decides how records are read: all but what decides who is who."""
    return replace(
        rule,
        rank=0,
        values_max=1,
        when_full=WhenFull.REJECT,
        when_taken=WhenTaken.KEEP,
        conflicts_max=None,
        when_crowded=WhenCrowded.FREEZE,
        parent=None,
        implied_max=None,
        follows=False,
    )


def _switches(policy: Policy) -> Policy:
    """What of a policy holds for all keys."""
    facts_from = FactsFrom.IDENTITIES  # decides how records are read, and that is looked at
    return replace(policy, keys=(), name="", apart=(), blocked=frozenset(), facts_from=facts_from)


def _apart(policy: Policy, here: set[Identity]) -> Iterator[frozenset[Identity]]:
    """The pairs that are kept apart among these identities."""
    for one, other in policy.apart:
        if one in here and other in here:
            yield frozenset({one, other})
