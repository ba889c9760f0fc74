"""What a device remembers of its visitor, and the ids records derive from it (DEVICE.md §2.1).

A :class:`DeviceState` is a value: calls take one and give the next. Nothing here keeps, sends or
makes ids up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..identity import ANONYMOUS_KEY, LOGIN_KEY
from .platforms import Platform
from .values import DeviceId, Refusal

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class LoginRecord(NamedTuple):
    """The key and the id of the last login (``history_login_id``); both empty while anonymous."""

    name: str = ""
    value: DeviceId = ""

    @property
    def composed(self) -> DeviceId:
        """The login as ``distinct_id`` says it: the id, with ``key+`` before it for other keys."""
        return self.value if self.name == LOGIN_KEY else f"{self.name}+{self.value}"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """One device. ``first_id`` holds the anonymous id while somebody is logged in; it is empty
    after a logout and None before the first login.

    ``identities`` and ``history`` are None under ID-Mapping 2. ``shadow_…`` ids stand before the
    stored ones until the next start. ``more`` holds what the released SDK keeps besides.
    """

    distinct_id: DeviceId | None
    first_id: DeviceId | None = None
    identities: Mapping[str, DeviceId] | None = None
    history: LoginRecord | None = None
    openid: DeviceId | None = None
    props: Mapping[str, Any] | None = None
    shadow_distinct_id: DeviceId | None = None
    shadow_first_id: DeviceId | None = None
    more: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def own_id(self) -> DeviceId | None:
        """The distinct id without a login's key: the shadow one or the stored one."""
        return self.shadow_distinct_id or self.distinct_id

    @property
    def anonymous_first(self) -> DeviceId | None:
        """The anonymous id while logged in; nothing otherwise."""
        return self.shadow_first_id or self.first_id

    def with_identity(self, key: str, value: DeviceId) -> DeviceState:
        """The state with one more identity, or another value of it."""
        return replace(self, identities={**(self.identities or {}), key: value})

    def only_identities(self, *keys: str | None) -> DeviceState:
        """The state with no identities but these."""
        held = self.identities or {}
        return replace(self, identities={key: held[key] for key in keys if key and key in held})

    def with_own_id(self, value: DeviceId | None) -> DeviceState:
        """The state with another stored distinct id; a shadow of the old one goes."""
        return replace(self, distinct_id=value, shadow_distinct_id=None)

    def with_first_id(self, value: DeviceId | None) -> DeviceState:
        """The state with another stored anonymous id; a shadow of the old one goes."""
        return replace(self, first_id=value, shadow_first_id=None)


class Ids(NamedTuple):
    """The ids of a record as they would be sent now."""

    distinct_id: DeviceId | None
    login_id: DeviceId | None
    anonymous_id: DeviceId | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before time, properties and library are put in: who it is about, and its type.

    ``who`` holds the identity fields of the wire; ``properties`` those the SDK itself adds.
    """

    type: str
    who: Mapping[str, Any]
    event: object = None
    properties: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


class Outcome(NamedTuple):
    """What a call did: the next state and the records to send, or the refusal."""

    state: DeviceState
    drafts: tuple[Draft, ...] = ()
    refusal: Refusal | None = None


def ids_of(platform: Platform, state: DeviceState) -> Ids:
    """The ids a record would carry now. Mini programs go by the last login, the web by ``first_id``
    (so that there a login without one is none)."""
    first, own = state.anonymous_first, state.own_id
    history = state.history or LoginRecord()
    if platform.rules.cookie:
        if not (first and own):
            return Ids(own, None, first or own)
        login = LoginRecord(history.name, own).composed if history.name else own
        return Ids(login, login, first)
    distinct = history.composed if history.value else own
    if first and distinct:
        return Ids(distinct, distinct, first)
    return Ids(distinct, None, distinct)


def identities_sent(platform: Platform, state: DeviceState) -> dict[str, DeviceId] | None:
    """The stored identities and ``$identity_anonymous_id``; None under ID-Mapping 2."""
    if state.identities is None:
        return None
    sent = dict(state.identities)
    anonymous = ids_of(platform, state).anonymous_id
    if anonymous is not None:
        sent[ANONYMOUS_KEY] = anonymous
    return sent


def who(platform: Platform, state: DeviceState) -> dict[str, Any]:
    """The identity fields of any record but an unbind."""
    ids = ids_of(platform, state)
    fields = {
        "distinct_id": ids.distinct_id,
        "identities": identities_sent(platform, state),
        "anonymous_id": ids.anonymous_id,
        "login_id": ids.login_id,
    }
    return {name: value for name, value in fields.items() if value is not None}
