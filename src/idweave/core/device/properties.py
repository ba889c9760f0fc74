"""Property values as the device SDKs send them (DEVICE.md §2.6): what JSON cannot say is left out.

Text is cut, lists hold text, objects become JSON text. Names are not checked by the mini programs'
SDKs; the web SDK leaves out those that would overwrite a record's own fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from .platforms import Rules
from .values import WORDS, is_finite, is_name, is_number, number_text, units

Shaped: TypeAlias = dict[str, Any]

LEFT_OUT = object()
"""Stands for a value that no record can carry."""

UNLIFTED: Final = frozenset({"distinct_id", "user_id", "id"})
"""Names that the web SDK leaves out of properties: they mean the user, not the event."""


def cleaned(properties: Mapping[str, object], rules: Rules) -> Shaped:
    """The properties as they would be sent; the argument is left alone."""
    shaped = ((name, value_of(value, rules)) for name, value in properties.items())
    return {
        name: value
        for name, value in shaped
        if value is not LEFT_OUT and isinstance(name, str)
        if not (rules.cookie and _is_unsendable(name))
    }


def _is_unsendable(name: str) -> bool:
    return name in UNLIFTED or not is_name(name, frozenset())


def value_of(value: object, rules: Rules) -> Any:
    """One value as sent, or ``LEFT_OUT``."""
    if isinstance(value, str):
        return cut(value, rules.text_units_max)
    if isinstance(value, bool):
        return value
    if is_number(value):
        return value if is_finite(value) else LEFT_OUT
    if isinstance(value, (datetime, date)):
        return date_text(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [cut(_item(item), rules.text_units_max) for item in items]
    if isinstance(value, Mapping):
        return cut(_json(value), rules.text_units_max)
    return LEFT_OUT


def _item(item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, (datetime, date)):
        return date_text(item)
    if is_number(item):
        return number_text(item)
    return _json(item)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def date_text(value: date) -> str:
    """``YYYY-MM-DD hh:mm:ss.mmm`` for a time, ``YYYY-MM-DD`` for a day."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    return f"{value:%Y-%m-%d}"


def cut(text: str, units_max: int) -> str:
    """The text, at most so many UTF-16 units long; a pair is not torn."""
    if len(text) * 2 <= units_max or units(text) <= units_max:
        return text
    kept = text[:units_max]
    while units(kept) > units_max:
        kept = kept[: len(kept) - (units(kept) - units_max + 1) // 2]
    return kept


# -- what a profile call takes ---------------------------------------------------------------------


def increments(properties: Mapping[str, object], rules: Rules) -> Shaped | None:
    """The numbers to add; None where one is no number and the build refuses all of them."""
    numbers = all(map(is_number, properties.values()))
    return cleaned(properties, rules) if numbers or not rules.cookie else None


def appended(properties: Mapping[str, object], rules: Rules) -> Shaped:
    """Lists of text to append; one text is a list of one, anything else is left out."""
    lists = {
        name: [value] if isinstance(value, str) else value
        for name, value in properties.items()
        if isinstance(value, (str, list, tuple))
    }
    return cleaned(lists, rules)


def unset(names: Iterable[object]) -> Shaped:
    """The names to unset, each with ``True``; what is no text is left out."""
    return {name: True for name in names if isinstance(name, str)}


SHAPES: Final[Mapping[str, Callable[[Mapping[str, object], Rules], Shaped | None]]] = {
    "profile_set": cleaned,
    "profile_set_once": cleaned,
    "profile_increment": increments,
    "profile_append": appended,
}
"""How each profile record shapes what the app gave."""

RESERVED: Final = WORDS | {"event_id"}
"""Words the server SDK refuses as a property, event or key."""
