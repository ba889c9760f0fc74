"""Which identities a record is evidence of: those it names, else those its fields amount to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .identity import ANONYMOUS_KEY, LOGIN_KEY, Identity
from .policy import SETS_CACHED_MAX, KeyRule, Normalise, Policy
from .rejection import Code, Rejection, shown

KEY_LENGTH_MAX = 100
VALUE_LENGTH_MAX = 255
"""Code points, trimmed: what the SDKs allow (in UTF-16 units, which are never fewer)."""

BLANKS = " \t\n\r\v\f"
"""ASCII blanks. Others may be part of a value: ids are compared as exact code points."""

RESERVED_WORDS = frozenset({
    "distinct_id", "original_id", "time", "properties", "id", "first_id", "second_id", "users",
    "events", "event", "user_id", "date", "datetime", "device_id", "event_id",
})  # fmt: skip
RESERVED_PREFIXES = ("user_group", "user_tag")

_OLD_KEY = re.compile(r"\$mp_(?:id|openid|unionid|[A-Za-z0-9_-]+_openid)\Z")
_PHONE = re.compile(r"\+?[0-9 ().\-/]*\Z")
_NOT_DIGITS = re.compile(r"[^0-9]+")

_DECIMAL_BITS_MAX = 850
"""No number of more bits has 255 digits; past that its text is not even made."""

_NONE = Normalise.NONE  # looked up once: Python 3.11 is slow to find enum members

Pairs = Iterable[tuple[str, Any]]


def _phone(value: str) -> str:
    """Digits alone, if all else is punctuation: a masked ``187****8991`` must stay one, or it
    would become the number of somebody else."""
    return _NOT_DIGITS.sub("", value) if _PHONE.match(value) else value


NORMALISERS: dict[Normalise, Callable[[str], str]] = {
    Normalise.EMAIL: str.lower,
    Normalise.PHONE: _phone,
}


class Evidence:
    """What the ``identities`` of records come to under one policy. Records of a request mostly
    carry the same, so the last few are remembered."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[tuple[str, str], ...], tuple[Identity, ...]] = {}

    def of(self, sent: Mapping[str, Any]) -> tuple[Identity, ...] | Rejection:
        """As :func:`identities_of` its pairs. Only texts are remembered: 1 and true are equal."""
        pairs = tuple(sent.items())
        try:
            known = self._known.get(pairs)
        except TypeError:  # a value that is a list or an object
            known = None
        if known is not None:
            return known
        found = identities_of(pairs, self._policy)
        if isinstance(found, tuple) and all(type(value) is str for _, value in pairs):
            if len(self._known) >= SETS_CACHED_MAX:
                self._known.clear()
            self._known[pairs] = found
        return found


def identities_of(pairs: Pairs, policy: Policy) -> tuple[Identity, ...] | Rejection:
    """The identities of key-value pairs, in their order; or why the record cannot be believed."""
    found = []
    for key, value in pairs:
        rule = policy.rule(key) if len(key) <= KEY_LENGTH_MAX else None
        if rule is None or key[0] != "$":
            rule = _rule(key, policy)
            if rule is None:
                return _undefined(key)
        if type(value) is str:
            text = value.strip(BLANKS)
        elif isinstance(value, int) and not isinstance(value, bool):
            text = decimal(value)
        else:
            return _no_value(key, value)
        if len(text) > VALUE_LENGTH_MAX:
            return _too_long(key)
        if rule.normalise is not _NONE:
            text = NORMALISERS[rule.normalise](text)
        found.append(Identity(rule.key, text))
    return tuple(found)


def decimal(value: int) -> str:
    """The exact decimal text of an integer id; for one that is too long anyway, a text too long."""
    if value.bit_length() > _DECIMAL_BITS_MAX:
        return "9" * (VALUE_LENGTH_MAX + 1)
    return str(value)


def is_reserved(key: str) -> bool:
    """Whether the SDKs refuse this key name whatever a policy says; they compare without case."""
    lower = key.lower()
    return lower in RESERVED_WORDS or lower.startswith(RESERVED_PREFIXES)


def _rule(key: str, policy: Policy) -> KeyRule | None:
    """The rule of a key as sent. Old names of mini programs count where nobody declared them: they
    begin with ``$``, which is ours, so they can mean nothing else."""
    if len(key) > KEY_LENGTH_MAX:
        return None
    rule = policy.rule(key)
    if rule is None and _OLD_KEY.match(key):
        return policy.rule("$identity_" + key[1:])
    return None if key[:1] != "$" and is_reserved(key) else rule


