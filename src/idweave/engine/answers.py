"""What the engine answers: frozen values that the API, the command line and exports print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idweave.core.identity import Identity


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one delivery: received = accepted + rejected + duplicates."""

    received: int
    accepted: int
    rejected: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class HeldIdentity:
    """An identity that a user holds now. Times are ms since 1970."""

    identity: Identity
    first_seen_ms: int | None
    last_seen_ms: int | None
    life: int
    crowded: bool


@dataclass(frozen=True, slots=True)
class FormerIdentity:
    """An identity that left a user."""

    identity: Identity
    life: int
    left_at_ms: int


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """A user as known now. ``asked`` differs from ``canonical_id`` when an old name led here."""

    project: str
    canonical_id: str
    asked: str
    founded_at_ms: int
    founder_event: str
    identities: tuple[HeldIdentity, ...]
    former: tuple[FormerIdentity, ...]
    names: tuple[str, ...]
    """Older names that lead to this user by merges, ascending."""


@dataclass(frozen=True, slots=True)
class IdentityAnswer:
    """What is known of one identity; ``user`` is None when nobody holds it now."""

    project: str
    identity: Identity
    user: UserAnswer | None
    life: int
    unbound_at_ms: int | None
    crowded_since_ms: int | None
    first_seen_ms: int | None
    last_seen_ms: int | None
    last_held_by: str | None
    """The user that it left last, where nobody holds it now."""


@dataclass(frozen=True, slots=True)
class Event:
    """One stored event. ``record`` is the record as it was sent (None: stated by an operator)."""

    time_ms: int
    event_id: str
    type: str
    canonical_id: str | None
    received_at_ms: int | None
    record: Mapping[str, Any] | None

    @property
    def reference(self) -> str:
        """How an event is named everywhere: ``time-event_id``."""
        return f"{self.time_ms}-{self.event_id}"


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first; ``next_cursor`` asks for the page after it, None at the end."""

    events: tuple[Event, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ProfileAnswer:
    """A user's profile: the ``profile_*`` records of its events, folded in time order."""

    canonical_id: str
    properties: Mapping[str, Any]
    updated_at_ms: int | None


@dataclass(frozen=True, slots=True)
class RefusalAnswer:
    """An identity that the rules did not let in: how often, first and last event."""

    home: str | None
    identity: Identity
    reason: str
    meaning: str
    count: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class RejectionAnswer:
    """A record that was kept and not believed, with its raw form as text."""

    rejection_id: int
    project: str
    code: str
    field: str
    reason: str
    fix: str
    received_at_ms: int
    raw: str


@dataclass(frozen=True, slots=True)
class RetrySummary:
    """What became of rejections that were tried again."""

    tried: int
    accepted: int
    duplicates: int
    still_rejected: int


@dataclass(frozen=True, slots=True)
class Stats:
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
    rejections_by_code: Mapping[str, int] = field(default_factory=dict)
