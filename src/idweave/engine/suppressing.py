"""What was erased stays out: every delivery is looked at before it is accepted.

A store remembers digests under a random key of its own, so nobody who reads it learns whom it
keeps out, and nobody can try phone numbers without the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from idweave.core.erasure import carried, without
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.record import Code, Project, Record, Rejection, time_ms_of
from idweave.ports import Erased, PayloadRow, Store, Suppressed
from idweave.wire import Records, edit_payload, read_payload

from .door import Door
from .intake import Delivery, Parsed, places_of
from .mentions import record_without, sent_identities

KEY_BYTES = 32
DIGEST_BYTES, EVENT_DIGEST_BYTES = 16, 20
"""At least as long as an event id: two of a store's digests are never equal by chance. Those of
events are longer, so that they are told apart: where there are none, none are looked for."""

CACHED_MAX = 100_000
"""Identities, and sets of them, of which it is known whether they were erased: most records carry
what was seen just before, and then cost a look-up and no hashing."""

ERASED = Rejection(
    Code.ERASED,
    "identities",
    "The record carries an identity that was erased.",
    "Nothing is to be done, and nothing of the record is kept.",
)

Chance = Callable[[int], bytes]
"""So many random bytes."""


class Digests:
    """Keyed digests of what a project must not learn again."""

    def __init__(self, key: bytes, project: str) -> None:
        self._key = key
        self._project = project

    def identity(self, identity: Identity) -> bytes:
        """Of an identity."""
        return self._digest(("identity", *identity), DIGEST_BYTES)

    def event(self, event_id: str) -> bytes:
        """Of an event that says nothing of whose it was."""
        return self._digest(("event", event_id), EVENT_DIGEST_BYTES)

    def _digest(self, parts: tuple[str, ...], size: int) -> bytes:
        text = "\0".join((self._project, *parts)).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=size).digest()


class Suppressing:
    """What one project refuses since erasures."""

    def __init__(self, digests: Digests, rows: Iterable[Suppressed]) -> None:
        self._digests = digests
        self._rows = {row.digest: row for row in rows}
        self._has_events = any(len(digest) == EVENT_DIGEST_BYTES for digest in self._rows)
        self._known: dict[Identity, Suppressed | None] = {}
        self._clean: dict[tuple[Identity, ...], bool] = {}

    def is_clean(self, identities: tuple[Identity, ...]) -> bool:
        """Whether none of these was ever erased, as is so of nearly all records."""
        found = self._clean.get(identities)
        if found is None:
            if len(self._clean) >= CACHED_MAX:
                self._clean.clear()
            found = all(self._row(identity) is None for identity in identities)
            self._clean[identities] = found
        return found

    def keeps_out(self, time_ms: int, identities: Iterable[Identity]) -> dict[Identity, bool]:
        """Those of these identities that were erased, as seen at a time, each with whether all
        that carries it is refused."""
        found = ((identity, self._row(identity)) for identity in identities)
        return {
            identity: row.whole
            for identity, row in found
            if row is not None and (row.until_ms is None or time_ms <= row.until_ms)
        }

    def is_event(self, event_id: str) -> bool:
        """Whether this very event was erased."""
        return self._has_events and self._digests.event(event_id) in self._rows

    def _row(self, identity: Identity) -> Suppressed | None:
        if identity not in self._known:
            if len(self._known) >= CACHED_MAX:
                self._known.clear()
            self._known[identity] = self._rows.get(self._digests.identity(identity))
        return self._known[identity]


class _Raws:
    """The records of a delivery as sent, read from its payload when one is asked for first."""

    def __init__(self, delivery: Delivery) -> None:
        of = delivery.project, delivery.received_at_ms
        self.said = PayloadRow(0, *of, delivery.payload, delivery.stated)
        self._records: Records | None = None

    def at(self, nth: int) -> Mapping[str, Any] | None:
        """The record at a place; None for what is no sound record."""
        if self._records is None:
            self._records = read_payload(self.said.body)
        raw = self._records[nth] if 0 <= nth < len(self._records) else None
        return raw if isinstance(raw, Mapping) else None


class Guard:
    """Takes what was erased out of deliveries, before anything of them is decided or kept."""

    def __init__(self, store: Store, projects: Mapping[str, Project], door: Door) -> None:
        self._store = store
        self._projects = projects
        self._door = door
        self._suppressing: dict[str, Suppressing] = {}
        self.renew()

    def renew(self) -> None:
        """Read again what is kept out."""
        with self._store.reader() as reader:
            self.erased: Erased = reader.erased()
        rows: dict[str, list[Suppressed]] = {}
        for row in self.erased.suppressed:
            rows.setdefault(row.project, []).append(row)
        self._suppressing = {
            project: Suppressing(Digests(self.erased.key, project), some)
            for project, some in rows.items()
            if project in self._projects
        }

    def keeps_out(self, project: str, fact: Fact) -> bool:
        """Whether an erased identity keeps a fact out, or takes part of it away."""
        keeper = self._suppressing.get(project)
        return keeper is not None and bool(keeper.keeps_out(fact.time_ms, fact.identities))

    def checked(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """The deliveries as they may be accepted."""
        return list(map(self._checked, deliveries)) if self._suppressing else deliveries

    def _checked(self, delivery: Delivery) -> Delivery:
        if delivery.whole:
            return delivery
        items, edits = list(delivery.items), dict[int, Mapping[str, Any] | None]()
        raws = _Raws(delivery)
        for at, (nth, parsed) in enumerate(zip(places_of(delivery), delivery.items, strict=True)):
            keeper = self._suppressing.get(parsed[0])
            if keeper is not None and self._is_hit(keeper, parsed, raws, nth):
                items[at], edits[nth] = self._left_of(keeper, parsed, raws, nth)
        if not edits:
            return delivery
        payload = edit_payload(delivery.payload, edits) or b""
        return replace(delivery, items=tuple(items), payload=payload)

    def _is_hit(self, keeper: Suppressing, parsed: Parsed, raws: _Raws, nth: int) -> bool:
        project, item = parsed
        if isinstance(item, Rejection):
            return self._is_rejection_hit(keeper, project, raws, nth)
        fact = item.fact
        if fact is None:
            return False
        if fact.kind > Kind.LOGIN and keeper.is_clean(fact.identities):  # it names nobody else
            return keeper.is_event(item.event_id)
        about = carried(fact, self._projects[project].policy)
        return bool(keeper.keeps_out(item.time_ms, about)) or keeper.is_event(item.event_id)

    def _is_rejection_hit(self, keeper: Suppressing, project: str, raws: _Raws, nth: int) -> bool:
        """Whether the bytes of a record that is not believed would bring an identity back."""
        raw = raws.at(nth)
        if raw is None:
            return False
        sent_ms = time_ms_of(raw.get("time"))
        time_ms = raws.said.received_at_ms if sent_ms is None else sent_ms
        return bool(keeper.keeps_out(time_ms, sent_identities(raw, self._projects[project])))

    def _left_of(
        self, keeper: Suppressing, parsed: Parsed, raws: _Raws, nth: int
    ) -> tuple[Parsed, Mapping[str, Any] | None]:
        """What an item becomes, and its record with it."""
        project, item = parsed
        if isinstance(item, Record) and item.fact and not keeper.is_event(item.event_id):
            policy = self._projects[project].policy
            erased = keeper.keeps_out(item.time_ms, carried(item.fact, policy))
            fact, raw = without(item.fact, erased, policy), raws.at(nth)
            if fact is not None and raw is not None:
                stripper = Stripper(self._door, self._projects[project])
                found = stripper.stripped(raw, fact, raws.said)
                if found is not None:
                    return (project, found[1]), found[0]
        return (project, ERASED), None


class Stripper:
    """Makes records of what is left of a fact."""

    def __init__(self, door: Door, project: Project) -> None:
        self._door = door
        self._project = project

    def stripped(
        self, raw: Mapping[str, Any], fact: Fact, said: PayloadRow
    ) -> tuple[Mapping[str, Any], Record] | None:
        """A record that says no more than ``fact``, and how it reads; None where ``raw`` cannot be
        made into one."""
        left = set(fact.identities)
        gone = self._gone(raw, left, said)
        if said.stated:
            pairs = [pair for pair in raw["identities"] if Identity(*pair) in left]
            kept: Mapping[str, Any] = {**raw, "identities": pairs}
            about = self._project.policy.named_by(raw.get("distinct_id"))
            if about in gone:
                kept = {**kept, "distinct_id": None}
        else:
            strongest = (self._project.policy.effective(fact.identities) or fact.identities)[0]
            kept = record_without(raw, gone, strongest, self._project.policy)
        name, record = self._door.again(kept, said, vouched=True)
        if name != self._project.name or not isinstance(record, Record) or record.fact is None:
            return None
        if set(record.fact.identities) != left or record.fact.kind != fact.kind:
            return None
        fact = replace(record.fact, time_ms=fact.time_ms)
        return kept, replace(record, time_ms=fact.time_ms, fact=fact)

    def _gone(self, raw: Mapping[str, Any], left: set[Identity], said: PayloadRow) -> set[Identity]:
        _, record = self._door.again(raw, said, vouched=True)
        if not isinstance(record, Record) or record.fact is None:
            return set()
        return set(record.fact.identities) - left
