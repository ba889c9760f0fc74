"""The calls of a device: identify, login, logout, reset, signup (DEVICE.md §2.4, §2.7, §3).

Each takes the platform, the state and what the app gave, and returns an :class:`Outcome`. A call
that needs a new id gets ``new_id``, so that chance stays with the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from ..identity import LOGIN_KEY
from .platforms import Platform
from .state import DeviceState, Draft, LoginRecord, Outcome, ids_of, who
from .values import (
    ABSENT,
    DeviceId,
    Refusal,
    RefusalCode,
    check_key,
    check_value,
    is_finite,
    is_number,
    wrong_type,
)

NewId: TypeAlias = Callable[[], str]
"""Makes an id nobody has yet."""


def refused(state: DeviceState, refusal: Refusal) -> Outcome:
    """Nothing done, and why."""
    return Outcome(state, (), refusal)


def identify(platform: Platform, state: DeviceState, value: object, new_id: NewId) -> Outcome:
    """Replace the anonymous id. Stored identities and the device key stay; no record is sent.

    On the web no argument means a new id.
    """
    if value is ABSENT and platform.rules.identify_renews:
        text: str | Refusal = new_id()
    else:
        text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    return Outcome(_renamed(platform, state, text))


def _renamed(platform: Platform, state: DeviceState, text: str) -> DeviceState:
    if not platform.rules.identify_persists:
        if state.anonymous_first:
            return replace(state, shadow_first_id=text)
        return replace(state, shadow_distinct_id=text)
    return state.with_first_id(text) if state.anonymous_first else state.with_own_id(text)


# -- login and logout ------------------------------------------------------------------------------


def login(platform: Platform, state: DeviceState, value: object) -> Outcome:
    """Log in by ``$identity_login_id``: ``$SignUp`` is sent with everything bound so far, then all
    of it but the device key and the login is forgotten."""
    if platform.device_key is None:
        return _login_id2(platform, state, value)
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    return _login(platform, state, LoginRecord(LOGIN_KEY, text))


def login_with_key(platform: Platform, state: DeviceState, key: object, value: object) -> Outcome:
    """Log in by another key; ``distinct_id`` and ``login_id`` become ``key+value``."""
    name = check_key(key, platform.rules.login_key)
    if isinstance(name, Refusal):
        return refused(state, name)
    text = check_value(value, platform.rules.identity)
    if isinstance(text, Refusal):
        return refused(state, text)
    return _login(platform, state, LoginRecord(name, text))


def _login(platform: Platform, state: DeviceState, record: LoginRecord) -> Outcome:
    if _is_anonymous_id(platform, state, record):
        return refused(state, _ANONYMOUS)
    if state.history == record:
        return refused(state, _SAME)
    if not state.anonymous_first:
        state = state.with_first_id(ids_of(platform, state).distinct_id)
    state = replace(state.with_identity(*record), history=record).with_own_id(record.value)
    signup = _signup(platform, state, record.composed)
    return Outcome(state.only_identities(platform.device_key, record.name), (signup,))


def _is_anonymous_id(platform: Platform, state: DeviceState, record: LoginRecord) -> bool:
    """Whether one would log in with the id one has without a login. The web asks only while
    anonymous, or when the key is known here already."""
    first = state.anonymous_first
    if not platform.rules.cookie:
        return record.value == (first or ids_of(platform, state).distinct_id)
    if not first:
        return record.value == state.own_id
    return record.name in (state.identities or {}) and record.value == first


def _signup(platform: Platform, state: DeviceState, distinct: DeviceId) -> Draft:
    fields = who(platform, state) | {"distinct_id": distinct}
    fields["original_id"] = state.anonymous_first
    return Draft("track_signup", fields, "$SignUp")


def _login_id2(platform: Platform, state: DeviceState, value: object) -> Outcome:
    """ID-Mapping 2 checks next to nothing; we refuse what is no id at all (docs/decisions/0010)."""
    if is_number(value):
        if not is_finite(value):
            return refused(state, wrong_type(value))
        value = int(value) if float(value).is_integer() else value
    elif not isinstance(value, str):
        return refused(state, wrong_type(value))
    elif not value:
        return refused(state, _EMPTY_LOGIN)
    if value == state.distinct_id and isinstance(value, str) == isinstance(state.distinct_id, str):
        return refused(state, _SAME)
    if not state.anonymous_first:
        state = state.with_first_id(state.own_id)
    state = state.with_own_id(value)
    return Outcome(state, (_signup(platform, state, value),))


def logout(platform: Platform, state: DeviceState, renew: object, new_id: NewId) -> Outcome:
    """Forget the login and every bound id; the device key stays. No record is sent.

    ``renew`` being ``True`` asks for a new anonymous id, where the build has that.
    """
    first = state.anonymous_first
    if state.identities is not None:
        state = replace(state.only_identities(platform.device_key), history=LoginRecord())
    if first:
        fresh = renew is True and platform.rules.logout_renews
        state = state.with_own_id(new_id() if fresh else first).with_first_id("")
    return Outcome(state)


def reset_anonymous_identity(
    platform: Platform, state: DeviceState, value: object, new_id: NewId
) -> Outcome:
    """Give the device another anonymous id and device identity, a new one without an argument.

    Only while nobody is logged in; bound ids stay; no record is sent.
    """
    if state.anonymous_first:
        return refused(state, _LOGGED_IN)
    text = new_id() if value is ABSENT else check_value(value, platform.rules.reset)
    if isinstance(text, Refusal):
        return refused(state, text)
    state = state.with_own_id(text)
    return Outcome(state.with_identity(platform.device_key, text) if platform.device_key else state)


def delete_profile(platform: Platform, state: DeviceState, new_id: NewId) -> Outcome:
    """Send ``profile_delete`` for who one is now, and be a new anonymous visitor after it.

    Identities and the last login stay until the next start, as on the web.
    """
    draft = Draft("profile_delete", who(platform, state))
    return Outcome(state.with_own_id(new_id()).with_first_id(""), (draft,))


def track_signup(platform: Platform, state: DeviceState, value: DeviceId, key: str = "") -> Outcome:
    """The old call under ``login``: nothing is checked, the last login and identities stay.

    ``key``: the event's ``distinct_id`` is ``key+value``.
    """
    before = state.anonymous_first or ids_of(platform, state).distinct_id
    state = state.with_own_id(value)
    distinct = LoginRecord(key, value).composed if key else value
    fields = who(platform, state) | {"distinct_id": distinct}
    fields["original_id"] = (
        before if platform.rules.cookie else state.anonymous_first or fields["anonymous_id"]
    )
    if platform.rules.signup_login_id:
        fields["login_id"] = distinct
    return Outcome(state, (Draft("track_signup", fields, "$SignUp"),))


_EMPTY_LOGIN = Refusal(RefusalCode.EMPTY, "The id is empty.", "Call this once the id is known.")
_SAME = Refusal(RefusalCode.SAME_LOGIN, "This is who is logged in already.", "")
_ANONYMOUS = Refusal(
    RefusalCode.ANONYMOUS_ID,
    "This is the device's anonymous id: a login with it would link nothing.",
    "Log in with the id your business gave the account.",
)
_LOGGED_IN = Refusal(
    RefusalCode.LOGGED_IN,
    "Somebody is logged in, so the anonymous id cannot be reset.",
    "Call logout() first.",
)
