"""One record of the wire protocol → one record of ours, or a rejection (PROTOCOL.md §3, §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .identity import ANONYMOUS_KEY, Fact
from .policy import Policy


class Code(StrEnum):
    """Why a record or request was not believed. Stable; documented in the reference."""

    INVALID_ENCODING = "INVALID_ENCODING"
    INVALID_JSON = "INVALID_JSON"
    INVALID_FIELD = "INVALID_FIELD"
    UNDEFINED_IDENTITY = "UNDEFINED_IDENTITY"
    NO_VALID_IDENTITY = "NO_VALID_IDENTITY"
    IDENTITY_VALUE_TOO_LONG = "IDENTITY_VALUE_TOO_LONG"
    EXPIRED_RECORD = "EXPIRED_RECORD"
    UNKNOWN_PROJECT = "UNKNOWN_PROJECT"
    BAD_TOKEN = "BAD_TOKEN"  # noqa: S105 - a code, not a secret
    UNSUPPORTED_ENCRYPTION = "UNSUPPORTED_ENCRYPTION"
    TOO_DEEP = "TOO_DEEP"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one record (or one whole request) was kept but not believed."""

    code: Code
    field: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Project:
    """What the door needs to know of a project: its rules and its settings."""

    name: str
    policy: Policy
    token: str | None = None
    time_window: bool = True
    clock_correction: bool = False
    bare_distinct_id: str = ANONYMOUS_KEY


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


def parse_record(
    raw: Mapping[str, Any], project: Project, received_at_ms: int, *, live: bool = True
) -> Record | Rejection:
    """Check one decoded record. ``live=False`` (imports) leaves the time window unchecked."""
    raise NotImplementedError
