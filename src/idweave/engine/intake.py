"""The way in: deliveries become sightings, facts and rejections, in one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idweave.core.identity import Fact
from idweave.core.record import Code, Project, Record, Rejection
from idweave.ports import (
    Change,
    Changes,
    Entry,
    OperatorRow,
    PayloadRow,
    Place,
    RejectionRow,
    SetKey,
    Sighting,
    Store,
)

from .answers import Receipt
from .beginning import beginning, is_untold
from .grouping import Grouping
from .inforce import BY_CONFIGURATION, row_of
from .known import Ids, KnownSet
from .ruling import Rules, ruled
from .stating import record_of, stated_payload

REJECTED_BYTES_MAX = 256 * 1024 * 1024
"""Payload bytes kept for the rejections of one project. Past it they are only counted: a broken
sender must not fill the disk that good records need."""

DEFAULT_PROJECT = "default"
"""Where records go that name no project, neither themselves nor in the URL."""

UNKNOWN_PROJECT = "?"
"""Where records of undeclared projects are counted: their names are anybody's to invent."""

UNKNOWN_REJECTED_BYTES_MAX = 1024 * 1024
"""As above, for undeclared projects: a sample is enough to see who sends there."""

WHOLE_REQUEST = -1
"""The place of a rejection that is about a whole request."""

Parsed = tuple[str, Record | Rejection]
"""A project's name, and one record for it or why it is none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request, or one imported block: its bytes and what they hold, in order.

    ``payload`` is gzip, as :func:`idweave.wire.read_payload` reads it; ``project`` whom its records
    are for that do not say so themselves. ``whole``: the one item is about the request itself.
    ``stated``: a payload of :mod:`.stating`. ``places`` are those of the items in the payload,
    where they are not 0, 1, 2 … ``edition``: of the door's rules that they were checked by (None:
    by none that change).
    """

    payload: bytes
    received_at_ms: int
    items: tuple[Parsed, ...]
    project: str = DEFAULT_PROJECT
    crc_mismatch: bool = False
    whole: bool = False
    stated: bool = False
    places: tuple[int, ...] | None = None
    edition: int | None = None


def state_facts(project: str, facts: Iterable[Fact], received_at_ms: int) -> Delivery:
    """A delivery of facts that no record carried, as operators state them."""
    told = list(facts)
    items = tuple((project, record_of(fact)) for fact in told)
    return Delivery(stated_payload(told), received_at_ms, items, project, stated=True)


Arrival = tuple[Record, int, int]
"""A record that may be new, the number of its delivery, and its place in it."""

NOTHING = SetKey(())
"""The set of what links nothing: items, and facts of which nothing counts."""

NO_SET = KnownSet(0, None, 0)


