"""What if other rules held: the real history, folded under both, and the difference explained.

Nothing is written. Records are read again from their payloads under the other policy, so keys that
it declares, blocks or disables otherwise count as they would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from idweave.core.difference import Difference, difference
from idweave.core.graph import Graph, User
from idweave.core.identity import Fact, Identity
from idweave.core.linking import chain, gaps
from idweave.core.record import Project, Record, Rejection
from idweave.core.resolve import resolve
from idweave.core.trace import Trace, trace
from idweave.ports import Reader, Sighting

from .differing import difference_of
from .door import Door
from .operated import DifferenceAnswer
from .past import Instant
from .reading import Payloads
from .ruling import rules_of
from .telling import stored_name, told_of

EXPLAINED_MAX = 10
"""Changes that are explained: the largest, by the identities that they concern."""

REJECTED_SHOWN_MAX = 5
"""Events that the other policy rejects, as examples; all are counted."""


@dataclass(frozen=True, slots=True)
class GraphCounts:
    """How much a graph holds. ``refusals``: by reason, how often."""

    users: int
    identities: int
    merges: int
    refusals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LargestChange:
    """A user that is merged or split: ``users`` that it is made of or falls into, how many
    identities that concerns, and why."""

    what: str
    canonical_id: str
    users: tuple[str, ...]
    identities: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What other rules would make of the same history. ``rejected``: by code, events that would
    not be believed any more; ``examples`` of them."""

    project: str
    events: int
    rejected: Mapping[str, int]
    examples: tuple[str, ...]
    before: GraphCounts
    after: GraphCounts
    changes: DifferenceAnswer
    largest: tuple[LargestChange, ...]


class Trial:
    """One trial of other rules, over one consistent view."""

    def __init__(self, reader: Reader, project: Project, other: Project, upto: Instant) -> None:
        self._reader = reader
        self._name = project.name
        self._upto = upto
        self._rules = rules_of(project.policy, reader, project.name)
        self._other = rules_of(other.policy, reader, project.name)
        self._door = Door({project.name: other})
        self._rejected: Counter[str] = Counter()
        self._examples: list[str] = []

    def run(self) -> WhatIf:
        """Fold the history under both, and compare."""
        told = [
            one
            for one in told_of(self._reader, self._reader.groups(self._name))
            if self._upto.holds(one)
        ]
        before = resolve((one.fact for one in told), self._rules.policy).graph
        facts = list(self._facts())
        after = trace(facts, self._other.policy)
        found = difference(before, after.graph)
        return WhatIf(
            self._name,
            len(facts),
            dict(sorted(self._rejected.items())),
            tuple(self._examples),
            _counts(before),
            _counts(after.graph),
            difference_of(found, self._called),
            tuple(self._largest(found, before, after)),
        )

    def _called(self, user: User) -> str:
        return str(stored_name(self._reader, self._name, user))

    def _facts(self) -> Iterator[Fact]:
        """Every event's fact under the other policy; what that rejects is counted."""
        payloads = Payloads(self._reader)
        for sighting in self._sightings():
            said = self._reader.payload(sighting.payload_id)
            for entry in sighting.entries:
                found = payloads.record(sighting.payload_id, entry.nth)
                if said is None or found is None or not self._is_in(sighting, entry.time_ms):
                    continue
                _, record = self._door.again(found[1], said, vouched=True)
                if isinstance(record, Rejection):
                    self._note(record, f"{entry.time_ms}-{entry.event_id}")
                elif record.fact is not None and entry.event_id not in self._other.withdrawn:
                    yield self._timed(record, entry.time_ms)

    def _sightings(self) -> Iterator[Sighting]:
        for group in self._reader.groups(self._name):
            yield from (sighting for _, sighting in self._reader.told(group))
        yield from self._reader.unlinked(self._name)

    def _is_in(self, sighting: Sighting, time_ms: int) -> bool:
        at = self._upto
        is_late = at.time_ms is not None and time_ms > at.time_ms
        return not is_late and (at.position is None or sighting.payload_id <= at.position)

    @staticmethod
    def _timed(record: Record, time_ms: int) -> Fact:
        assert record.fact is not None, "items were left out"
        return replace(record.fact, time_ms=time_ms)

    def _note(self, rejection: Rejection, reference: str) -> None:
        self._rejected[rejection.code.value] += 1
        if len(self._examples) < REJECTED_SHOWN_MAX:
            self._examples.append(f"{reference}: {rejection.reason}")

    # -- the largest changes ----------------------------------------------------------------------

    def _largest(self, found: Difference, before: Graph, after: Trace) -> Iterator[LargestChange]:
        merged = [
            (sum(len(before.members(user)) for user in of), "merged", now, of)
            for now, of in found.merged
        ]
        split = [(len(before.members(user)), "split", user, into) for user, into in found.split]
        ranked = sorted([*merged, *split], key=lambda row: (-row[0], row[1:3]))
        for size, what, user, others in ranked[:EXPLAINED_MAX]:
            pair = _pair(what, before, after.graph, (user, others))
            why = tuple(_told(after, *pair)) if pair else (_ALL_LEFT,)
            names = tuple(map(self._called, others))
            yield LargestChange(what, self._called(user), names, size, why)


_ALL_LEFT = "One of them holds nothing under these rules: all its identities left or were refused."


def _counts(graph: Graph) -> GraphCounts:
    refusals: Counter[str] = Counter()
    for key, seen in graph.refusals.items():
        refusals[key.reason.value] += seen.times
    users = sum(1 for _ in graph.users())
    return GraphCounts(users, len(graph.owner), len(graph.redirect), dict(sorted(refusals.items())))


def _pair(
    what: str, before: Graph, after: Graph, change: tuple[User, tuple[User, ...]]
) -> tuple[Identity, Identity] | None:
    """Two identities whose case stands for the change: of two users that merged, or of one that is
    split."""
    user, others = change
    if what == "merged":
        sides = [[one for one in before.members(of) if one in after.owner] for of in others[:2]]
    else:
        members = before.members(user)
        sides = [[one for one in members if after.owner.get(one) == of] for of in others[:2]]
    return (sides[0][0], sides[1][0]) if all(sides) else None


def _told(after: Trace, one: Identity, other: Identity) -> Iterator[str]:
    """Why two identities are, or are not, one user under the other rules."""
    links = chain(after, one, other)
    for fact, left, right in links or ():
        yield f"{left} and {right}: {fact.kind.word} {fact.time_ms}-{fact.event_id}"
    if links is not None:
        return
    found = gaps(after, one, other)
    if found is None:
        yield f"No event leads from {one} to {other}."
    if found is not None and not any(gap.refused or gap.left for gap in found):
        yield f"Under these rules no event ties {one} and {other} to the same user."
    for gap in found or ():
        for refused in gap.refused:
            yield f"{refused.identity} was refused {refused.times} x: {refused.reason.value}"
        for left_one in gap.left:
            by = left_one.by
            yield f"{left_one.stay.identity} left by {by.kind.word} {by.time_ms}-{by.event_id}"
