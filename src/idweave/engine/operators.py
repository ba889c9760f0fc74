"""Operator facts, planned: what each changes, before anything is written (RESOLUTION.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

from idweave.core.difference import Difference, difference
from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.event_id import DIGEST_BYTES
from idweave.core.graph import Reason
from idweave.core.identity import Fact, Identity
from idweave.core.record import TIME_MAX_MS, Record
from idweave.core.resolve import Resolution
from idweave.core.trace import trace
from idweave.ports import Entry, OperatorRow, Reader

from .door import Door
from .reading import Payloads
from .refused import MEANINGS, REMEDIES
from .retelling import Entered, Retelling, Sides
from .ruling import TIMED, OperatorKind, Rules, ruled
from .sets import links, set_key
from .telling import groups_of

AUTHOR_LENGTH_MAX = 100
REASON_LENGTH_MAX = 1_000
"""Characters: who and why, not a document."""

IDENTITIES_MAX = 1000
"""Identities of one statement: what a person picks on a page, or a script takes from a report."""

COUNTS: dict[OperatorKind, tuple[int, int]] = {
    OperatorKind.JOIN: (2, 2),
    OperatorKind.APART: (2, 2),
    OperatorKind.DETACH: (1, IDENTITIES_MAX),
    OperatorKind.RELEASE: (1, IDENTITIES_MAX),
    OperatorKind.BLOCK: (1, IDENTITIES_MAX),
    OperatorKind.RETRACT: (0, 0),
}
"""How many identities each statement is about."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What an operator says. ``event`` is the reference (or the id) of the event to retract;
    ``time_ms`` when a join, detach or release holds from, None: now."""

    kind: OperatorKind
    author: str
    reason: str
    identities: tuple[Identity, ...] = ()
    event: str | None = None
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement (or a removal) about to be written: its row, the facts that it concerns, the
    rules from now on, who was and who is who of them, and what that changes. ``fact`` is what it
    adds to the log."""

    row: OperatorRow
    told: Retelling
    rules: Rules
    sides: Sides
    changes: Difference
    fact: Fact | None = None


