"""The start of an app: the first, another, or one after an upgrade (DEVICE.md §2.2, §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ..identity import ANONYMOUS_KEY, LOGIN_KEY
from .binding import openid_key
from .calls import NewId, identify
from .platforms import Platform
from .state import DeviceState, Draft, LoginRecord, Outcome, who
from .values import DeviceId, is_finite, is_number

FIELDS = frozenset(
    [
        "distinct_id",
        "first_id",
        "identities",
        "history_login_id",
        "openid",
        "props",
        "_distinct_id",
        "_first_id",
    ]
)


class Visit(NamedTuple):
    """What a first start notes: now and the end of the device's day in ms since 1970, and now as
    the device's clock shows it (``YYYY-MM-DD hh:mm:ss.mmm``)."""

    now_ms: int
    day_end_ms: int
    local_text: str


class Options(NamedTuple):
    """What the app configured: its WeChat app id, and an anonymous id to begin with."""

    app_id: str | None = None
    identify_id: str | None = None


def first_start(platform: Platform, visit: Visit, new_id: NewId, options: Options) -> Outcome:
    """Nothing is stored: one new id names the device and the visitor. Mini programs send when."""
    state = _fresh(platform, new_id())
    if not platform.rules.cookie:
        more = {"first_visit_time": visit.now_ms, "first_visit_day_time": visit.day_end_ms}
        state = replace(state, more=more)
    if platform.rules.identify_id_option and isinstance(options.identify_id, str):
        state = identify(platform, state, options.identify_id, new_id).state
    if platform.rules.cookie:
        return Outcome(state)
    return Outcome(state, (first_visit(platform, state, visit),))


def first_visit(platform: Platform, state: DeviceState, visit: Visit) -> Draft:
    """The profile record that says when the visitor was first seen."""
    return Draft(
        "profile_set_once",
        who(platform, state),
        properties={"$first_visit_time": visit.local_text},
    )


def _fresh(platform: Platform, value: str) -> DeviceState:
    first = "" if platform.rules.cookie else None
    if platform.device_key is None:
        return DeviceState(value, first)
    return DeviceState(value, first, {platform.device_key: value}, LoginRecord())


def resume(
    platform: Platform, stored: Mapping[str, Any], new_id: NewId, options: Options
) -> Outcome:
    """Go on from a persisted state, decoded; without a usable ``distinct_id`` it is worth nothing.

    Repairs what an upgrade left: identities that are missing, a login that does not fit them.
    """
    own = _id(stored.get("distinct_id")) or None  # 0 is no id to the SDKs once it was stored
    if own is None:
        if platform.rules.cookie:
            return Outcome(_fresh(platform, new_id()))
        stored = {"distinct_id": (own := new_id())}
    state = DeviceState(
        own,
        _text(stored.get("first_id")),
        openid=_text(stored.get("openid")),
        props=stored["props"] if isinstance(stored.get("props"), Mapping) else None,
        shadow_distinct_id=_id(stored.get("_distinct_id")),
        shadow_first_id=_id(stored.get("_first_id")),
        more={name: value for name, value in stored.items() if name not in FIELDS},
    )
    if platform.device_key is None:
        return Outcome(state)
    identities = _identities(platform, stored.get("identities"), new_id)
    state = replace(state, identities=identities, history=_history(stored))
    if platform.rules.legacy_keys:
        state = _with_successors(state, options.app_id)
    mend = _mended_web if platform.rules.cookie else _mended_mini
    return Outcome(mend(platform, state))


def _id(value: object) -> DeviceId | None:
    """An id as stored; None for what can be none."""
    if isinstance(value, str):
        return value or None
    return value if is_number(value) and is_finite(value) else None


def _text(value: object) -> DeviceId | None:
    """An id, or the empty text of one that was taken away."""
    return "" if value == "" else _id(value)


def _history(stored: Mapping[str, Any]) -> LoginRecord:
    record = stored.get("history_login_id")
    if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
        return LoginRecord()
    return LoginRecord(record["name"], _id(record.get("value")) or "")


def _identities(platform: Platform, held: object, new_id: NewId) -> dict[str, DeviceId]:
    """The stored map; an empty or missing one begins anew, with an id of its own."""
    assert platform.device_key is not None
    pairs = held.items() if isinstance(held, Mapping) else ()
    kept = {key: good for key, value in pairs if (good := _id(value)) is not None}
    return kept or {platform.device_key: new_id()}


def _with_successors(state: DeviceState, app_id: str | None) -> DeviceState:
    """WeChat's old names become what follows them; a legacy OpenID returns with each start."""
    openid = openid_key(app_id)
    renamed = {
        "$mp_id": "$identity_mp_id",
        "$mp_unionid": "$identity_mp_unionid",
        (f"$mp_{app_id}_openid" if app_id else "$mp_openid"): openid,
    }
    held = state.identities or {}
    identities = {key: value for key, value in held.items() if key not in renamed}
    identities |= {renamed[key]: value for key, value in held.items() if key in renamed}
    if state.openid:
        identities[openid] = state.openid
    return replace(state, identities=identities)


def _mended_mini(platform: Platform, state: DeviceState) -> DeviceState:
    if not state.anonymous_first:
        return replace(state, history=LoginRecord())
    held, history = state.identities or {}, state.history or LoginRecord()
    if history.name in held:
        if held[history.name] == state.distinct_id:
            return state
        return _logged_in(platform, state, history.name)
    return _logged_in(platform, state, LOGIN_KEY)


def _mended_web(platform: Platform, state: DeviceState) -> DeviceState:
    held, history = state.identities or {}, state.history or LoginRecord()
    if state.anonymous_first:
        if history.name and held.get(history.name) == state.distinct_id:
            return state
        return _logged_in(platform, state, history.name or LOGIN_KEY)
    if LOGIN_KEY in held or history.name in held:
        state = state.only_identities(platform.device_key, ANONYMOUS_KEY)
    return replace(state, history=LoginRecord())


def _logged_in(platform: Platform, state: DeviceState, key: str) -> DeviceState:
    """The stored login wins over what the identities say of it."""
    own = state.distinct_id
    assert own is not None, "resume gave it one"
    state = state.with_identity(key, own).only_identities(platform.device_key, key)
    return replace(state, history=LoginRecord(key, own))
