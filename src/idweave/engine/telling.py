"""What was said of identities, as facts with the place of each in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from idweave.core.errors import NotFound
from idweave.core.graph import User
from idweave.core.identity import Fact, Identity, Order
from idweave.core.policy import Policy
from idweave.core.resolve import first_name
from idweave.core.trace import Trace, trace
from idweave.ports import Place, Reader, fact_of

from .explained import Evidence, Named
from .reading import Payloads


@dataclass(frozen=True, slots=True)
class Told:
    """One fact: the type of its record, and where that stands."""

    fact: Fact
    type: str
    place: Place

    @property
    def order(self) -> Order:
        """The fact's place in the order of the law."""
        return self.fact.order


def groups_of(reader: Reader, project: str, identities: Iterable[Identity]) -> list[int]:
    """The groups of identities and all that crowded identities tie to these, directly or through
    others, ascending: whatever the rules, nothing else matters to them."""
    found = {reader.group_of(project, identity) for identity in identities}
    return _reached(found, lambda group: _beside(reader, group))


def deciding_groups(reader: Reader, project: str, identities: Iterable[Identity]) -> list[int]:
    """The groups of identities and those that say which of theirs are crowded, ascending: under
    the rules that hold, nothing else matters to them."""
    found = {reader.group_of(project, identity) for identity in identities}
    return _reached(found, reader.groups_behind)


def all_groups(reader: Reader, project: str) -> Iterator[list[int]]:
    """The groups of a project, those together that crowded identities tie, by the first."""
    done = set[int]()
    for group in reader.groups(project):
        if group not in done:
            tied = _reached({group}, lambda group: _beside(reader, group))
            done.update(tied)
            yield tied


def _beside(reader: Reader, group: int) -> list[int]:
    return reader.groups_behind(group) + [other for _, other in reader.loose_groups(group)]


def _reached(groups: Iterable[int | None], leads_to: Callable[[int], Iterable[int]]) -> list[int]:
    found = {group for group in groups if group is not None}
    front = list(found)
    while front:
        further = set(leads_to(front.pop())) - found
        found |= further
        front += sorted(further)
    return sorted(found)


def told_of(reader: Reader, groups: Iterable[int]) -> list[Told]:
    """All facts of these groups, in order."""
    found = [
        Told(fact, entry.type, Place(sighting.payload_id, entry.nth))
        for group in groups
        for key, sighting in reader.told(group)
        for entry in sighting.entries
        if (fact := fact_of(entry, key)) is not None
    ]
    return sorted(found, key=attrgetter("order"))


class Story:
    """The facts of some groups under a policy: what each did, where it stands, who is who."""

    def __init__(self, reader: Reader, project: str, policy: Policy, groups: list[int]) -> None:
        self.reader = reader
        self.project = project
        self.told = {one.fact.event_id: one for one in told_of(reader, groups)}
        self.trace: Trace = trace((one.fact for one in self.told.values()), policy)
        self._payloads = Payloads(reader)

    def named(self, identity: Identity) -> Named:
        """An identity, with the user that holds it now."""
        owner = self.trace.graph.owner.get(identity)
        return Named(*identity, None if owner is None else self.name(owner))

    def name(self, user: User) -> str:
        """The name of a user, merges followed."""
        return str(stored_name(self.reader, self.project, self.trace.graph.find(user)))

    def own_name(self, user: User) -> int:
        """The name that a user had before any merge."""
        return stored_name(self.reader, self.project, user)

    def evidence(self, fact: Fact) -> Evidence:
        """A fact as people look it up."""
        told = self.told[fact.event_id]
        received_at_ms, record = self._payloads.record(*told.place) or (None, {})
        lib = record.get("lib")
        sent_by = [lib.get(part) for part in ("$lib", "$lib_version")] if lib else []
        event = record.get("event")
        return Evidence(
            f"{fact.time_ms}-{fact.event_id}",
            fact.time_ms,
            fact.event_id,
            fact.kind.word,
            told.type,
            event if isinstance(event, str) else None,
            " ".join(part for part in sent_by if isinstance(part, str)) or None,
            received_at_ms,
            told.place.payload_id,
        )


def stored_name(reader: Reader, project: str, user: User) -> int:
    """The name that the store gave to a user; the one that it would give where it gave none."""
    name = first_name(user.event_id)
    while True:
        row = reader.user(project, name)
        if row is None or row.founder.event_id == user.event_id:
            return name
        name += 1


def seen(reader: Reader, project: str, *identities: Identity) -> tuple[Identity, ...]:
    """These identities, which must all be known. Raises NotFound."""
    for identity in identities:
        if reader.group_of(project, identity) is None:
            fix = "Check key and value; `idweave refusals` shows what was kept out."
            raise NotFound(f"{identity} was never seen in project {project!r}.", fix=fix)
    return identities