class Intake:
    """Accepts deliveries. Not thread-safe: the engine lets one thread in at a time."""

    def __init__(
        self,
        store: Store,
        projects: Mapping[str, Project],
        checked: Callable[[Sequence[Delivery]], Sequence[Delivery]] = lambda said: said,
    ) -> None:
        self._store = store
        self._checked = checked  # takes out what was erased
        self._projects = projects
        self._ids = Ids(store)
        self._groupings: dict[str, Grouping] = {}
        self.has_told = False
        """Whether the last batch changed anything of who is who."""
        with store.reader() as reader:
            self._operators = reader.operators(None)
            policies = reader.policies(None)
            self._untold = {name for name in reader.projects() if is_untold(reader, name)}
            self._rejected_bytes = Counter(
                {
                    project: count
                    for (project, name), count in reader.counters(None).items()
                    if name == "rejected_bytes"
                }
            )

        self._policed = {row.project for row in policies}
        self._policies_given = max((row.number for row in policies), default=0)

    def accept(
        self,
        deliveries: Sequence[Delivery],
        settled: Sequence[RejectionRow] = (),
        operators: Sequence[OperatorRow] = (),
    ) -> list[Receipt]:
        """Make all deliveries durable, in one transaction, and settle the rejections that they
        answer; ``operators`` are the rows of facts that operators state by them. Raises StoreError,
        and then nothing is written or remembered."""
        deliveries = self._checked(deliveries)
        changes = Changes(settled_rejections=[row.rejection_id for row in settled])
        changes.operators += operators
        for row in settled:
            for name in ("received", "rejected", f"rejected_{row.code}"):
                place = (row.project, name)
                changes.counters[place] = changes.counters.get(place, 0) - 1
        try:
            receipts = _Batch(self, changes).run(deliveries)
            self._store.commit(changes)
        except BaseException:
            for grouping in self._groupings.values():
                grouping.forget()
            raise
        self.has_told = bool(changes.feed)
        self._untold.difference_update(project for project, *_ in changes.feed)
        for grouping in self._groupings.values():
            grouping.trim()
        self.committed(changes)
        return receipts

    def committed(self, changes: Changes) -> None:
        """Know after a commit how much is kept for rejections, and which projects have begun."""
        self._policed.update(row.project for row in changes.policies)
        for (project, name), count in changes.counters.items():
            if name == "rejected_bytes":
                self._rejected_bytes[project] += count

    def grouping(self, project: str) -> Grouping:
        """The groups of a project."""
        found = self._groupings.get(project)
        if found is None:
            stated = (row for row in self._operators if row.project == project)
            rules = ruled(self._projects[project].policy, stated)
            found = self._groupings[project] = self.fresh_grouping(project, rules)
        return found

    def fresh_grouping(self, project: str, rules: Rules) -> Grouping:
        """Groups under these rules, with nothing in memory yet."""
        grouping = Grouping(project, rules.policy, self._store, self._ids)
        grouping.withdrawn = rules.withdrawn
        return grouping

    def renew(self, project: str) -> None:
        """Forget a project's groups and rules: what operators stated has changed."""
        self._groupings.pop(project, None)
        with self._store.reader() as reader:
            self._operators = reader.operators(None)

    def next_policy(self) -> int:
        """The next number of a policy."""
        self._policies_given += 1
        return self._policies_given

    def begin(self, project: str, now_ms: int, changes: Changes) -> None:
        """Write down the policy that a project begins with, when something comes for it first."""
        if project in self._policed or any(row.project == project for row in changes.policies):
            return
        declared, number = self._projects[project], self.next_policy()
        changes.policies.append(row_of(number, declared, BY_CONFIGURATION, now_ms))

    def beginning(self, project: str) -> list[Change]:
        """What the feed of a project must tell first."""
        return beginning(self._store, project) if project in self._untold else []

    def has_room(self, project: str) -> bool:
        """Whether a project's rejections are still kept, or only counted."""
        bound = UNKNOWN_REJECTED_BYTES_MAX if project == UNKNOWN_PROJECT else REJECTED_BYTES_MAX
        return self._rejected_bytes[project] < bound

    def next_id(self, kind: str) -> int:
        """The next number of a kind of row."""
        return self._ids.next(kind)

    @property
    def store(self) -> Store:
        """Where everything goes."""
        return self._store


