"""What is not believed: the codes, and the value that carries one with its reason and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SHOWN_LENGTH_MAX = 100
"""Characters of a sent value that a rejection repeats: enough to find it again."""


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
    ERASED = "ERASED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one record (or one whole request) was kept but not believed."""

    code: Code
    field: str
    reason: str
    fix: str


_WORDS = ((type(None), "null"), (bool, "a boolean"), (list, "a list"), (Mapping, "an object"))


def shown(value: object) -> str:
    """A sent value as a rejection may repeat it: short, printable, storable anywhere."""
    for kind, word in _WORDS:
        if isinstance(value, kind):
            return word
    if isinstance(value, int) and value.bit_length() > 4 * SHOWN_LENGTH_MAX:
        return "a very long number"
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
