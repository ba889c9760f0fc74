"""Where visitor ids lie, and what happens to devices: which event empties which store.

A condition is something that happens to a device, browser or app (VISITOR.md §7). It empties the
stores in its row's ``empties`` and may give the device another hardware id (``renews``); nothing
else ever happens to a visitor id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class StoreKind(StrEnum):
    """What holds a visitor id on a device."""

    APP_FILE = "app_file"
    KEYCHAIN = "keychain"
    COOKIE = "cookie"
    LOCAL_STORAGE = "local_storage"
    MINI_STORAGE = "mini_storage"
    SETTINGS_FILE = "settings_file"
    MEMORY = "memory"


LOCAL_SCOPE = "origin:"
"""How the scope of what lies in local storage begins; the host follows."""


class Place(NamedTuple):
    """Where one value lies: ``scope`` is a cookie's domain, ``origin:host`` for local storage and
    empty for the one store of an app; ``key`` is the SDK's own name."""

    scope: str
    key: str


class Stored(NamedTuple):
    """One stored value, decoded. ``expires_at_ms`` counts from 1970 in UTC; None means never."""

    text: str
    expires_at_ms: int | None = None


Storage = Mapping[Place, Stored]
"""Everything a device keeps for one SDK. Treat it as a value: rules return a new one."""


def stored(texts: Mapping[str, str], scope: str = "") -> dict[Place, Stored]:
    """A storage that holds these texts for good, by the SDK's own keys."""
    return {Place(scope, key): Stored(text) for key, text in texts.items()}


def read(storage: Storage, key: str, scope: str = "") -> str:
    """The text at a place, or empty."""
    return storage.get(Place(scope, key), Stored("")).text


class Family(StrEnum):
    """Platforms that share their conditions."""

    ANDROID = "android"
    APPLE = "apple"
    MAC = "mac"
    WEB = "web"
    MINI_PROGRAM = "mini program"
    HARMONYOS = "harmonyos"
    QT = "qt"


_PHONES = frozenset({Family.ANDROID, Family.APPLE})
_ALL_PHONES = _PHONES | {Family.HARMONYOS}
_APPS = _ALL_PHONES | {Family.MAC, Family.QT}
_CLEARED = frozenset({Family.ANDROID, Family.HARMONYOS, Family.QT})
_ALL = frozenset(Family)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that happens, to which families, and what it does to stores and hardware ids."""

    name: str
    families: frozenset[Family]
    empties: frozenset[StoreKind] = frozenset()
    renews: frozenset[str] = frozenset()
    text: str = ""


def _row(
    name: str, families: frozenset[Family], empties: str = "", *, renews: str = "", text: str
) -> Condition:
    kinds = frozenset(StoreKind(kind) for kind in empties.split())
    return Condition(name, families, kinds, frozenset(renews.split()), text)


_WEB, _MINI = frozenset({Family.WEB}), frozenset({Family.MINI_PROGRAM})
_ANDROID, _APPLE = frozenset({Family.ANDROID}), frozenset({Family.APPLE})
_EVERY_STORE = " ".join(StoreKind)

CONDITIONS: tuple[Condition, ...] = (
    _row("restart", _ALL, "memory", text="the app, page or mini program starts again"),
    _row("upgrade", _ALL, "memory", text="a newer app or SDK is installed over the old one"),
    _row("login", _ALL, text="a user logs in"),
    _row("logout", _ALL, text="a user logs out"),
    _row("user_switch", _ALL, text="another user logs in on the same device"),
    _row("session_expiry", _ALL, text="the session ends and another begins"),
    _row("permission_granted", _PHONES, text="the user allows IMEI or tracking later"),
    _row("permission_revoked", _PHONES, text="the user takes the permission back"),
    _row("reinstall", _APPS, "app_file memory", text="the app is deleted and installed again"),
    _row(
        "clear_data",
        _CLEARED,
        "app_file settings_file memory",
        text="the app's data or settings file is cleared",
    ),
    _row(
        "erase_all",
        _ALL_PHONES,
        "app_file keychain memory",
        renews="android_id idfa idfv",
        text="all content and settings are erased (factory reset)",
    ),
    _row(
        "app_transfer",
        _APPLE,
        "keychain app_file memory",
        renews="idfv",
        text="the app moves to another developer team",
    ),
    _row(
        "signing_key_change",
        _ANDROID,
        "app_file memory",
        renews="android_id",
        text="the app is signed with another key (Android 8 and later: another AndroidID)",
    ),
    _row(
        "other_device",
        _ALL,
        _EVERY_STORE,
        renews="android_id imei idfa idfv platform_uuid",
        text="the same person on another phone or computer (a board change counts)",
    ),
    _row("reload", _WEB, "memory", text="the page is loaded again"),
    _row("subdomain", _WEB, "memory local_storage", text="another host of the same site"),
    _row(
        "clear_cookies",
        _WEB,
        "cookie",
        text="cookies are cleared; what lies in local storage stays",
    ),
    _row(
        "long_absence",
        _WEB,
        "cookie memory",
        text="no visit for 400 days; local storage holds about three years",
    ),
    _row("private_window", _WEB, _EVERY_STORE, text="a private window: a cookie jar of its own"),
    _row("other_browser", _WEB, _EVERY_STORE, text="another browser on the same computer"),
    _row("other_domain", _WEB, _EVERY_STORE, text="another registrable domain"),
    _row(
        "delete_miniprogram",
        _MINI,
        "mini_storage memory",
        text="the mini program is deleted from the list",
    ),
    _row("clear_cache", _MINI, "mini_storage memory", text="the host app's cache is cleared"),
    _row("other_person", _MINI, renews="openid", text="another account of the host app"),
    _row(
        "other_miniprogram",
        _MINI,
        "mini_storage memory",
        renews="openid",
        text="another mini program: its own storage, its own OpenIDs",
    ),
)
"""Every condition the rules know. What no row names never changes a visitor id."""

BY_NAME: Mapping[str, Condition] = {row.name: row for row in CONDITIONS}


OWN_STORE: Mapping[Family, StoreKind] = {
    Family.ANDROID: StoreKind.APP_FILE,
    Family.APPLE: StoreKind.APP_FILE,
    Family.MAC: StoreKind.APP_FILE,
    Family.WEB: StoreKind.COOKIE,
    Family.MINI_PROGRAM: StoreKind.MINI_STORAGE,
    Family.HARMONYOS: StoreKind.APP_FILE,
    Family.QT: StoreKind.SETTINGS_FILE,
}
"""Where an SDK keeps what is not a visitor id: the login id and its like."""


def kind_of(place: Place, kinds: Mapping[str, StoreKind], family: Family) -> StoreKind:
    """Which store a place is in: by its scope, by the kind of its key's slot, else the family's."""
    if place.scope.startswith(LOCAL_SCOPE):
        return StoreKind.LOCAL_STORAGE
    return kinds.get(place.key, OWN_STORE[family])
