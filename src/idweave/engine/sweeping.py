"""Every place of the log that an erasure touches, and what each place becomes.

The bytes of a person stand in more places than its events: a request that a client sent twice, a
record that was rejected, a reason that an operator wrote. So all payloads are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from idweave.core.erasure import without
from idweave.core.identity import Identity
from idweave.core.record import Project, Record
from idweave.ports import PayloadRow, Place, Reader, RejectionRow
from idweave.wire import content_of, edit_payload, read_payload, sent_records

from .door import Door
from .intake import UNKNOWN_PROJECT, WHOLE_REQUEST
from .mentions import Mentions
from .suppressing import Stripper

REJECTIONS_READ = 1000
"""Rejections looked at in one question."""


class Rest(NamedTuple):
    """What a record becomes that goes on without an erased identity, and how it reads."""

    raw: Mapping[str, Any]
    record: Record


Edit = Rest | None
"""What a place becomes; None: its record goes."""


class Untouched(Enum):
    """The place of a record that stays as it is."""

    UNTOUCHED = "untouched"


UNTOUCHED = Untouched.UNTOUCHED


@dataclass(frozen=True, slots=True)
class Target:
    """What is erased: identities, each with whether all that carries it goes; the places of the
    person's own events; and the ids of other events that go whatever they carry."""

    project: Project
    identities: Mapping[Identity, bool]
    own: frozenset[Place]
    events: frozenset[str]
    until_ms: int | None


@dataclass(slots=True)
class Swept:
    """What a sweep found. ``edits``: what places become; ``sets`` those of events among them;
    ``by_event``: events that nothing but their id would keep out; ``rejections`` go;
    ``mentions``: events of others that stay and have a value in their texts; ``carried``: what
    the events that go or are edited carried."""

    edits: dict[int, dict[int, Edit]] = field(default_factory=lambda: defaultdict(dict))
    said: dict[int, PayloadRow] = field(default_factory=dict)
    sets: set[int] = field(default_factory=set)
    seen: set[Place] = field(default_factory=set)
    by_event: set[str] = field(default_factory=set)
    rejections: list[RejectionRow] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    mentions: int = 0
    carried: set[Identity] = field(default_factory=set)

    def edit_at(self, payload_id: int, nth: int) -> Edit | Untouched:
        """What a place becomes."""
        return self.edits.get(payload_id, {}).get(nth, UNTOUCHED)

    def bodies(self) -> Iterator[tuple[int, bytes | None]]:
        """The payloads that change, each with its new body, None where nothing is left of it."""
        for payload_id in sorted({*self.edits, *self.dropped}):
            if payload_id in self.dropped:
                yield payload_id, None
                continue
            places = self.edits[payload_id]
            raws = {nth: None if edit is None else edit.raw for nth, edit in places.items()}
            yield payload_id, edit_payload(self.said[payload_id].body, raws)