class _Batch:
    """One transaction on its way."""

    def __init__(self, intake: Intake, changes: Changes) -> None:
        self._intake = intake
        self._changes = changes
        self._payload_ids: dict[int, int] = {}
        self._entries: dict[tuple[int, int], list[Entry]] = defaultdict(list)
        self._duplicates: Counter[int] = Counter()
        self._rejected: Counter[int] = Counter()

    def run(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for number, delivery in enumerate(deliveries):
            self._sort_out(number, delivery, arrivals)
        for project, arrived in arrivals.items():
            began_ms = deliveries[arrived[0][1]].received_at_ms
            self._intake.begin(project, began_ms, self._changes)
            told = self._take(project, arrived)
            if told:
                before = self._intake.beginning(project)
                at_ms = max(delivery.received_at_ms for delivery in deliveries)
                self._changes.feed.append((project, at_ms, [*before, *self._stated(told)]))
        for (number, set_id), entries in self._entries.items():
            sighting = Sighting(set_id, self._payload_id(number), tuple(entries))
            self._changes.sightings.append(sighting)
        self._store_payloads(deliveries)
        return [self._receipt(number, len(said.items)) for number, said in enumerate(deliveries)]

    def _receipt(self, number: int, received: int) -> Receipt:
        rejected, duplicates = self._rejected[number], self._duplicates[number]
        return Receipt(received, received - rejected - duplicates, rejected, duplicates)

    def _sort_out(
        self, number: int, delivery: Delivery, arrivals: dict[str, list[Arrival]]
    ) -> None:
        """Records by project; rejections are written down."""
        if delivery.crc_mismatch and delivery.items:
            self._count(delivery.items[0][0], "crc_mismatches")
        size = len(delivery.payload) // max(len(delivery.items), 1)
        for nth, (project, item) in zip(places_of(delivery), delivery.items, strict=True):
            if isinstance(item, Rejection):
                self._rejected[number] += 1
                refused = Refused(project, item, nth, delivery.received_at_ms, size)
                reject(self._intake, refused, self._payload_id(number), self._changes)
            else:
                arrivals[project].append((item, number, nth))

    def _count(self, project: str, name: str, added: int = 1) -> None:
        count(self._changes, project, name, added)

    def _take(self, project: str, arrived: list[Arrival]) -> list[Change]:
        """Everything that is new of one project's records; what that changes of who is who."""
        grouping = self._intake.grouping(project)
        keys = [_key(grouping, record) for record, _, _ in arrived]
        grouping.prefetch(keys)
        seen = self._known_before(project, grouping, zip(arrived, keys, strict=True))
        duplicates = 0
        known, entries, before = NO_SET, list[Entry](), (-1, NOTHING)
        for (record, number, nth), key in zip(arrived, keys, strict=True):
            if record.event_id in seen:
                self._duplicates[number] += 1
                duplicates += 1
                continue
            seen.add(record.event_id)
            if before[1] is not key or before[0] != number:  # mostly a run of the same
                known, before = grouping.known_set(key, self._changes), (number, key)
                entries = self._entries[number, known.set_id]
            if record.time_ms > known.newest_ms:
                known.newest_ms = record.time_ms
            entries.append(Entry(record.time_ms, record.event_id, record.type, nth))
            if not record.timed:
                self._changes.untimed.append((project, record.event_id))
            if record.fact is not None:
                grouping.add(known, record.fact)
        told = grouping.flush(self._changes)
        self._count(project, "received", len(arrived))
        self._count(project, "accepted", len(arrived) - duplicates)
        self._count(project, "duplicates", duplicates)
        return told

    def _stated(self, told: list[Change]) -> list[Change]:
        """The same, each with the operator fact that its event is."""
        numbers = {f"{row.time_ms}-{row.event_id}": row for row in self._changes.operators}
        if not numbers:
            return told
        return [
            one._replace(operator_id=numbers[one.event].operator_id)
            if one.event in numbers
            else one
            for one in told
        ]

    def _known_before(
        self, project: str, grouping: Grouping, arrived: Iterable[tuple[Arrival, SetKey]]
    ) -> set[str]:
        """Event ids in the store already, looked for only where a repeat is possible: a set that
        was seen at that time or later, or a time that the record did not carry itself."""
        spans: dict[int, tuple[KnownSet, int, int]] = {}
        untimed = []
        for (record, _, _), key in arrived:
            if not record.timed:
                untimed.append(record.event_id)
            known = grouping.sets.get(key)
            if known is not None and record.time_ms <= known.newest_ms:
                _, low, high = spans.get(known.set_id, (known, record.time_ms, record.time_ms))
                low, high = min(low, record.time_ms), max(high, record.time_ms)
                spans[known.set_id] = (known, low, high)
        found: set[str] = set()
        for known, low, high in spans.values():
            found |= self._intake.store.seen(project, known.set_id, low, high)
        if untimed:
            found |= self._intake.store.seen_untimed(project, untimed)
        return found

    def _payload_id(self, number: int) -> int:
        payload_id = self._payload_ids.get(number)
        if payload_id is None:
            payload_id = self._payload_ids[number] = self._intake.next_id("payload")
        return payload_id

    def _store_payloads(self, deliveries: Sequence[Delivery]) -> None:
        """Keep the bytes of every delivery that anything refers to; repeats are not kept again."""
        needed = {row.place.payload_id for row in self._changes.rejections}
        needed |= {sighting.payload_id for sighting in self._changes.sightings}
        for number, payload_id in sorted(self._payload_ids.items()):
            if payload_id in needed:
                said = deliveries[number]
                row = PayloadRow(
                    payload_id, said.project, said.received_at_ms, said.payload, said.stated
                )
                self._changes.payloads.append(row)


def count(changes: Changes, project: str, name: str, added: int) -> None:
    """Add to a counter of a project."""
    changes.counters[project, name] = changes.counters.get((project, name), 0) + added


class Refused(NamedTuple):
    """A record that is kept and not believed: where it stands in its payload, when that came, and
    its share of the payload's bytes."""

    project: str
    why: Rejection
    nth: int
    received_at_ms: int
    size: int


def reject(intake: Intake, refused: Refused, payload_id: int, changes: Changes) -> None:
    """Write a rejection down; where a project has too many, only count it."""
    project, why = refused.project, refused.why
    for name in ("received", "rejected", f"rejected_{why.code.value}"):
        count(changes, project, name, 1)
    if why.code is Code.ERASED:  # nothing of it is kept
        return
    if not intake.has_room(project):
        count(changes, project, "rejected_unkept", 1)
        return
    said = (why.code.value, why.field, why.reason, why.fix)
    number, place = intake.next_id("rejection"), Place(payload_id, refused.nth)
    row = RejectionRow(number, project, *said, refused.received_at_ms, place)
    changes.rejections.append(row)
    count(changes, project, "rejected_bytes", refused.size)


def places_of(delivery: Delivery) -> Iterable[int]:
    """Where the items of a delivery stand in its payload."""
    if delivery.whole:
        return (WHOLE_REQUEST,)
    return range(len(delivery.items)) if delivery.places is None else delivery.places


def _key(grouping: Grouping, record: Record) -> SetKey:
    if record.fact is None or record.event_id in grouping.withdrawn:
        return NOTHING
    return grouping.key_of(record.fact)
