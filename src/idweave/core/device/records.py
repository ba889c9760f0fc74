"""A draft → the record on the wire (DEVICE.md §2.6, PROTOCOL.md §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .platforms import Platform
from .state import Draft
from .values import WORDS, is_finite, is_name, is_number


class Stamp(NamedTuple):
    """What the moment adds: ms since 1970, and a number that no record of the moment shares."""

    time_ms: int
    track_id: int


def record_of(
    platform: Platform, draft: Draft, properties: Mapping[str, Any], stamp: Stamp
) -> dict[str, Any]:
    """The complete record but for ``_flush_time``, which whoever sends it puts in."""
    record: dict[str, Any] = dict(draft.who)
    record["lib"] = library(platform)
    record["properties"] = {**draft.properties, **properties}
    record["type"] = draft.type
    if draft.event is not None:
        record["event"] = draft.event
    if draft.event is not None or draft.type == "track" or platform.rules.profile_track_id:
        record["_track_id"] = stamp.track_id
    record["time"] = stamp.time_ms
    return record


CHANGES: Final = frozenset({"track_signup", "track_id_bind", "track_id_unbind"})
"""Records that change who is whom. Of one millisecond the law takes endings before beginnings, so
two of them must not share one."""

AHEAD_MS_MAX: Final = 1000
"""A tracker's times run no further ahead of its clock than this: a migration makes more changes
than there are milliseconds, and the collector takes an hour ahead."""


def time_of(kind: str, now_ms: int, last_ms: int) -> int:
    """When a record says it happened: not before the last one of its tracker, and a change of
    identities after it, so that what was said in order is heard in order."""
    least = last_ms + 1 if kind in CHANGES else last_ms
    return now_ms if least - now_ms > AHEAD_MS_MAX else max(now_ms, least)


def library(platform: Platform) -> dict[str, str]:
    """The ``lib`` of every record: the released SDK whose behaviour this is."""
    return {"$lib": platform.lib, "$lib_method": "code", "$lib_version": platform.version}


def item_draft(kind: str, item_type: object, item_id: object) -> Draft:
    """An item record: nobody's, so without ids; a type that is no name is left out."""
    fields = {
        "item_type": item_type if is_good_type(item_type) else None,
        "item_id": sendable(item_id),
    }
    return Draft(kind, {name: value for name, value in fields.items() if value is not None})


def is_good_type(item_type: object) -> bool:
    """Whether an item's type is a name."""
    return isinstance(item_type, str) and is_name(item_type, WORDS)


def sendable(name: object) -> object:
    """What of an event's name or an item's id the SDKs put on the wire: text and numbers."""
    return name if isinstance(name, str) or (is_number(name) and is_finite(name)) else None


def is_good_event(event: object) -> bool:
    """Whether the collector would take this as an event's name."""
    return isinstance(event, str) and is_name(event, frozenset())
