"""The options that matter to visitor ids, as the released SDKs read them.

An option of the wrong type counts as not given; a number out of bounds falls back, as in the SDKs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import floor, isfinite
from typing import NamedTuple

from .stores import Family


@dataclass(frozen=True, slots=True)
class Options:
    """What an app told its SDK. ``*_min`` are minutes, ``*_s`` seconds; None means off."""

    project_id: str = ""
    app_id: str = ""
    data_source_id: str = ""
    platform: str = ""
    force_login: bool = False
    id_mapping: bool = False
    data_collect: bool = True
    track_page: bool = True
    storage_type: str = "cookie"
    cookie_domain: str = ""
    session_expires_min: float | None = None
    keep_alive_min: float = 5
    session_interval_s: float = 30


class Bounds(NamedTuple):
    """What a number must lie in, what it becomes if it does not, and if halves are rounded."""

    low: float
    high: float
    fallback: float | None
    whole: bool = False


class Row(NamedTuple):
    """One option: the SDK's name, our field, and the type it must have."""

    name: str
    field: str
    kind: type


OPTIONS: tuple[Row, ...] = (
    Row("projectId", "project_id", str),
    Row("appId", "app_id", str),
    Row("dataSourceId", "data_source_id", str),
    Row("forceLogin", "force_login", bool),
    Row("enableIdMapping", "id_mapping", bool),
    Row("idMapping", "id_mapping", bool),
    Row("dataCollect", "data_collect", bool),
    Row("trackPage", "track_page", bool),
    Row("platform", "platform", str),
    Row("storageType", "storage_type", str),
    Row("cookieDomain", "cookie_domain", str),
    Row("sessionExpires", "session_expires_min", float),
    Row("keepAlive", "keep_alive_min", float),
    Row("sessionInterval", "session_interval_s", float),
)

BOUNDS: Mapping[Family, Mapping[str, Bounds]] = {
    Family.WEB: {"session_expires_min": Bounds(1, 360, 30, whole=True)},
    Family.MINI_PROGRAM: {
        "session_expires_min": Bounds(1, 1440, None),
        "keep_alive_min": Bounds(0, 1440, 5),
    },
}
"""Sessions on the web end after 30 idle minutes, in mini programs only if the app says when."""

WEB_PLATFORMS = frozenset(
    {
        *("web", "wxwv", "Android", "iOS", "minp", "alip", "baidup", "qq", "bytedance"),
        *("kuaishoup", "jdp"),
    }
)
"""What a web page may call itself; anything else is ``web``."""

SETTABLE: Mapping[Family, Mapping[str, str]] = {
    Family.WEB: {"forceLogin": "force_login", "dataCollect": "data_collect"},
    Family.MINI_PROGRAM: {"dataCollect": "data_collect"},
}
"""Which options an app may switch while it runs. ``forceLogin`` comes back on the web alone."""


def read_options(family: Family, given: Mapping[str, object]) -> Options:
    """The options of an ``init`` call. Names that do not matter to visitor ids are ignored."""
    found: dict[str, object] = {}
    for row in OPTIONS:
        value = given.get(row.name)
        if not _is(row.kind, value):
            continue
        if row.field == "id_mapping" and found.get("id_mapping"):
            continue  # the old name and the new one: either switches it on
        found[row.field] = value
    for field, bounds in BOUNDS.get(family, {}).items():
        if field in found or family is Family.WEB:
            found[field] = _bounded(found.get(field), bounds)
    if family is Family.WEB:
        found["storage_type"] = str(found.get("storage_type", "cookie")).lower()
        platform = found.get("platform")
        found["platform"] = platform if platform in WEB_PLATFORMS else "web"
    return Options(**found)  # type: ignore[arg-type]  # each value has the type of its row


def _is(kind: type, value: object) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


def _bounded(value: object, bounds: Bounds) -> float | None:
    if not isinstance(value, int | float) or not isfinite(value):
        return bounds.fallback
    number = floor(value + 0.5) if bounds.whole else value
    return number if bounds.low <= number <= bounds.high else bounds.fallback


FIELDS = tuple(field.name for field in fields(Options))
"""The names of ``Options``, for tables that must cover them."""
