"""What the API answers, as types: JSON is written from them and the OpenAPI schemas too.

Ids are text (a canonical_id has 63 bits, more than a browser's numbers); times are ms since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idweave.engine.answers import (
    Event,
    EventPage,
    IdentityAnswer,
    ProfileAnswer,
    RefusalAnswer,
    RejectionAnswer,
    RetrySummary,
    Stats,
    UserAnswer,
)


@dataclass(frozen=True, slots=True)
class HeldIdentity:
    """An identity that a user holds now, with the first and last time it was seen."""

    key: str
    value: str
    first_seen_ms: int | None
    last_seen_ms: int | None
    life: int
    crowded: bool


@dataclass(frozen=True, slots=True)
class FormerIdentity:
    """An identity that left a user, and when."""

    key: str
    value: str
    life: int
    left_at_ms: int


@dataclass(frozen=True, slots=True)
class User:
    """A user as known now. ``names``: older names that lead to this user by merges."""

    project: str
    canonical_id: str
    founded_at_ms: int
    founder_event: str
    identities: tuple[HeldIdentity, ...]
    former: tuple[FormerIdentity, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One identity and who holds it. ``user`` is null when nobody does; ``last_held_by`` then
    names the user that it left last."""

    project: str
    key: str
    value: str
    canonical_id: str | None
    user: User | None
    life: int
    unbound_at_ms: int | None
    crowded_since_ms: int | None
    first_seen_ms: int | None
    last_seen_ms: int | None
    last_held_by: str | None


@dataclass(frozen=True, slots=True)
class Users:
    """The users with the most identities."""

    users: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event. ``record`` is the record as it was sent, null where an operator stated a fact."""

    time_ms: int
    event_id: str
    type: str
    canonical_id: str | None
    received_at_ms: int | None
    record: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Events:
    """A page of events, newest first. ``next_cursor`` asks for the page after it."""

    events: tuple[StoredEvent, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's profile: the ``profile_*`` records of its events, folded in time order."""

    canonical_id: str
    properties: Mapping[str, Any]
    updated_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An identity that the rules did not let in: why, how often, and at which events."""

    canonical_id: str | None
    key: str
    value: str
    reason: str
    meaning: str
    count: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """A page of refusals, most recent first."""

    refusals: tuple[Refusal, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was kept and not believed, with its raw form as text."""

    rejection_id: str
    project: str
    code: str
    field: str
    reason: str
    fix: str
    received_at_ms: int
    raw: str


@dataclass(frozen=True, slots=True)
class Rejections:
    """A page of rejections, oldest first."""

    rejections: tuple[Rejected, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of rejections that were tried again."""

    tried: int
    accepted: int
    duplicates: int
    still_rejected: int


@dataclass(frozen=True, slots=True)
class ProjectStats:
    """Counts of one project: received = accepted + rejected + duplicates."""

    project: str
    received: int
    accepted: int
    rejected: int
    duplicates: int
    crc_mismatches: int
    users: int
    identities: int
    store_bytes: int
    rejections_by_code: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProjectName:
    """A project. ``declared`` is false for one that is stored and not configured any more."""

    name: str
    declared: bool


@dataclass(frozen=True, slots=True)
class Projects:
    """All projects, by name."""

    projects: tuple[ProjectName, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """The user goes by another name now; ``location`` is where it is."""

    canonical_id: str
    location: str


@dataclass(frozen=True, slots=True)
class Health:
    """The process is alive."""

    status: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong (RFC 9457). ``code`` is stable, ``fix`` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str


# -- from the engine's answers ---------------------------------------------------------------------


def user_of(answer: UserAnswer) -> User:
    """A user."""
    return User(
        answer.project,
        answer.canonical_id,
        answer.founded_at_ms,
        answer.founder_event,
        tuple(
            HeldIdentity(
                *held.identity, held.first_seen_ms, held.last_seen_ms, held.life, held.crowded
            )
            for held in answer.identities
        ),
        tuple(
            FormerIdentity(*former.identity, former.life, former.left_at_ms)
            for former in answer.former
        ),
        answer.names,
    )


def lookup_of(answer: IdentityAnswer) -> Lookup:
    """An identity."""
    return Lookup(
        answer.project,
        *answer.identity,
        None if answer.user is None else answer.user.canonical_id,
        None if answer.user is None else user_of(answer.user),
        answer.life,
        answer.unbound_at_ms,
        answer.crowded_since_ms,
        answer.first_seen_ms,
        answer.last_seen_ms,
        answer.last_held_by,
    )


def _event_of(event: Event) -> StoredEvent:
    return StoredEvent(
        event.time_ms,
        event.event_id,
        event.type,
        event.canonical_id,
        event.received_at_ms,
        event.record,
    )


def events_of(page: EventPage) -> Events:
    """A page of events."""
    return Events(tuple(map(_event_of, page.events)), page.next_cursor)


def profile_of(answer: ProfileAnswer) -> Profile:
    """A profile."""
    return Profile(answer.canonical_id, answer.properties, answer.updated_at_ms)


def refusals_of(found: Sequence[RefusalAnswer], next_cursor: str | None) -> Refusals:
    """A page of refusals."""
    rows = (
        Refusal(row.home, *row.identity, row.reason, row.meaning, row.count, row.first, row.last)
        for row in found
    )
    return Refusals(tuple(rows), next_cursor)


def rejections_of(found: Sequence[RejectionAnswer], next_cursor: str | None) -> Rejections:
    """A page of rejections."""
    rows = (
        Rejected(
            str(row.rejection_id),
            row.project,
            row.code,
            row.field,
            row.reason,
            row.fix,
            row.received_at_ms,
            row.raw,
        )
        for row in found
    )
    return Rejections(tuple(rows), next_cursor)


def retried_of(summary: RetrySummary) -> Retried:
    """A retry."""
    return Retried(summary.tried, summary.accepted, summary.duplicates, summary.still_rejected)


def stats_of(stats: Stats) -> ProjectStats:
    """A project's counts."""
    return ProjectStats(
        stats.project,
        stats.received,
        stats.accepted,
        stats.rejected,
        stats.duplicates,
        stats.crc_mismatches,
        stats.users,
        stats.identities,
        stats.store_bytes,
        stats.rejections_by_code,
    )
