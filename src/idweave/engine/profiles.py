"""A user's profile: ``profile_*`` records folded in time order; it follows merges and unbinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Properties = dict[str, Any]


def _set(profile: Properties, given: Mapping[str, Any]) -> None:
    profile.update(given)


def _set_once(profile: Properties, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        profile.setdefault(name, value)


def _increment(profile: Properties, given: Mapping[str, Any]) -> None:
    for name, added in given.items():
        before = profile.get(name, 0)
        if _is_number(added):
            profile[name] = (before if _is_number(before) else 0) + added


def _append(profile: Properties, given: Mapping[str, Any]) -> None:
    for name, added in given.items():
        before = profile.get(name)
        items = list(before) if isinstance(before, list) else []
        for item in added if isinstance(added, list) else [added]:
            if item not in items:
                items.append(item)
        profile[name] = items


def _unset(profile: Properties, given: Mapping[str, Any]) -> None:
    for name in given:
        profile.pop(name, None)


def _delete(profile: Properties, given: Mapping[str, Any]) -> None:
    profile.clear()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


OPERATIONS: dict[str, Callable[[Properties, Mapping[str, Any]], None]] = {
    "profile_set": _set,
    "profile_set_once": _set_once,
    "profile_increment": _increment,
    "profile_append": _append,
    "profile_unset": _unset,
    "profile_delete": _delete,
}
"""What each type of record does to a profile."""


def fold(records: Iterable[tuple[str, Mapping[str, Any]]]) -> Properties:
    """The profile that records, oldest first, come to. Each is a type and its properties."""
    profile: Properties = {}
    for type_, given in records:
        OPERATIONS[type_](profile, given)
    return profile
