"""One record of the wire protocol → one record of ours, or a rejection (PROTOCOL.md §3, §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import evidence
from .event_id import event_id, project_of, token_of
from .evidence import BLANKS, VALUE_LENGTH_MAX, Evidence, decimal
from .identity import ANONYMOUS_KEY, Fact, Identity, Kind
from .policy import FactsFrom, Policy
from .rejection import Code, Rejection, shown
from .soundness import find_flaw

__all__ = [
    "Code",
    "Project",
    "Record",
    "Rejection",
    "event_id",
    "parse_decoded",
    "parse_record",
    "project_of",
    "token_of",
]

WINDOW_BACK_MS = 10 * 24 * 3600 * 1000
WINDOW_AHEAD_MS = 3600 * 1000
"""How far a live event's time may be from ours: the vendor's documented limits."""

TIME_MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: past it dates of common libraries and databases end."""

CLOCK_SKEW_MIN_MS = 60_000
"""Clocks that differ by no more are not corrected: the network takes time too."""


@dataclass(frozen=True, slots=True)
class Project:
    """What the door needs to know of a project: its rules and its settings."""

    name: str
    policy: Policy
    token: str | None = None
    time_window: bool = True
    clock_correction: bool = False
    bare_distinct_id: str = ANONYMOUS_KEY
    evidence: Evidence = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", Evidence(self.policy))


@dataclass(frozen=True, slots=True)
class Record:
    """One accepted record.

    ``fact`` is None for items, which are stored and not resolved. ``timed`` is False when
    ``time_ms`` is not the time as sent (it was missing, or the clock was corrected), so that a
    repeat of the record may carry another time.
    """

    event_id: str
    type: str
    time_ms: int
    timed: bool
    fact: Fact | None


# -- fields ----------------------------------------------------------------------------------------

_EVENT_NAME = re.compile(r"[a-zA-Z_$][a-zA-Z0-9_$]{0,99}\Z")  # \Z: `$` would let "Buy\n" through


def _is_id(value: object) -> bool:
    return (type(value) is str and 0 < len(value) <= VALUE_LENGTH_MAX) or id_text(value) is not None


def _is_event_name(value: object) -> bool:
    return isinstance(value, str) and _EVENT_NAME.match(value) is not None


def _is_object(value: object) -> bool:
    return type(value) is dict or isinstance(value, Mapping)  # the second is slow and rare


def id_text(value: object) -> str | None:
    """An id field as text without blanks around it, integers in exact decimals; None for what is
    empty as sent, too long, or neither text nor a whole number."""
    if isinstance(value, str):
        text = value.strip(BLANKS) if value else None
    elif isinstance(value, int) and not isinstance(value, bool):
        text = decimal(value)
    else:
        return None
    return None if text is None or len(text) > VALUE_LENGTH_MAX else text


def time_ms_of(value: object) -> int | None:
    """A sent time in ms since 1970, 10 digits being seconds; None for what is no time. A float
    without a fraction is one too: some languages write every number so."""
    if type(value) is not int:
        if not isinstance(value, float) or not value.is_integer():
            return None
        value = int(value)
    if 1_000_000_000 <= value <= 9_999_999_999:
        value *= 1000
    return value if 0 <= value <= TIME_MAX_MS else None


class Field(NamedTuple):
    """One row of the field rules: what a value must be, and what to tell the sender if not."""

    name: str
    is_good: Callable[[object], bool]
    must: str
    required: bool = False


_ID = f"text of 1 to {VALUE_LENGTH_MAX} characters"
_ID_FIELDS = ("distinct_id", "login_id", "anonymous_id", "original_id")

_TIME = "milliseconds since 1970 (or 10 digits: seconds), as a number"
_EVENT = Field(
    "event",
    _is_event_name,
    "up to 100 letters, digits, _ and $, not beginning with a digit",
    required=True,
)
_NAMED = (
    Field("distinct_id", _is_id, _ID, required=True),
    Field("login_id", _is_id, _ID),
    Field("anonymous_id", _is_id, _ID),
)
_ORIGINAL_ID = Field("original_id", _is_id, _ID)
_COMMON = (
    Field("properties", _is_object, "an object"),
    Field("identities", _is_object, "an object of keys and values"),
)
_ITEM = (
    Field("item_type", _is_id, _ID, required=True),
    Field("item_id", _is_id, _ID, required=True),
)

_OBSERVED = (_EVENT, *_NAMED, _ORIGINAL_ID, *_COMMON)
_PROFILE = (*_NAMED, _ORIGINAL_ID, *_COMMON)
_SIGNUP = (_EVENT, *_NAMED, _ORIGINAL_ID._replace(required=True), *_COMMON)


class TypeRule(NamedTuple):
    """One row of the types: the kind of fact a record makes, its fields, and whether its time is
    held to the window. ``explicit``: what it links it must name in ``identities``; to derive an
    unbind from ``distinct_id`` would cut users off from themselves. ``named``: its ``distinct_id``
    says for whom (a login's purpose, an unbind's claimant)."""

    kind: Kind | None
    fields: tuple[Field, ...]
    windowed: bool = False
    explicit: bool = False
    named: bool = False


_PROFILE_RULE = TypeRule(Kind.OBSERVE, _PROFILE)
_ITEM_RULE = TypeRule(None, (*_ITEM, *_COMMON))

