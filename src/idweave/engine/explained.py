"""What explanations answer: frozen values, every id as text, every identity as key and value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """An identity, and the user that holds it now (None: nobody)."""

    key: str
    value: str
    canonical_id: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event that decided something. ``kind`` is what it says (login, bind …), ``type`` what its
    record is called on the wire, ``event`` the name of the tracked event, ``sent_by`` the SDK,
    ``position`` its place in the log."""

    reference: str
    time_ms: int
    event_id: str
    kind: str
    type: str
    event: str | None
    sent_by: str | None
    received_at_ms: int | None
    position: int


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """One step of a chain: an event that ties two identities together."""

    one: Named
    other: Named
    by: Evidence


@dataclass(frozen=True, slots=True)
class BarAnswer:
    """An identity that the rules did not let in: ``rule`` says which rule, ``holder`` who holds the
    identity and since when, ``count`` how often it was refused here, ``remedy`` what would allow
    it."""

    key: str
    value: str
    reason: str
    meaning: str
    rule: str
    holder: str | None
    held_since_ms: int | None
    count: int
    first: str
    last: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LeavingAnswer:
    """An identity that was tied, and left since: whom, by which event, what brings it back."""

    key: str
    value: str
    left: str
    by: Evidence
    remedy: str


@dataclass(frozen=True, slots=True)
class GapAnswer:
    """A place where evidence leads from one user to another, and does not hold: ``events`` events
    carried something of both."""

    one: Named
    other: Named
    events: int
    first: Evidence
    last: Evidence
    refused: tuple[BarAnswer, ...]
    left: tuple[LeavingAnswer, ...]


@dataclass(frozen=True, slots=True)
class WhyAnswer:
    """Why two identities are one user (``links``, a shortest chain), or why not (``gaps``; empty
    where no event leads from one to the other). ``says`` sums it up."""

    project: str
    one: Named
    other: Named
    same: bool
    says: str
    links: tuple[LinkAnswer, ...]
    gaps: tuple[GapAnswer, ...]


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """One thing that an event did: ``what`` is founded, joined, left, merged, refused, unbound,
    crowded or freed; ``other_id`` the user that was absorbed by a merge."""

    what: str
    canonical_id: str | None = None
    other_id: str | None = None
    key: str | None = None
    value: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionAnswer:
    """An event, and all that it did."""

    by: Evidence
    moves: tuple[MoveAnswer, ...]


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """The decisions that made a user, in order. ``next_cursor`` asks for the page after it."""

    canonical_id: str
    decisions: tuple[DecisionAnswer, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class SeparationAnswer:
    """The events whose retraction parts two identities. ``is_smallest``: proven that no fewer do;
    ``says`` tells what else parts them."""

    project: str
    one: Named
    other: Named
    same: bool
    is_smallest: bool
    count: int
    events: tuple[Evidence, ...]
    says: str
