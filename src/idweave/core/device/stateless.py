"""The server style: no device, every call says whom it is about (DEVICE.md §4).

What is given is checked as the released Python SDK does, and a record comes back or InputError is
raised: a service's log is where its mistakes belong. Two records of one call never differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from ..errors import InputError, WrongType
from ..identity import LOGIN_KEY, Identity
from .platforms import PLATFORMS
from .properties import RESERVED, date_text
from .records import library
from .values import VALUE_UNITS_MAX, is_finite, is_name, is_number

TEXT_CHARS_END: Final = 8192
"""The released SDK refuses a property's text from this length on."""

VALUE_CHARS_MAX: Final = VALUE_UNITS_MAX
"""Here ids are counted in code points, as the collector counts them."""

_WORDS: Final = RESERVED | {"device_id"}
_SERVER = PLATFORMS["python"]


class Subject(NamedTuple):
    """Whom a record is about: a distinct id, and the identities where the caller gave some."""

    distinct_id: str
    identities: Mapping[str, str] | None = None
    is_login_id: bool = False


class Draft(NamedTuple):
    """What a call asks to send, checked by :func:`record`."""

    type: str
    subject: Subject
    properties: Mapping[str, object]
    event: object = None
    original_id: object = None


# -- whom it is about ------------------------------------------------------------------------------


def by_distinct_id(value: object, *, is_login_id: bool = False) -> Subject:
    """The user the service names by one id, which is put in as text."""
    return Subject(_id("distinct_id", value), None, is_login_id)


def by_identities(identities: Sequence[object]) -> Subject:
    """The user who has these identities. ``distinct_id`` is the login's value, where one is among
    them, else ``key+value`` of the first."""
    if not identities:
        raise InputError("Nobody is named.", fix="Give at least one Identity(key, value).")
    named: dict[str, str] = {}
    for identity in identities:
        key, value = _identity(identity)
        if key in named:
            raise InputError(f"Two identities have the key {key}.", fix="Give each key once.")
        named[key] = value
    login = named.get(LOGIN_KEY)
    if login is not None:
        return Subject(_id("distinct_id", login), named, is_login_id=True)
    key, value = next(iter(named.items()))
    return Subject(_id("distinct_id", f"{key}+{value}"), named)


def _identity(identity: object) -> Identity:
    if not isinstance(identity, Identity):
        raise WrongType(
            f"{identity!r} is no Identity.", fix='Give Identity("$identity_mobile", "13800000000").'
        )
    name("key", identity.key)
    if not isinstance(identity.value, str):
        raise WrongType(f"The value of {identity.key} is no text.", fix="Pass it as a str.")
    if not identity.value.strip():
        raise InputError(f"The value of {identity.key} is empty.")
    if len(identity.value) > VALUE_CHARS_MAX:
        raise InputError(f"The value of {identity.key} is longer than {VALUE_CHARS_MAX}.")
    return identity


def _id(field: str, value: object) -> str:
    text = "" if value is None else str(value)
    if not text:
        raise InputError(f"{field} is empty.", fix="Call this once the id is known.")
    if len(text) > VALUE_CHARS_MAX:
        raise InputError(f"{field} is longer than {VALUE_CHARS_MAX} characters.")
    return text


def _checked(field: str, value: object) -> str | int:
    """An id that the SDK checks as text and sends as it is; a number stays one."""
    text = _id(field, value)
    return value if isinstance(value, int) and not isinstance(value, bool) else text


def name(what: str, text: object) -> str:
    """The text, if it is a name of this kind of thing."""
    if not isinstance(text, str):
        raise WrongType(f"{text!r} is no name of a {what}: it is no text.")
    # the SDK's pattern lets one line feed at the end through, and so did its users' data
    if not is_name(text.removesuffix("\n"), _WORDS):
        raise InputError(
            f"{text[:100]!r} is no name of a {what}.",
            fix="A name has up to 100 letters, digits, _ and $, does not begin with a digit, and "
            "is no word of the protocol such as user_id.",
        )
    return text


# -- records ---------------------------------------------------------------------------------------