class Planner:
    """Plans over one consistent view of the store."""

    def __init__(self, reader: Reader, project: str, rows: list[OperatorRow], door: Door) -> None:
        self._reader = reader
        self._project = project
        self._rows = [row for row in rows if row.project == project]
        self._next_id = max((row.operator_id for row in rows), default=0) + 1
        self._door = door
        self._payloads = Payloads(reader)
        self._policy = door.policy(project)
        self._rules = ruled(self._policy, self._rows)

    def stated(self, said: Statement, now_ms: int) -> Plan:
        """What a statement would change. Raises InputError or NotFound for what cannot be."""
        _check(said)
        for identity in said.identities:
            self._check_identity(identity)
        row = OperatorRow(
            self._next_id,
            self._project,
            said.kind.value,
            said.identities,
            "",
            None,
            said.author.strip(),
            said.reason.strip(),
            now_ms,
        )
        self._check_contradictions(row)
        if said.kind in TIMED:
            return self._timed(row, now_ms if said.time_ms is None else said.time_ms)
        if said.kind is OperatorKind.RETRACT:
            return self._retract(row, said.event or "")
        return self._timeless(row, groups_of(self._reader, self._project, said.identities))

    def removed(self, operator_id: int, by: tuple[str, str], now_ms: int) -> Plan:
        """What taking a statement back would change; ``by``: author and reason."""
        found = [row for row in self._rows if row.operator_id == operator_id]
        if not found:
            fix = "`idweave operator list` shows them."
            problem = f"There is no operator fact {operator_id} in project {self._project!r}."
            raise NotFound(problem, fix=fix)
        (row,) = found
        if row.kind == OperatorKind.ERASE:
            raise Conflict("An erasure cannot be taken back.", fix="Nothing of it is kept.")
        if row.removed_ms is not None:
            fix = "State it again if it should hold again."
            raise Conflict(f"Operator fact {operator_id} is removed already.", fix=fix)
        check_text(*by)
        author, reason = by
        row = replace(
            row, removed_ms=now_ms, removed_by=author.strip(), removed_because=reason.strip()
        )
        return REMOVALS[OperatorKind(row.kind)](self, row)

    # -- kinds ----------------------------------------------------------------------------------

    def _timed(self, row: OperatorRow, time_ms: int) -> Plan:
        """A fact that is added to the log; refused where the rules would refuse it."""
        kind = TIMED[OperatorKind(row.kind)]
        fact = Fact(time_ms, _event_id(row, time_ms), kind, row.identities)
        row = replace(row, event_id=fact.event_id, time_ms=time_ms)
        told = self._groups_of(row.identities)
        before = told.graph(self._rules)
        told.entered.append(Entered(0, Entry(time_ms, fact.event_id, row.kind, 0), fact))
        done = trace((one.fact for one in told.entered), self._rules.policy)
        (decision,) = [one for one in done.decisions if one.fact is fact]
        for _, identity, reason in decision.refused:
            raise _refused(row, identity, reason)
        outcomes = {one.fact.event_id: one.outcome for one in done.decisions}
        sides = (before, Resolution(done.graph, outcomes))
        return Plan(row, told, self._rules, sides, difference(before, done.graph), fact)

    def _retract(self, row: OperatorRow, event: str) -> Plan:
        event_id = self._event_id_of(event)
        self._check_retraction(event_id)
        for key, sighting in self._reader.find_event(self._project, event_id):
            if key.identities:
                times = [one.time_ms for one in sighting.entries if one.event_id == event_id]
                row = replace(row, event_id=event_id, time_ms=times[0])
                groups = groups_of(self._reader, self._project, links(key))
                return self._timeless(row, groups)
        fix = "Name an event as `idweave events` and `idweave why` show them: time-event_id."
        raise NotFound(f"No event {event[:100]!r} links anything in {self._project!r}.", fix=fix)

    def _timeless(self, row: OperatorRow, groups: list[int]) -> Plan:
        told = Retelling()
        told.take(self._reader, groups)
        return self._plan(row, told)

    def _plan(self, row: OperatorRow, told: Retelling) -> Plan:
        rows = [one for one in self._rows if one.operator_id != row.operator_id]
        rules = ruled(self._policy, [*rows, row])
        before, now = told.graph(self._rules), told.resolution(rules)
        return Plan(row, told, rules, (before, now), difference(before, now.graph))

    # -- removals -------------------------------------------------------------------------------

    def take_out(self, row: OperatorRow) -> Plan:
        """A join, detach or release is taken out of the log, as a retracted event is."""
        return self._timeless(row, groups_of(self._reader, self._project, row.identities))

    def bring_back(self, row: OperatorRow) -> Plan:
        """A retracted event links again: its record is read again from its payload."""
        told = Retelling()
        returned: list[Identity] = []
        for _, sighting in self._reader.find_event(self._project, row.event_id):
            told.loosened.append(sighting)
            for entry in sighting.entries:
                if entry.event_id == row.event_id:
                    fact = self._read_again(sighting.payload_id, entry)
                    told.entered.append(Entered(sighting.payload_id, entry, fact))
                    returned += links(set_key(fact, self._rules.policy))
                else:
                    told.loose.append((sighting.payload_id, entry))
        told.take(self._reader, groups_of(self._reader, self._project, returned))
        return self._plan(row, told)

    def unblock(self, row: OperatorRow) -> Plan:
        """Blocked identities count again: everything of the project is read again."""
        return self._plan(row, self.everything())

    def everything(self) -> Retelling:
        """The whole log of the project, each record read again from its payload."""
        told = Retelling()
        told.take(self._reader, self._reader.groups(self._project))
        told.entered = [
            one._replace(fact=self._read_again(one.payload_id, one.entry)) for one in told.entered
        ]
        for sighting in self._reader.unlinked(self._project):
            told.loosened.append(sighting)
            for entry in sighting.entries:
                fact = self._fact_of(sighting.payload_id, entry)
                if fact is None:
                    told.loose.append((sighting.payload_id, entry))
                else:
                    told.entered.append(Entered(sighting.payload_id, entry, fact))
        return told

    def _read_again(self, payload_id: int, entry: Entry) -> Fact:
        fact = self._fact_of(payload_id, entry)
        if fact is None:
            fix = "Restore the policy that it was accepted under; `idweave policy diff` compares."
            problem = f"Event {entry.event_id} is not accepted any more under today's policy."
            raise Conflict(problem, fix=fix)
        return fact

    def _fact_of(self, payload_id: int, entry: Entry) -> Fact | None:
        """The fact of an entry, from its record; None for an item, and what is rejected today."""
        said = self._reader.payload(payload_id)
        found = self._payloads.record(payload_id, entry.nth)
        if said is None or found is None:
            return None
        _, record = self._door.again(found[1], said, vouched=True)
        if not isinstance(record, Record) or record.fact is None:
            return None
        return replace(record.fact, time_ms=entry.time_ms)

    # -- checks ---------------------------------------------------------------------------------

    def _groups_of(self, identities: Iterable[Identity]) -> Retelling:
        told = Retelling()
        told.take(self._reader, groups_of(self._reader, self._project, identities))
        return told

    def _check_identity(self, identity: Identity) -> None:
        if self._reader.group_of(self._project, identity) is None:
            fix = "Check key and value; nothing was changed."
            raise NotFound(f"{identity} was never seen in project {self._project!r}.", fix=fix)
        if not self._rules.policy.links(identity):
            fix = "Unblock it, or enable its key in the policy."
            raise Conflict(f"{identity} links nothing: it is blocked or disabled.", fix=fix)

    def _check_contradictions(self, row: OperatorRow) -> None:
        """``join`` and ``apart`` of the same two identities cannot both hold."""
        opposite = {"join": "apart", "apart": "join"}.get(row.kind)
        for other in self._rows:
            same = set(other.identities) == set(row.identities) and other.removed_ms is None
            if same and other.kind in (opposite, row.kind) and row.kind in ("join", "apart"):
                word = "contradicts" if other.kind == opposite else "repeats"
                fix = f"Remove operator fact {other.operator_id} first; nothing was changed."
                problem = f"This {row.kind} {word} the {other.kind} {other.operator_id}."
                raise Conflict(problem, fix=fix)

    def _check_retraction(self, event_id: str) -> None:
        for other in self._rows:
            if other.event_id == event_id and other.removed_ms is None:
                if other.kind == OperatorKind.RETRACT:
                    fix = f"Remove operator fact {other.operator_id} to undo that."
                    raise Conflict(f"Event {event_id} is retracted already.", fix=fix)
                fix = f"Remove operator fact {other.operator_id}: that takes it back."
                raise Conflict(f"Event {event_id} is what an operator stated.", fix=fix)

    @staticmethod
    def _event_id_of(event: str) -> str:
        """The id of an event that is named by its reference or its id."""
        time_ms, dash, event_id = event.partition("-")
        return event_id if dash and time_ms.isascii() and time_ms.isdigit() else event


