"""A case as facts in the order of time, and what the engine answers once they were stated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from idweave.core.errors import NotFound
from idweave.core.evidence import identities_of
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.record import Project
from idweave.core.rejection import Rejection
from idweave.engine.answers import UserAnswer
from idweave.engine.engine import PAGE_MAX, Engine
from idweave.engine.past import NOW, Instant, PastEvent
from idweave.stores import open_store

Case = dict[str, Any]
Pair = tuple[str, str]

T0 = 1_700_000_000_000
STEP_MS = 60_000
"""Steps are a minute apart; what one step states is a millisecond apart."""

P = "peer"


class Said(NamedTuple):
    """One thing that a step states. ``event_id``: that of its step for the last one."""

    kind: Kind
    pairs: Sequence[Pair]
    named: Pair | None = None


class Told(NamedTuple):
    """What a step of a case comes to: things stated, and identities only asked for."""

    said: Sequence[Said] = ()
    asked: Sequence[Pair] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step that happened. ``number``: its place in the case, from 1 (earlier people: 0)."""

    number: int
    raw: Case
    event_id: str
    time_ms: int
    facts: tuple[Fact, ...]
    asked: tuple[Identity, ...]
    rejected: Rejection | None

    @property
    def op(self) -> str:
        """The system's own word for it."""
        return str(self.raw["op"])


def times(steps: Sequence[Case]) -> list[int]:
    """When each step happened, in ms: as its ``t`` or ``time`` orders them, else as listed."""
    sent = [_when(step) for step in steps]
    known = all(one is not None for one in sent)
    order = sorted(range(len(steps)), key=lambda place: (sent[place] if known else 0, place))
    found = [0] * len(steps)
    for rank, place in enumerate(order, 1):
        found[place] = T0 + rank * STEP_MS
    return found


def _when(step: Case) -> float | None:
    """Where a step stands, as far as it says so: a number, a clock time, or a date and time."""
    if isinstance(step.get("t"), int | float):
        return float(step["t"])
    text = str(step.get("time", ""))
    if clock := re.fullmatch(r"(?:\+(\d+)d )?(\d\d):(\d\d)", text):
        days, hours, minutes = (int(part or 0) for part in clock.groups())
        return (days * 24 + hours) * 60 + minutes
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def date_ms(text: str) -> int:
    """A date, as ms since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def date_of(time_ms: int) -> str:
    """The date of a time."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).date().isoformat()


class Making:
    """Steps on their way to facts, under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.steps: list[Step] = []

    def add(self, number: int, raw: Case, time_ms: int, told: Told) -> None:
        """Note what a step says. Its identities go through the door that those of records do."""
        event_id = str(raw.get("id", f"s{number}"))
        facts, rejected = [], None
        for nth, said in enumerate(told.said):
            last = nth == len(told.said) - 1
            found = identities_of(said.pairs, self.policy)
            if isinstance(found, Rejection):
                rejected = found
                continue
            named = said.named and "+".join(said.named)
            name = event_id if last else f"{event_id}.{nth}"
            facts.append(Fact(time_ms + nth, name, said.kind, found, named))
        asked = identities_of(told.asked, self.policy)
        assert isinstance(asked, tuple), asked
        self.steps.append(Step(number, raw, event_id, time_ms, tuple(facts), asked, rejected))


class Story:
    """What a case came to: everything by the answers of an engine on a store of its own."""

    def __init__(self, case: Case, policy: Policy, steps: Sequence[Step]) -> None:
        self.case = case
        self.policy = policy
        self.steps = sorted(steps, key=lambda step: (step.time_ms, step.number))
        self.engine = Engine(open_store("memory:"), {P: Project(P, policy)}, clock=lambda: T0)
        for step in self.steps:
            if step.facts:
                self.engine.state(P, step.facts)

    @cached_property
    def seen(self) -> list[Identity]:
        """Every identity that counts, once, as first stated."""
        found = (one for step in self.steps for fact in step.facts for one in fact.identities)
        return [one for one in dict.fromkeys(found) if self.policy.links(one)]

    def step(self, number: int) -> Step:
        """The step at a place of the case."""
        return next(step for step in self.steps if step.number == number)

    def at(self, step: Step) -> Instant:
        """The instant when a step was done."""
        return Instant(step.time_ms + max(len(step.facts) - 1, 0))

    # -- now ------------------------------------------------------------------------------------

    def users(self) -> Iterator[UserAnswer]:
        """Everybody, by founder."""
        found = [self.engine.user(P, name) for name in self.engine.user_names(P)]
        yield from sorted(found, key=lambda user: (user.founded_at_ms, user.founder_event))

    def held(self) -> list[frozenset[Identity]]:
        """What each user holds, the empty ones left out."""
        sets = (frozenset(one.identity for one in user.identities) for user in self.users())
        return [some for some in sets if some]

    def name_of(self, identity: Identity, at: Instant = NOW) -> str | None:
        """Who holds an identity; None for nobody."""
        try:
            user = self.engine.past_lookup(P, identity, at).user
        except NotFound:
            return None
        return None if user is None else user.canonical_id

    def holding(self, name: str, at: Instant = NOW) -> frozenset[Identity]:
        """What a user holds, or held."""
        user = self.engine.past_user(P, name, at)
        return frozenset(Identity(one.key, one.value) for one in user.identities)

    def refused(self, event_id: str) -> list[tuple[Identity, str]]:
        """What the step of an event was refused, and why."""
        (step,) = (step for step in self.steps if step.event_id == event_id)
        events = {f"{fact.time_ms}-{fact.event_id}" for fact in step.facts}
        rows = self.engine.refusals(P, limit=PAGE_MAX)
        return [(row.identity, row.reason) for row in rows if events & {row.first, row.last}]

    # -- whose events are -----------------------------------------------------------------------

    def event(self, event_id: str, at: Instant = NOW) -> PastEvent:
        """Whose an event was, as seen from an instant; nobody's where nothing in it counts."""
        try:
            return self.engine.past_event(P, event_id, at)
        except NotFound:
            return PastEvent(event_id, None, None, None)

    def owner(self, event_id: str, at: Instant = NOW) -> str | None:
        """The user of an event, as seen: merges followed."""
        return self.event(event_id, at).canonical_id

    def latest(self, event_id: str, at: Instant = NOW) -> str | None:
        """Who holds the identity now that decided whose an event is."""
        event = self.event(event_id, at)
        if event.key is None or event.value is None:
            return None
        return self.name_of(Identity(event.key, event.value), at)
