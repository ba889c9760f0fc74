"""Which column of a table is what: guessed from names, and told by people where that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idweave.core.errors import InputError
from idweave.core.policy import Policy

ROLES = ("event_id", "time", "type", "distinct_id")
"""What a column can be besides an identity."""

IGNORED = "-"
"""``--map column=-`` takes a guess back."""

GUESSES: dict[str, tuple[str, ...]] = {
    "event_id": ("event_id", "message_id", "insert_id", "event_uuid"),
    "time": ("time", "event_time", "time_ms", "timestamp", "ts", "occurred_at"),
    "type": ("type", "record_type"),
    "distinct_id": ("distinct_id",),
    "$identity_login_id": ("login_id", "user_id", "uid", "member_id", "account_id"),
    "$identity_anonymous_id": ("anonymous_id", "anon_id"),
    "$identity_cookie_id": ("cookie_id",),
    "$identity_mobile": ("mobile", "phone", "phone_number"),
    "$identity_email": ("email", "email_address"),
    "$identity_android_id": ("android_id",),
    "$identity_idfa": ("idfa",),
    "$identity_idfv": ("idfv",),
    "$identity_oaid": ("oaid",),
    "$identity_mp_unionid": ("unionid", "union_id"),
}
"""Names that columns have elsewhere, by what they mean; letters in any case, words apart or not."""

_NOT_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table is: roles by name, and keys by column."""

    roles: Mapping[str, str]
    keys: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """Every column that is read for its meaning."""
        return list(dict.fromkeys((*self.roles.values(), *self.keys)))

    def told(self) -> list[str]:
        """The mapping as ``--map`` takes it."""
        pairs = [(column, role) for role, column in self.roles.items()]
        return [f"{column}={what}" for column, what in (*pairs, *self.keys.items())]


def parse_map(words: Sequence[str]) -> dict[str, str]:
    """``column=key`` pairs as somebody typed them; raises InputError."""
    found: dict[str, str] = {}
    for word in words:
        column, equals, what = word.rpartition("=")
        if not equals or not column or not what:
            fix = "Write --map column=$identity_key, column=time, or column=- to leave it out."
            raise InputError(f"{word[:80]!r} maps no column.", fix=fix)
        found[column] = what
    return found


def columns_of(names: Sequence[str], told: Mapping[str, str], policy: Policy, file: str) -> Columns:
    """What the columns of a file are. Raises InputError where they cannot be used."""
    roles: dict[str, str] = {}
    keys: dict[str, str] = {}
    for name in names:
        what = told.get(name) or guessed(name, policy)
        if what is None or what == IGNORED:
            continue
        if what not in ROLES:
            if policy.rule(what) is None:
                raise _undeclared(name, what, policy)
            keys[name] = what
        elif name in told or what not in roles or roles[what] not in told:
            roles[what] = name if name in told or what not in roles else roles[what]
    _check(roles, keys, names, file)
    return Columns(roles, keys)


def guessed(name: str, policy: Policy) -> str | None:
    """What a column of this name is: a declared key, or what such names mostly mean."""
    if policy.rule(name) is not None:
        return name
    if policy.rule("$identity_" + name) is not None:
        return "$identity_" + name
    plain = _plain(name)
    for what, others in GUESSES.items():
        if plain in map(_plain, others) and (what in ROLES or policy.rule(what) is not None):
            return what
    return None


def _plain(name: str) -> str:
    return _NOT_WORD.sub("", name.lower())


def _check(
    roles: Mapping[str, str], keys: Mapping[str, str], names: Sequence[str], file: str
) -> None:
    have = ", ".join(names[:30])
    if "time" not in roles:
        fix = f"Say which one with --map COLUMN=time; there are: {have}."
        raise InputError(f"{file}: no column is known to be the time.", fix=fix)
    if not keys:
        fix = f"Say which ones with --map COLUMN=KEY; there are: {have}."
        raise InputError(f"{file}: no column is known to be an identity.", fix=fix)


def _undeclared(column: str, key: str, policy: Policy) -> InputError:
    declared = ", ".join(rule.key for rule in policy.keys[:30])
    fix = f"Declare it in a policy file, or use one of: {', '.join(ROLES)}, {declared}."
    return InputError(f"Column {column!r}: the policy declares no key {key!r}.", fix=fix)
