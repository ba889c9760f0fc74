"""Parameters of the API: a row each, read strictly, described in OpenAPI from the same row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from idweave.core.errors import InputError
from idweave.core.evidence import VALUE_LENGTH_MAX
from idweave.core.record import TIME_MAX_MS
from idweave.engine.engine import ATTRIBUTIONS

LIMIT_MAX = 500
"""Rows of a page: some hundred KiB of events. The engine's own bound is twice that."""

LARGEST_MAX = 100
"""Users of one answer: each brings all its identities."""

OFFSET_MAX = 1_000_000_000
ID_MAX = (1 << 63) - 1
QUERY_FIELDS_MAX = 20
"""Parameters of one query that are looked at; no route has more than four."""

Value = str | int


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path or query. ``read`` raises ValueError saying what it should be."""

    name: str
    text: str
    read: Callable[[str], Value]
    schema: Mapping[str, Any]
    required: bool = False
    default: Value | None = None
    in_path: bool = False


def _text(longest: int) -> Callable[[str], str]:
    def read(given: str) -> str:
        if not 0 < len(given) <= longest:
            raise ValueError(f"1 to {longest} characters")
        return given

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(given: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", given) or not least <= int(given) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(given)

    return read


def _choice(words: Sequence[str]) -> Callable[[str], str]:
    def read(given: str) -> str:
        if given not in words:
            raise ValueError("one of: " + ", ".join(words))
        return given

    return read


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", "Rows of a page.", _whole(1, most), schema, default=default)


PROJECT = Parameter(
    "project",
    "A project's name; `?` holds what came for projects that are not declared.",
    str,
    {"type": "string", "pattern": r"^([A-Za-z0-9_$-]{1,100}|\?)$", "example": "default"},
    required=True,
    in_path=True,
)
CANONICAL_ID = Parameter(
    "canonical_id",
    "A user's name, or an older one that leads to it.",
    str,
    {"type": "string", "pattern": "^[0-9]{1,19}$", "example": "4611686018427387904"},
    required=True,
    in_path=True,
)
KEY = Parameter(
    "key",
    "The key of an identity.",
    _text(100),
    {"type": "string", "minLength": 1, "maxLength": 100, "example": "$identity_login_id"},
    required=True,
)
VALUE = Parameter(
    "value",
    "The value of an identity; trimmed and normalised as in a record.",
    _text(VALUE_LENGTH_MAX),
    {"type": "string", "minLength": 1, "maxLength": VALUE_LENGTH_MAX, "example": "u-1001"},
    required=True,
)
OTHER_KEY = replace(KEY, name="other_key", text="The key of the other identity.")
OTHER_VALUE = replace(VALUE, name="other_value", text="The value of the other identity, exactly.")
ATTRIBUTION = Parameter(
    "attribution",
    "`as_seen`: whose the event was when it happened, merges followed; `latest`: who holds its"
    " deciding identity now.",
    _choice(ATTRIBUTIONS),
    {"type": "string", "enum": list(ATTRIBUTIONS), "default": ATTRIBUTIONS[0]},
    default=ATTRIBUTIONS[0],
)
OPERATOR_ID = Parameter(
    "operator_id",
    "The number of an operator fact.",
    str,
    {"type": "string", "pattern": "^[0-9]{1,18}$", "example": "1"},
    required=True,
    in_path=True,
)
REMOVED = Parameter(
    "removed",
    "Whether those that were taken back are listed too.",
    _choice(("false", "true")),
    {"type": "string", "enum": ["false", "true"], "default": "false"},
    default="false",
)
EVENT = Parameter(
    "event",
    "An event: its reference, `time-event_id`.",
    _text(500),
    {"type": "string", "minLength": 1, "maxLength": 500, "example": "1795599999021-0a1b"},
    required=True,
)


def _instant(name: str, text: str, most: int) -> Parameter:
    return Parameter(
        name, text, _whole(0, most), {"type": "integer", "minimum": 0, "maximum": most}
    )


AT = _instant("at", "As of events up to then, ms since 1970; absent: all of them.", TIME_MAX_MS)
POSITION = _instant("position", "As known up to this payload of the log; absent: all.", ID_MAX)
FROM = _instant("from", "The earlier instant, ms since 1970.", TIME_MAX_MS)
FROM_POSITION = _instant("from_position", "The earlier log position.", ID_MAX)
TO = _instant("to", "The later instant, ms since 1970; absent: now.", TIME_MAX_MS)
TO_POSITION = _instant("to_position", "The later log position; absent: now.", ID_MAX)
EVENT_CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before.",
    _text(100),
    {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[0-9]{1,18}-"},
)
COUNT_CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before.",
    _whole(0, OFFSET_MAX),
    {"type": "string", "pattern": "^[0-9]{1,9}$"},
    default=0,
)
ID_CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before.",
    _whole(0, ID_MAX),
    {"type": "string", "pattern": "^[0-9]{1,18}$"},
    default=0,
)
GROUP_CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before.",
    _text(40),
    {"type": "string", "minLength": 3, "maxLength": 40, "pattern": "^[0-9]{1,18}-[0-9]{1,18}$"},
)
NUMBER = Parameter(
    "number",
    "That of a policy of the history; absent: the one in force.",
    _whole(0, ID_MAX),
    {"type": "string", "pattern": "^[0-9]{1,18}$"},
)
AFTER = replace(
    ID_CURSOR, name="after", text="The cursor of the last change that is known; 0: from the first."
)
LIMIT = _limit(100, LIMIT_MAX)
LIMIT_LARGEST = _limit(20, LARGEST_MAX)

PROJECT_NAME = re.compile(r"[A-Za-z0-9_$-]{1,100}|\?")
"""What a project may be called in a path; no more than file systems and shells take as it is."""


def read_query(query: bytes, rows: Sequence[Parameter]) -> dict[str, Value | None]:
    """The values of a query, those that are absent by their default. Raises InputError for
    unknown, repeated, missing and malformed ones, naming those that are valid."""
    given = _pairs(query)
    known = {row.name: row for row in rows if not row.in_path}
    for name in given:
        if name not in known:
            there = ", ".join(known) or "none here"
            raise InputError(f"{name[:50]!r} is not a parameter.", fix=f"Valid are: {there}.")
    values: dict[str, Value | None] = {}
    for name, row in known.items():
        if name in given:
            values[name] = _read(row, given[name])
        elif row.required:
            raise InputError(f"The parameter {name!r} is missing.", fix=f"Give it: {row.text}")
        else:
            values[name] = row.default
    return values


def read_after(given: str) -> dict[str, Value]:
    """The cursor that a client was sent last, as the value of ``after``. Raises InputError."""
    return {AFTER.name: _read(AFTER, given)}


def _pairs(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError:  # also text that is not UTF-8
        fix = "Percent-encode UTF-8, as curl --data-urlencode does."
        raise InputError("The query cannot be read.", fix=fix) from None
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InputError("A parameter is given more than once.", fix="Give each once.")
    return given


def _read(row: Parameter, given: str) -> Value:
    try:
        return row.read(given)
    except ValueError as expected:
        fix = f"Give {expected}."
        raise InputError(f"{given[:50]!r} is no value of {row.name!r}.", fix=fix) from None
