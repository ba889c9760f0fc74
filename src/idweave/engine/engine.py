"""The engine: every use case of the product in one face."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from idweave.core.errors import InputError, NotFound
from idweave.core.identity import Fact, Identity
from idweave.core.record import Project
from idweave.ports import Changes, Clock, IdentityState, Reader, RejectionRow, Store
from idweave.wire import Decoded

from .answers import (
    Event,
    EventPage,
    FormerIdentity,
    HeldIdentity,
    IdentityAnswer,
    ProfileAnswer,
    Receipt,
    RefusalAnswer,
    RejectionAnswer,
    RetrySummary,
    Stats,
    UserAnswer,
)
from .applying import Applying
from .door import Door
from .explaining import PAGE_MAX, Explaining
from .exporting import export_lines
from .following import Listener
from .inforce import projects_in_force
from .intake import UNKNOWN_PROJECT, Delivery, Intake, state_facts
from .operating import Operating
from .profiles import OPERATIONS, fold
from .reading import (
    END_OF_TIME_MS,
    Found,
    Payloads,
    Walk,
    all_names,
    canonical_number,
    follow,
)
from .refused import MEANINGS
from .rejected import Retry, raw_text
from .replaying import replay_deliveries
from .suppressing import Chance, Guard

ATTRIBUTIONS = ("as_seen", "latest")

__all__ = ["ATTRIBUTIONS", "PAGE_MAX", "Engine"]


class Engine(Explaining, Operating, Applying):
    """Accepts deliveries and answers questions. Thread-safe: one writer at a time, any readers."""

    def __init__(
        self,
        store: Store,
        projects: Mapping[str, Project],
        *,
        clock: Clock,
        chance: Chance = secrets.token_bytes,
    ) -> None:
        self.declared = projects
        self._projects = projects_in_force(store, projects)
        self.projects: Mapping[str, Project] = self._projects
        """The declared projects, each with the policy in force."""
        self.clock = clock
        self._store = store
        self._chance = chance
        self._door = Door(self.projects)
        self._guard = Guard(store, self.projects, self._door)
        self._intake = Intake(store, self.projects, self._guard.checked)
        self._writing = threading.Lock()
        self._retrying = threading.Lock()
        self._listeners: list[Listener] = []

    # -- in -------------------------------------------------------------------------------------

    def parse(self, decoded: Decoded, received_at_ms: int, *, live: bool = True) -> Delivery:
        """Check a decoded request. Pure; any thread. ``live=False``: no time window (imports)."""
        return self._door.parse(decoded, received_at_ms, live=live)

    def accept(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Make all deliveries durable in one transaction and say what became of each.

        Raises StoreError where that could not be promised; then nothing of them is stored.
        """
        return self._settle(deliveries, ())

    def state(self, project: str, facts: Iterable[Fact]) -> Receipt:
        """Accept facts that no record carried."""
        self._known(project)
        return self.accept([state_facts(project, facts, self.clock())])[0]

    def retry_rejections(
        self, project: str | None = None, ids: Sequence[int] | None = None
    ) -> RetrySummary:
        """Try rejections again, under today's rules: of one project or all, or only these ids."""
        with self._retrying:  # others write between its transactions; only retries settle
            return Retry(self._store, self._door, self._settle).run(project, ids)

    def _settle(
        self, deliveries: Sequence[Delivery], settled: Sequence[RejectionRow]
    ) -> list[Receipt]:
        with self._writing:
            receipts = self._intake.accept(list(map(self._door.renewed, deliveries)), settled)
            if self._intake.has_told:
                self._tell_listeners()
        return receipts

    def replay(self, into: Store) -> Engine:
        """Send everything that was accepted through the door again, into another, empty store."""
        with self._store.reader() as reader:
            into.commit(Changes(operators=reader.operators(None), erased=reader.erased()))
            other = Engine(into, self.projects, clock=self.clock)
            for delivery in replay_deliveries(reader, self._door):
                other.accept([delivery])
        return other

    # -- out ------------------------------------------------------------------------------------

    def project_names(self) -> list[str]:
        """The projects that are declared or stored, by name."""
        with self._store.reader() as reader:
            return sorted({*self.projects, *reader.projects()})

    def lookup(self, project: str, identity: Identity) -> IdentityAnswer:
        """Who holds an identity, since when it is known, and whether it is unbound or crowded."""
        self._known(project)
        with self._store.reader() as reader:
            state = reader.identity(project, identity)
            seen = None if state is None else reader.seen_range(state.identity_id)
            if state is None or seen is None:
                fix = "Check key and value; `idweave refusals` shows what was kept out."
                raise NotFound(f"{identity} was never seen in project {project!r}.", fix=fix)
            last = None
            if state.owner is None:
                stayed = reader.last_stay(state.identity_id)
                last = None if stayed is None else str(follow(reader, project, stayed).name)
            user = None if state.owner is None else self._user(reader, project, state.owner)
        return IdentityAnswer(
            project, identity, user, state.life, state.unbound_ms, state.crowded_ms, *seen, last
        )

    def user(self, project: str, canonical_id: str) -> UserAnswer:
        """A user by its name, or by an older one that leads to it."""
        self._known(project)
        with self._store.reader() as reader:
            return self._user(reader, project, canonical_number(canonical_id))

    def user_names(self, project: str) -> Iterator[str]:
        """The ``canonical_id`` of every user, ascending by number."""
        self._known(project)
        with self._store.reader() as reader:
            yield from (str(row.name) for row in reader.users(project))

    def top_users(self, project: str, limit: int = 20) -> list[UserAnswer]:
        """The users with the most identities."""
        self._known(project)
        with self._store.reader() as reader:
            largest = reader.largest(project, min(limit, PAGE_MAX))
            return [self._user(reader, project, name) for name, _ in largest]

    def _user(self, reader: Reader, project: str, asked: int) -> UserAnswer:
        row = follow(reader, project, asked)
        names = all_names(reader, project, row.name)
        return UserAnswer(
            project,
            str(row.name),
            str(asked),
            row.founder.time_ms,
            row.founder.event_id,
            tuple(_held(reader, state) for state in reader.held(project, row.name)),
            tuple(
                FormerIdentity(stay.identity, stay.life, stay.left_ms)
                for stay in reader.stays(project, names)
            ),
            tuple(str(name) for name in names[1:]),
        )

    def events(
        self,
        project: str,
        canonical_id: str,
        *,
        attribution: str = "as_seen",
        cursor: str | None = None,
        limit: int = 100,
    ) -> EventPage:
        """A user's events, newest first. ``as_seen``: as they were attributed when they happened,
        merges followed; ``latest``: each goes to whoever holds its deciding identity now."""
        self._known(project)
        if attribution not in ATTRIBUTIONS:
            fix = f"Use one of: {', '.join(ATTRIBUTIONS)}."
            raise InputError(f"{attribution!r} is not an attribution.", fix=fix)
        start = (END_OF_TIME_MS, "") if cursor is None else _cursor(cursor)
        with self._store.reader() as reader:
            row = follow(reader, project, canonical_number(canonical_id))
            walk = Walk(reader, project, row.name, latest=attribution == "latest").before(*start)
            page = list(islice(walk, min(limit, PAGE_MAX)))
            more = next(walk, None) is not None if page else False
            payloads = Payloads(reader)
            events = tuple(_event(payloads, found) for found in page)
        return EventPage(events, events[-1].reference if more else None)

    def event(self, project: str, reference: str) -> Event | None:
        """One event by its reference, without whose it is; None where there is none. Looks at the
        whole log: it serves the few events that nobody has any more."""
        self._known(project)
        event_id = reference.partition("-")[2]
        with self._store.reader() as reader:
            for _, sighting in reader.find_event(project, event_id):
                for entry in sighting.entries:
                    if entry.event_id == event_id:
                        return _event(Payloads(reader), Found(entry, sighting.payload_id, None))
        return None

    def profile(self, project: str, canonical_id: str) -> ProfileAnswer:
        """A user's profile, folded from the profile records among its events."""
        self._known(project)
        with self._store.reader() as reader:
            row = follow(reader, project, canonical_number(canonical_id))
            walk = Walk(reader, project, row.name, latest=False)
            found = [one for one in walk if one.entry.type in OPERATIONS]
            payloads = Payloads(reader)
            records = [_event(payloads, one) for one in reversed(found)]
        given = ((event.type, _properties(event.record)) for event in records)
        updated = records[-1].time_ms if records else None
        return ProfileAnswer(str(row.name), fold(given), updated)

    def refusals(
        self, project: str, *, canonical_id: str | None = None, offset: int = 0, limit: int = 100
    ) -> list[RefusalAnswer]:
        """What the rules did not let in: of one user, or of the whole project; newest first."""
        self._known(project)
        with self._store.reader() as reader:
            names = None
            if canonical_id is not None:
                row = follow(reader, project, canonical_number(canonical_id))
                names = all_names(reader, project, row.name)
            rows = reader.refusals(project, names, offset, min(limit, PAGE_MAX))
            return [
                RefusalAnswer(
                    None if row.home is None else str(follow(reader, project, row.home).name),
                    row.identity,
                    row.reason,
                    MEANINGS[row.reason],
                    row.count,
                    f"{row.first.time_ms}-{row.first.event_id}",
                    f"{row.last.time_ms}-{row.last.event_id}",
                )
                for row in rows
            ]

    def rejections(
        self, project: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[RejectionAnswer]:
        """Records that were kept and not believed, oldest first."""
        if project is not None:
            self._known(project)
        with self._store.reader() as reader:
            rows = reader.rejections(project, after, min(limit, PAGE_MAX))
            return [
                RejectionAnswer(
                    row.rejection_id,
                    row.project,
                    row.code,
                    row.field,
                    row.reason,
                    row.fix,
                    row.received_at_ms,
                    raw_text(reader, row),
                )
                for row in rows
            ]

    def stats(self, project: str) -> Stats:
        """Counts of a project: received = accepted + rejected + duplicates."""
        self._known(project)
        with self._store.reader() as reader:
            counters = {name: count for (_, name), count in reader.counters(project).items()}
            users, identities = reader.tallies(project)
            size = reader.store_bytes()
        codes = {
            name.removeprefix("rejected_"): count
            for name, count in sorted(counters.items())
            if name.startswith("rejected_") and name[9:].isupper() and count
        }
        return Stats(
            project,
            received=counters.get("received", 0),
            accepted=counters.get("accepted", 0),
            rejected=counters.get("rejected", 0),
            duplicates=counters.get("duplicates", 0),
            crc_mismatches=counters.get("crc_mismatches", 0),
            users=users,
            identities=identities,
            store_bytes=size,
            rejections_by_code=codes,
        )

    def export(self, project: str) -> Iterator[str]:
        """The whole graph of a project as sorted JSON lines: the same graph, the same bytes."""
        self._known(project)
        with self._store.reader() as reader:
            yield from export_lines(reader, project)

    def _known(self, project: str) -> None:
        if project in self.projects or project == UNKNOWN_PROJECT:
            return
        if project not in self.project_names():
            known = ", ".join(sorted(self.projects))
            raise NotFound(f"There is no project {project!r}.", fix=f"There are: {known}.")


def _held(reader: Reader, state: IdentityState) -> HeldIdentity:
    first, last = reader.seen_range(state.identity_id) or (None, None)
    crowded = state.crowded_ms is not None
    return HeldIdentity(state.identity, first, last, state.life, crowded)


def _event(payloads: Payloads, found: Found) -> Event:
    entry = found.entry
    received_at_ms, record = payloads.record(found.payload_id, entry.nth) or (None, None)
    name = None if found.name is None else str(found.name)
    return Event(entry.time_ms, entry.event_id, entry.type, name, received_at_ms, record)


def _properties(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    properties = (record or {}).get("properties")
    if isinstance(properties, list):  # profile_unset of some SDKs sends the names alone
        return dict.fromkeys(map(str, properties))
    return properties if isinstance(properties, dict) else {}


def _cursor(cursor: str) -> tuple[int, str]:
    time_ms, dash, event_id = cursor.partition("-")
    if dash and time_ms.isascii() and time_ms.isdigit() and len(time_ms) <= 18:
        return int(time_ms), event_id
    raise InputError(f"{cursor[:50]!r} is not a cursor.", fix="Use `next_cursor` of the last page.")
