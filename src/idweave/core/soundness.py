"""The rules for a record as a whole: what every store can keep and every reader read (§1).

NUL, lone surrogates, NaN and infinities are refused because stores differ on them: what one would
keep another would refuse, and the same log would be two graphs. Depth is bounded because every
reader of JSON recurses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from .rejection import Code, Rejection, shown

NESTING_MAX = 32
"""Levels of objects and lists, the record itself being the first. SDKs send three."""

INT_DIGITS_MAX = 4300
"""Digits of one number: Python converts no more by default, as the time grows with the square."""

_INT_END: int = 10**INT_DIGITS_MAX
_SCALARS = frozenset({bool, type(None)})


def find_flaw(raw: object) -> Rejection | None:
    """The first rule that a record as a whole breaks; None for a sound one. Never raises."""
    if not isinstance(raw, Mapping):
        return not_an_object(raw)
    if _is_sound(raw):
        return None
    return next(_flaws(raw, "", 1), None)


def not_an_object(raw: object) -> Rejection:
    """The rejection of something else where a record should be."""
    return Rejection(
        Code.INVALID_JSON,
        "",
        f"A record is a JSON object; this is {shown(raw)}.",
        "Send each record as an object, or a list of objects as data_list.",
    )


def has_lone_surrogate(text: str) -> bool:
    """Whether text cannot be written as UTF-8."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_sound(raw: Mapping[str, Any]) -> bool:
    """Whether nothing is wrong, level by level; says no too often rather than too rarely.

    On the path of every record that was not decoded by us: one pass, all text checked at once.
    """
    texts: list[str] = []
    level: list[Any] = [raw]
    for _ in range(NESTING_MAX):
        below: list[Any] = []
        for container in level:
            kind = type(container)
            if kind is dict:
                texts.extend(container)
            elif kind is not list:
                return False
            if not _sort_out(container.values() if kind is dict else container, texts, below):
                return False
        if not below:
            return _are_sound(texts)
        level = below
    return False


def _sort_out(values: Iterable[Any], texts: list[str], below: list[Any]) -> bool:
    """Texts to the texts, containers to the level below; whether all numbers are sound."""
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int:
            if not -_INT_END < value < _INT_END:
                return False
        elif kind is float:
            if not isfinite(value):
                return False
        elif kind not in _SCALARS:
            below.append(value)
    return True


def _are_sound(texts: list[str]) -> bool:
    try:
        text = "\n".join(texts)  # a separator, so that two halves of a pair do not meet
    except TypeError:  # a key that is no text
        return False
    return "\0" not in text and not has_lone_surrogate(text)


def _flaws(value: object, field: str, depth: int) -> Iterator[Rejection]:
    """All flaws of a value in the order of its text, each with the path of its field."""
    if isinstance(value, Mapping):
        yield from _too_deep(field, depth)
        for key, inner in value.items() if depth <= NESTING_MAX else ():
            path = f"{field}.{shown(key)}" if field else shown(key)
            yield from _text_flaws(key, path) if isinstance(key, str) else _not_json(key, path)
            yield from _flaws(inner, path, depth + 1)
    elif isinstance(value, list):
        yield from _too_deep(field, depth)
        for place, inner in enumerate(value) if depth <= NESTING_MAX else ():
            yield from _flaws(inner, f"{field}[{place}]", depth + 1)
    elif isinstance(value, str):
        yield from _text_flaws(value, field)
    elif isinstance(value, float):
        yield from _float_flaws(value, field)
    elif isinstance(value, int):
        yield from _int_flaws(value, field)
    elif value is not None:
        yield from _not_json(value, field)


def _too_deep(field: str, depth: int) -> Iterator[Rejection]:
    if depth > NESTING_MAX:
        yield Rejection(
            Code.TOO_DEEP,
            short_path(field),
            f"Objects and lists are nested more than {NESTING_MAX} deep.",
            "Send flat properties; put deeper structure into text.",
        )


def _text_flaws(text: str, field: str) -> Iterator[Rejection]:
    if "\0" in text:
        fix = "Remove the character U+0000 where the value is made."
        yield Rejection(Code.INVALID_JSON, short_path(field), "Text holds the character NUL.", fix)
    if has_lone_surrogate(text):
        reason = "Text holds half of a surrogate pair: a character was cut in two."
        fix = "Cut text between characters, not between UTF-16 units."
        yield Rejection(Code.INVALID_JSON, short_path(field), reason, fix)


def _float_flaws(value: float, field: str) -> Iterator[Rejection]:
    if not isfinite(value):
        fix = "Leave the property out when there is no number."
        reason = "NaN and infinite numbers are not JSON."
        yield Rejection(Code.INVALID_JSON, short_path(field), reason, fix)


def _int_flaws(value: int, field: str) -> Iterator[Rejection]:
    if abs(value) >= _INT_END:
        reason = f"The number has more than {INT_DIGITS_MAX} digits."
        yield Rejection(Code.INVALID_JSON, short_path(field), reason, "Send it as text.")


def _not_json(value: object, field: str) -> Iterator[Rejection]:
    reason = f"A value of type {type(value).__name__} is not JSON."
    yield Rejection(Code.INVALID_JSON, short_path(field), reason, "Send JSON values only.")


def short_path(field: str) -> str:
    """A path that names where to look, however deep that is."""
    return shown(field) if field else ""