def record(draft: Draft, registered: Mapping[str, object], now_ms: int) -> dict[str, Any]:
    """The record on the wire. ``registered`` properties are put into events, not into profiles."""
    is_event = draft.type.startswith("track")
    given = _mapping(draft.properties)
    lifted = {"project": given.pop("$project", None), "token": given.pop("$token", None)}
    time_ms = _time(given.pop("$time", None), now_ms)
    if is_event:
        given = {**_presets(), **registered, **given}
    shaped = _properties(given)
    if draft.subject.is_login_id:
        shaped.setdefault("$is_login_id", True)
    made: dict[str, Any] = {
        "type": draft.type,
        "time": time_ms,
        "distinct_id": draft.subject.distinct_id,
        "properties": shaped,
        "lib": library(_SERVER),
    }
    if draft.subject.identities is not None:
        made["identities"] = dict(draft.subject.identities)
    if is_event:
        made["event"] = name("event", draft.event)
    if draft.type == "track_signup":
        made["original_id"] = _checked("original_id", draft.original_id)
    return made | _lifted(lifted)


def item_record(
    kind: str, item_type: object, item_id: object, properties: Mapping[str, object], *, now_ms: int
) -> dict[str, Any]:
    """An item's record: nobody's."""
    given = _mapping(properties)
    lifted = {"project": given.pop("$project", None)}
    return {
        "type": kind,
        "time": now_ms,
        "lib": library(_SERVER),
        "item_type": name("item type", item_type),
        "item_id": _checked("item_id", item_id),
        "properties": _properties(given),
    } | _lifted(lifted)


def _presets() -> dict[str, object]:
    return {"$lib": _SERVER.lib, "$lib_version": _SERVER.version}


def _lifted(fields: Mapping[str, object]) -> dict[str, object]:
    if fields["project"] is not None:
        name("project", fields["project"])
    return {field: value for field, value in fields.items() if value is not None}


def _time(given: object, now_ms: int) -> int:
    """``$time``: ms, or seconds where it has ten digits, or a datetime."""
    if given is None:
        return now_ms
    if isinstance(given, datetime):
        return int(given.timestamp() * 1000)
    if is_number(given):
        whole = int(given) if is_finite(given) else 0
        digits = len(str(abs(whole)))
        if whole > 0 and digits in (10, 13):
            return whole * 1000 if digits == 10 else whole
    kind = WrongType if isinstance(given, date) else InputError
    raise kind(f"$time {given!r} is no moment.", fix="Pass ms or s since 1970, or a datetime.")


# -- properties ------------------------------------------------------------------------------------


def _mapping(given: object) -> dict[str, object]:
    """A copy; None is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WrongType(f"{given!r} is no mapping of names to values.")
    return dict(given)


def _properties(given: Mapping[str, object]) -> dict[str, Any]:
    return {name("property", key): _value(key, value) for key, value in given.items()}


def _value(key: str, value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) >= TEXT_CHARS_END:
            raise InputError(f"{key} has {TEXT_CHARS_END} characters or more.")
        return value
    if is_number(value):
        if not is_finite(value):
            raise InputError(f"{key} is {value}, which JSON cannot say.")
        return value
    if isinstance(value, (datetime, date)):
        return date_text(value)
    if isinstance(value, (list, tuple)):
        for item in value:
            if not isinstance(item, str):
                raise WrongType(f"{key} holds {item!r}; a list holds text only.")
        return list(value)
    raise WrongType(
        f"{key} is a {type(value).__name__}.",
        fix="A property is text, a number, a bool, a date, or a list of text.",
    )


def increments(properties: Mapping[str, object]) -> Mapping[str, object]:
    """The same, if all are numbers to add."""
    for key, value in properties.items():
        if not key.startswith("$") and not is_number(value):
            raise WrongType(f"{key} is no number to add.")
    return properties


def appended(properties: Mapping[str, object]) -> Mapping[str, object]:
    """The same, if all are lists to append."""
    for key, value in properties.items():
        if not key.startswith("$") and not isinstance(value, (list, tuple)):
            raise WrongType(f"{key} is no list to append.")
    return properties


def unset(names: Iterable[str]) -> dict[str, object]:
    """The names to unset, each with ``True``."""
    if isinstance(names, str):
        raise WrongType("The names to unset are one text.", fix="Give a list of names.")
    return dict.fromkeys(names, True)