TYPES: dict[str, TypeRule] = {
    "track": TypeRule(Kind.OBSERVE, _OBSERVED, windowed=True),
    "track_signup": TypeRule(Kind.LOGIN, _SIGNUP, windowed=True, named=True),
    "track_id_bind": TypeRule(Kind.BIND, _OBSERVED, windowed=True, explicit=True),
    "track_id_unbind": TypeRule(Kind.UNBIND, _OBSERVED, windowed=True, explicit=True, named=True),
    "profile_set": _PROFILE_RULE,
    "profile_set_once": _PROFILE_RULE,
    "profile_increment": _PROFILE_RULE,
    "profile_append": _PROFILE_RULE,
    "profile_unset": _PROFILE_RULE,
    "profile_delete": _PROFILE_RULE,
    "item_set": _ITEM_RULE,
    "item_delete": _ITEM_RULE,
}


_IDENTITIES = FactsFrom.IDENTITIES  # looked up once: Python 3.11 is slow to find enum members

# -- the door --------------------------------------------------------------------------------------


def parse_record(
    raw: Mapping[str, Any], project: Project, received_at_ms: int, *, live: bool = True
) -> Record | Rejection:
    """Check one record. ``live=False`` (imports) leaves the time window unchecked. Never raises."""
    flaw = find_flaw(raw)
    if flaw is not None:
        return flaw
    return parse_decoded(raw, project, received_at_ms, live=live)


def parse_decoded(
    raw: Mapping[str, Any], project: Project, received_at_ms: int, *, live: bool = True
) -> Record | Rejection:
    """As :func:`parse_record`, for a record of ``wire.decode``, ``wire.read_payload`` or the
    server's fast decoder: those have checked it as a whole (``soundness.find_flaw``) already."""
    word = raw.get("type")
    rule = TYPES.get(word) if isinstance(word, str) else None
    if rule is None or not isinstance(word, str):
        return _unknown_type(word)
    for name, is_good, must, required in rule.fields:
        value = raw.get(name)
        if value is None:  # null is absent
            if required:
                return _wrong(name, "It is missing", must)
        elif not is_good(value):
            return _wrong(name, f"This is {shown(value)}", must)
    sent = raw.get("time")
    sent_ms = time_ms_of(sent)
    if sent_ms is None and sent is not None:
        return _wrong("time", f"This is {shown(sent)}", _TIME)
    time_ms, timed = _time(sent_ms, raw, project, received_at_ms)
    if rule.kind is None:
        return Record(event_id(raw, project.name), word, time_ms, timed, None)
    found = _identities(raw, rule, project)
    if isinstance(found, Rejection):
        return found
    if live and rule.windowed and project.time_window and "time_free" not in raw:
        early = time_ms < received_at_ms - WINDOW_BACK_MS
        if early or time_ms > received_at_ms + WINDOW_AHEAD_MS:
            return _expired(time_ms, received_at_ms)
    name = event_id(raw, project.name)
    fact = Fact(time_ms, name, rule.kind, found, _distinct_id(raw, rule, project.policy))
    return Record(name, word, time_ms, timed, fact)


def _identities(
    raw: Mapping[str, Any], rule: TypeRule, project: Project
) -> tuple[Identity, ...] | Rejection:
    policy, stated = project.policy, raw.get("identities")
    if policy.facts_from is _IDENTITIES:
        if stated:
            return project.evidence.of(stated)
        if rule.explicit:
            return _NO_IDENTITY
        derive = evidence.derived
    else:
        derive = evidence.by_distinct_id
    texts = ((name, id_text(raw.get(name))) for name in _ID_FIELDS)
    ids = {name: text for name, text in texts if text is not None}
    return derive(ids, raw, policy, project.bare_distinct_id)


def _distinct_id(raw: Mapping[str, Any], rule: TypeRule, policy: Policy) -> str | None:
    """``distinct_id`` as a fact carries it; where it names a claimant or a purpose, so that it
    finds the identity as that is stored."""
    text = id_text(raw.get("distinct_id"))
    return evidence.naming(text, policy) if text and rule.named else text


def _time(
    sent: int | None, raw: Mapping[str, Any], project: Project, received_at_ms: int
) -> tuple[int, bool]:
    """When it happened, and whether that is the time as sent."""
    if sent is None:
        return received_at_ms, False
    if project.clock_correction:
        flushed = time_ms_of(raw.get("_flush_time"))
        skew = 0 if flushed is None else received_at_ms - flushed
        if abs(skew) > CLOCK_SKEW_MIN_MS:
            return min(max(sent + skew, 0), TIME_MAX_MS), False
    return sent, True


# -- rejections ------------------------------------------------------------------------------------


def _unknown_type(word: object) -> Rejection:
    reason = f"There is no record type {shown(word)}." if word is not None else "It is missing."
    fix = f"Use one of: {', '.join(TYPES)}."
    return Rejection(Code.INVALID_FIELD, "type", reason, fix)


def _wrong(name: str, found: str, must: str) -> Rejection:
    fix = "Mend the sender; the record itself cannot be retried as it is."
    return Rejection(Code.INVALID_FIELD, name, f"{found}; it must be {must}.", fix)


_NO_IDENTITY = Rejection(
    Code.NO_VALID_IDENTITY,
    "identities",
    "A bind or unbind names in `identities` what it is about, and this one names nothing.",
    "Send `identities` with at least one declared key.",
)


def _expired(time_ms: int, received_at_ms: int) -> Rejection:
    seconds = (time_ms - received_at_ms) // 1000
    return Rejection(
        Code.EXPIRED_RECORD,
        "time",
        f"The time is {abs(seconds)} s {'before' if seconds < 0 else 'after'} it was received; "
        "live events may be 10 days late and 1 hour early.",
        "Mend the device's clock; send old events with time_free or through an import; "
        "or set the project's time_window to off.",
    )