# -- records that name no identities ---------------------------------------------------------------


def derived(
    ids: Mapping[str, str], raw: Mapping[str, Any], policy: Policy, bare_key: str
) -> tuple[Identity, ...] | Rejection:
    """The identities of a record without ``identities`` (old SDKs). ``ids`` are its id fields as
    text. Reads the record alone, never the graph: else the order of arrival would matter."""
    named = ((LOGIN_KEY, ids.get("login_id")), (ANONYMOUS_KEY, ids.get("anonymous_id")))
    pairs = [(key, value) for key, value in named if value is not None]
    if raw.get("type") == "track_signup":
        pairs = sorted([*pairs, *_signup(ids)], key=_login_first)
    return _from_fields(pairs or _bare(ids, raw, policy, bare_key), policy)


def by_distinct_id(
    ids: Mapping[str, str], raw: Mapping[str, Any], policy: Policy, bare_key: str
) -> tuple[Identity, ...] | Rejection:
    """The identities under a simple scheme: whom ``distinct_id`` names; a signup links two."""
    kind, distinct_id = raw.get("type"), ids["distinct_id"]
    if kind == "track_id_unbind":  # nothing was bound, and the named user must not be unbound
        return ()
    if kind == "track_signup":
        return _from_fields(_signup(ids), policy)
    if ids.get("login_id") == distinct_id:
        return _from_fields([(LOGIN_KEY, distinct_id)], policy)
    if ids.get("anonymous_id") == distinct_id:
        return _from_fields([(ANONYMOUS_KEY, distinct_id)], policy)
    return _from_fields(_bare(ids, raw, policy, bare_key), policy)


def _signup(ids: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(LOGIN_KEY, ids["distinct_id"]), (ANONYMOUS_KEY, ids["original_id"])]


def _login_first(pair: tuple[str, str]) -> bool:
    return pair[0] != LOGIN_KEY


def _bare(
    ids: Mapping[str, str], raw: Mapping[str, Any], policy: Policy, bare_key: str
) -> list[tuple[str, str]]:
    """Whom a ``distinct_id`` names that nothing else explains."""
    distinct_id = ids["distinct_id"]
    properties = raw.get("properties")
    if isinstance(properties, Mapping) and properties.get("$is_login_id") is True:
        return [(LOGIN_KEY, distinct_id)]
    key, plus, value = distinct_id.partition("+")
    if plus and _rule(key, policy) is not None:
        return [(key, value)]
    return [(bare_key, distinct_id)]


def _from_fields(pairs: Pairs, policy: Policy) -> tuple[Identity, ...] | Rejection:
    found = identities_of(pairs, policy)
    if isinstance(found, Rejection):
        return replace(found, field="distinct_id")
    return tuple(dict.fromkeys(found))


def naming(distinct_id: str, policy: Policy) -> str:
    """A ``distinct_id`` so that :meth:`Policy.named_by` finds the identity as it is stored: its
    value trimmed and normalised as an identity's is."""
    key, plus, value = distinct_id.partition("+")
    if not plus or _rule(key, policy) is None:
        key, plus, value = "", "", distinct_id
    found = identities_of([(key or LOGIN_KEY, value)], policy)
    if isinstance(found, Rejection):  # no such key here, so it names nobody
        return distinct_id
    return f"{found[0].key}+{found[0].value}" if plus else found[0].value


# -- rejections ------------------------------------------------------------------------------------


def _undefined(key: str) -> Rejection:
    fix = "Declare the key and apply the policy, then retry the rejection; or mend the sender."
    if is_reserved(key):
        fix = "This word is reserved: send the identity under another key, and declare that one."
    field = f"identities.{shown(key)}"
    reason = f"No rule of the policy declares the identity key {shown(key)}."
    return Rejection(Code.UNDEFINED_IDENTITY, field, reason, fix)


def _no_value(key: str, value: object) -> Rejection:
    return Rejection(
        Code.INVALID_FIELD,
        f"identities.{shown(key)}",
        f"An identity's value is text or a whole number; this is {shown(value)}.",
        "Send the id as text.",
    )


def _too_long(key: str) -> Rejection:
    return Rejection(
        Code.IDENTITY_VALUE_TOO_LONG,
        f"identities.{shown(key)}",
        f"The value is longer than {VALUE_LENGTH_MAX} characters.",
        "Send the id itself, or a hash of it that is shorter.",
    )