class Sweep:
    """Looks at everything that one store was told."""

    def __init__(self, reader: Reader, target: Target, door: Door) -> None:
        self._reader = reader
        self._target = target
        self._door = door
        self._stripper = Stripper(door, target.project)
        self._mentions = Mentions(target.identities)
        self._loose: set[Place] = set()
        self._swept = Swept()

    def run(self, wanted: Iterable[int]) -> Swept:
        """Look at all payloads; closely at ``wanted``, and at those that may mention somebody."""
        closely = {*wanted, *(place.payload_id for place in self._target.own)}
        for said in self._reader.payloads():
            known = said.payload_id in closely
            if known or self._mentions.may_be_in(content_of(said.body)):
                self._swept.said[said.payload_id] = said
                self._look(said)
        self._find_seen()
        self._find_rejected()
        for place in sorted(self._loose - self._swept.seen):
            self._swept.edits[place.payload_id][place.nth] = None  # nobody refers to it
        self._swept.mentions = len(self._loose & self._swept.seen)
        return self._swept

    def _look(self, said: PayloadRow) -> None:
        sent = sent_records(said.body)
        for nth, raw in enumerate(read_payload(said.body)):
            place = Place(said.payload_id, nth)
            if not isinstance(raw, Mapping):
                if self._mentions.are_in_record(sent[nth]):
                    self._loose.add(place)
                continue
            name, parsed = self._door.again(raw, said, vouched=True)
            if name not in (self._target.project.name, UNKNOWN_PROJECT):
                continue
            if isinstance(parsed, Record) and parsed.fact is not None:
                self._weigh(said, place, Rest(raw, parsed))
            elif self._mentions.are_in_record(raw):
                self._loose.add(place)

    def _weigh(self, said: PayloadRow, place: Place, sent: Rest) -> None:
        """What becomes of the record of an event."""
        fact, target = sent.record.fact, self._target
        assert fact is not None, "only records with a fact are weighed"
        places = self._swept.edits
        rest = without(fact, target.identities, target.project.policy)
        goes = place in target.own or fact.event_id in target.events
        if not goes and rest is fact:
            if self._mentions.are_in_record(sent.raw):
                self._quote(said, place, sent)
            return
        self._swept.carried.update(fact.identities)
        found = None if goes or rest is None else self._stripper.stripped(sent.raw, rest, said)
        places[place.payload_id][place.nth] = None if found is None else Rest(*found)
        is_later = target.until_ms is not None and fact.time_ms > target.until_ms
        if found is None and (rest is not None or is_later):
            self._swept.by_event.add(fact.event_id)

    def _quote(self, said: PayloadRow, place: Place, sent: Rest) -> None:
        """What only mentions a value: what an operator wrote goes on without it, as the id of such
        an event does not depend on it; a record of somebody else's stays."""
        texts = ("author", "reason")
        if said.stated and any(self._mentions.are_in_record(sent.raw.get(one)) for one in texts):
            scrubbed = {one: self._mentions.taken_out(str(sent.raw.get(one))) for one in texts}
            rest = Rest({**sent.raw, **scrubbed}, sent.record)
            self._swept.edits[place.payload_id][place.nth] = rest
        else:
            self._loose.add(place)

    def _find_seen(self) -> None:
        """Which of the places are those of events, and in which sets these were seen."""
        swept = self._swept
        for sighting in self._reader.log():
            if sighting.payload_id in swept.said:
                places = swept.edits.get(sighting.payload_id, {})
                swept.seen |= {Place(sighting.payload_id, entry.nth) for entry in sighting.entries}
                if any(entry.nth in places for entry in sighting.entries):
                    swept.sets.add(sighting.set_id)
        for payload_id, places in swept.edits.items():
            for nth in places:
                if Place(payload_id, nth) not in swept.seen:  # a repeat, which was not kept
                    places[nth] = None

    def _find_rejected(self) -> None:
        """Rejections whose bytes hold a value; what others were rejected for stays."""
        after = 0
        while rows := self._reader.rejections(None, after, REJECTIONS_READ):
            after = rows[-1].rejection_id
            for row in rows:
                if row.place.payload_id not in self._swept.said:
                    continue
                if row.project not in (self._target.project.name, UNKNOWN_PROJECT):
                    self._loose.discard(row.place)
                else:
                    self._reject(row)

    def _reject(self, row: RejectionRow) -> None:
        """Forget a rejection with its bytes, if those hold a value."""
        payload_id, nth = row.place
        if nth == WHOLE_REQUEST:
            content = content_of(self._swept.said[payload_id].body).decode("utf-8", "replace")
            if self._mentions.are_in(content):
                self._swept.dropped.add(payload_id)
                self._swept.rejections.append(row)
        elif row.place in self._loose or self._swept.edit_at(payload_id, nth) is not UNTOUCHED:
            self._swept.edits[payload_id][nth] = None
            self._swept.rejections.append(row)


def at_its_time(rest: Rest, time_ms: int) -> Rest:
    """The same at the time that it was stored with: a clock may have been corrected."""
    record = rest.record
    fact = None if record.fact is None else replace(record.fact, time_ms=time_ms)
    return Rest(rest.raw, replace(record, time_ms=time_ms, fact=fact))