REMOVALS: dict[OperatorKind, Callable[[Planner, OperatorRow], Plan]] = {
    OperatorKind.JOIN: Planner.take_out,
    OperatorKind.DETACH: Planner.take_out,
    OperatorKind.RELEASE: Planner.take_out,
    OperatorKind.APART: Planner.take_out,
    OperatorKind.RETRACT: Planner.bring_back,
    OperatorKind.BLOCK: Planner.unblock,
}
"""How each statement is taken back."""


def _event_id(row: OperatorRow, time_ms: int) -> str:
    """The id of a stated fact: its own, whatever else is stated at that time."""
    parts = (row.project, row.kind, str(time_ms), str(row.operator_id), *map(str, row.identities))
    text = "\0".join(("operator", *parts)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=DIGEST_BYTES).hexdigest()


def _refused(row: OperatorRow, identity: Identity, reason: Reason) -> Conflict:
    fix = REMEDIES[reason].format(key=identity.key)
    problem = f"The rules refuse this {row.kind}: {identity}: {MEANINGS[reason]}."
    return Conflict(problem, fix=f"{fix} Nothing was changed.")


def _check(said: Statement) -> None:
    if said.kind not in COUNTS:
        fix = "`idweave erase` does it."
        raise InputError(f"A {said.kind.value} is not stated.", fix=fix)
    least, most = COUNTS[said.kind]
    count = len(set(said.identities))
    if not least <= count <= most or count < len(said.identities):
        wanted = f"{least}" if least == most else f"{least} to {most}"
        problem = f"A {said.kind.value} is about {wanted} different identities, not {count}."
        raise InputError(problem, fix="`idweave operator --help` shows each.")
    if (said.kind is OperatorKind.RETRACT) == (said.event is None):
        raise InputError("A retract names an event, and nothing else does.", fix="Name one event.")
    if said.time_ms is not None and said.kind not in TIMED:
        fix = "Leave the time away: it holds at all times."
        raise InputError(f"A {said.kind.value} has no time.", fix=fix)
    if said.time_ms is not None and not 0 <= said.time_ms <= TIME_MAX_MS:
        raise InputError(f"{said.time_ms} is no time.", fix="Give milliseconds since 1970.")
    check_text(said.author, said.reason)


def check_text(author: str, reason: str) -> None:
    """Raise InputError where nobody says so, or no reason is given."""
    for name, text, most in (
        ("author", author, AUTHOR_LENGTH_MAX),
        ("reason", reason, REASON_LENGTH_MAX),
    ):
        if not 0 < len(text.strip()) <= most:
            fix = f"Give 1 to {most} characters: who looks back needs to know."
            raise InputError(f"The {name} is missing or too long.", fix=fix)
