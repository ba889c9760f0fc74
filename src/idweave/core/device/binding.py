"""Binding ids to the visitor and letting go of them (DEVICE.md §2.4, §3)."""

from __future__ import annotations

from dataclasses import replace

from .calls import identify, refused
from .platforms import Platform
from .state import DeviceState, Draft, LoginRecord, Outcome, ids_of, who
from .values import DeviceId, Refusal, RefusalCode, check_key, check_value

UNIONID_KEY = "$identity_mp_unionid"


def openid_key(app_id: str | None) -> str:
    """The key of a WeChat OpenID: it is the app's, where the app is known."""
    return f"$identity_mp_{app_id}_openid" if app_id else "$identity_mp_openid"


def bind(platform: Platform, state: DeviceState, key: object, value: object) -> Outcome:
    """Keep one more id and send ``$BindID`` with all of them; a repeat sends it again."""
    name = check_key(key, platform.rules.bind_key)
    if isinstance(name, Refusal):
        return refused(state, name)
    if state.history is not None and state.history.name and name == state.history.name:
        return refused(state, _LOGIN_KEY)
    text = check_value(value, platform.rules.bound)
    if isinstance(text, Refusal):
        return refused(state, text)
    return bound(platform, state, name, text)


def bound(platform: Platform, state: DeviceState, key: str, value: DeviceId) -> Outcome:
    """As :func:`bind`, nothing checked."""
    state = state.with_identity(key, value)
    return Outcome(state, (Draft("track_id_bind", who(platform, state), "$BindID"),))


def unbind(platform: Platform, state: DeviceState, key: object, value: object) -> Outcome:
    """Let go of an id and send ``$UnbindID`` about it, known here or not.

    It is forgotten only if the value is the kept one, and the device key never. The pair one is
    logged in by logs out.
    """
    name = check_key(key, platform.rules.unbind_key)
    if isinstance(name, Refusal):
        return refused(state, name)
    text = check_value(value, platform.rules.bound)
    if isinstance(text, Refusal):
        return refused(state, text)
    return unbound(platform, state, name, text)


def unbound(platform: Platform, state: DeviceState, key: str, value: DeviceId) -> Outcome:
    """As :func:`unbind`, nothing checked."""
    held = state.identities or {}
    matches = held.get(key) == value
    login = ids_of(platform, state).login_id
    logs_out = login == f"{key}+{value}" and (matches or not platform.rules.cookie)
    if matches and key not in platform.rules.kept:
        state = replace(state, identities={k: v for k, v in held.items() if k != key})
    if logs_out:
        own = state.anonymous_first
        state = replace(state.with_own_id(own).with_first_id(""), history=LoginRecord())
    fields = {"distinct_id": ids_of(platform, state).distinct_id, "identities": {key: value}}
    return Outcome(state, (Draft("track_id_unbind", fields, "$UnbindID"),))


# -- WeChat's own ----------------------------------------------------------------------------------


def bind_openid(
    platform: Platform, state: DeviceState, value: object, app_id: str | None
) -> Outcome:
    """Bind the visitor's OpenID of this app."""
    return _bind_id(platform, state, openid_key(app_id), value)


def bind_unionid(platform: Platform, state: DeviceState, value: object) -> Outcome:
    """Bind the visitor's UnionID."""
    return _bind_id(platform, state, UNIONID_KEY, value)


def unbind_openid(
    platform: Platform, state: DeviceState, value: object, app_id: str | None
) -> Outcome:
    """Unbind an OpenID of this app. A number must be one that :func:`unbind` takes, too."""
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    return unbind(platform, state, openid_key(app_id), value)


def unbind_unionid(
    platform: Platform, state: DeviceState, value: object, app_id: str | None
) -> Outcome:
    """Unbind a UnionID. If it is the kept one the OpenID is forgotten too, without a record."""
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    matches = (state.identities or {}).get(UNIONID_KEY) == text
    outcome = unbind(platform, state, UNIONID_KEY, text)
    if outcome.refusal is not None or not matches:
        return outcome
    return outcome._replace(state=_without_openid(outcome.state, app_id))


def _bind_id(platform: Platform, state: DeviceState, key: str, value: object) -> Outcome:
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    return bind(platform, state, key, text)


def _without_openid(state: DeviceState, app_id: str | None) -> DeviceState:
    key, held = openid_key(app_id), state.identities or {}
    if key not in held:
        return state
    kept = {name: value for name, value in held.items() if name != key}
    return replace(state, identities=kept, openid=None)


def set_openid(
    platform: Platform, state: DeviceState, value: object, app_id: str | None
) -> Outcome:
    """The old way: the OpenID becomes the anonymous id and an identity. No record is sent."""
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    state = replace(state, openid=text)
    state = identify(platform, state, text, str).state
    return Outcome(state.with_identity(openid_key(app_id), text))


def unset_openid(
    platform: Platform, state: DeviceState, value: object, app_id: str | None
) -> Outcome:
    """Forget an OpenID set the old way. If it is the kept identity, the device's own id stands
    wherever the OpenID set last stood for the visitor, until the next start. No record is sent."""
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    key, held, openid = openid_key(app_id), state.identities or {}, state.openid
    if openid == text:
        state = replace(state, openid="")
    if held.get(key) != text:
        return Outcome(state)
    device = held.get(platform.device_key or "")
    state = replace(state, identities={k: v for k, v in held.items() if k != key})
    if openid and state.first_id == openid:
        state = replace(state, shadow_first_id=device)
    if openid and state.distinct_id == openid:
        state = replace(state, shadow_distinct_id=device)
    return Outcome(state)


_LOGIN_KEY = Refusal(
    RefusalCode.LOGIN_KEY,
    "Somebody is logged in by this key, so it cannot be bound to another value.",
    "Call login_with_key() to log somebody else in.",
)
