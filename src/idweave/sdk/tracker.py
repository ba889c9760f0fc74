"""The tracker of one device: who the visitor is, kept and sent as the released SDKs would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Self

from idweave.core.device import binding, calls, linking, properties, start
from idweave.core.device.records import is_good_event, sendable
from idweave.core.device.state import identities_sent
from idweave.core.device.values import ABSENT, Absent, DeviceId

from .clock import visit_at
from .device import NO_PROPERTIES, Device, Properties, TrackerOptions


class Tracker(Device):
    """One device of one platform, such as ``"web"`` or ``"wechat"``; see ``PLATFORMS``.

    Thread-safe. Calls that change who the visitor is return True if they did, and log why if not;
    with ``strict`` (the default) keys and types that can never be right raise InputError. A call
    that the platform's SDK lacks raises UnsupportedCall. In a forked child every call raises
    WrongProcess: make a tracker after the fork.
    """

    # -- who the visitor is ------------------------------------------------------------------------

    def identify(self, value: str | int | Absent = ABSENT) -> bool:
        """Replace the anonymous id; without one, on the web, by a new one. Not a login."""
        return self._do("identify", lambda p, s: calls.identify(p, s, value, self._chance.new_id))

    def login(self, value: str | int) -> bool:
        """The visitor is this account (``$identity_login_id``). Sends ``$SignUp``."""
        return self._do("login", lambda p, s: calls.login(p, s, value))

    def login_with_key(self, key: str, value: str | int) -> bool:
        """The visitor is this account, by a key of yours. Sends ``$SignUp``."""
        return self._do("login_with_key", lambda p, s: calls.login_with_key(p, s, key, value))

    def logout(self, *, renew: bool = False) -> bool:
        """Nobody is logged in any more, and bound ids are forgotten; ``renew`` gives the next
        visitor a new anonymous id, where the platform has that."""
        return self._do("logout", lambda p, s: calls.logout(p, s, renew, self._chance.new_id))

    def bind(self, key: str, value: str | int) -> bool:
        """The visitor has this id as well. Sends ``$BindID``."""
        return self._do("bind", lambda p, s: binding.bind(p, s, key, value))

    def unbind(self, key: str, value: str | int) -> bool:
        """The visitor has this id no more. Sends ``$UnbindID``, whether or not it is known here."""
        return self._do("unbind", lambda p, s: binding.unbind(p, s, key, value))

    def bind_openid(self, value: str | int) -> bool:
        """Bind the visitor's OpenID of this app (WeChat)."""
        return self._do(
            "bind_openid", lambda p, s: binding.bind_openid(p, s, value, self._options.app_id)
        )

    def unbind_openid(self, value: str | int) -> bool:
        """Unbind an OpenID of this app (WeChat)."""
        return self._do(
            "unbind_openid", lambda p, s: binding.unbind_openid(p, s, value, self._options.app_id)
        )

    def bind_unionid(self, value: str | int) -> bool:
        """Bind the visitor's UnionID (WeChat)."""
        return self._do("bind_unionid", lambda p, s: binding.bind_unionid(p, s, value))

    def unbind_unionid(self, value: str | int) -> bool:
        """Unbind a UnionID (WeChat); a kept OpenID is forgotten with it."""
        return self._do(
            "unbind_unionid", lambda p, s: binding.unbind_unionid(p, s, value, self._options.app_id)
        )

    def set_openid(self, value: str | int) -> bool:
        """WeChat's old way: the OpenID is the anonymous id. Prefer :meth:`bind_openid`."""
        return self._do(
            "set_openid", lambda p, s: binding.set_openid(p, s, value, self._options.app_id)
        )

    def unset_openid(self, value: str | int) -> bool:
        """Undo :meth:`set_openid`."""
        return self._do(
            "unset_openid", lambda p, s: binding.unset_openid(p, s, value, self._options.app_id)
        )

    def reset_anonymous_identity(self, value: str | int | Absent = ABSENT) -> bool:
        """Another device identity and anonymous id, new ones without an argument; only while
        nobody is logged in."""
        return self._do(
            "reset_anonymous_identity",
            lambda p, s: calls.reset_anonymous_identity(p, s, value, self._chance.new_id),
        )

    def get_identities(self) -> dict[str, DeviceId]:
        """The identities a record would carry now."""
        self._require("get_identities")
        with self._lock:
            return identities_sent(self._platform, self._state) or {}

    @property
    def distinct_id(self) -> DeviceId | None:
        """Who a record would be about now."""
        return self._ids().distinct_id

    @property
    def login_id(self) -> DeviceId | None:
        """Who is logged in, as records say it; None for nobody."""
        return self._ids().login_id

    @property
    def anonymous_id(self) -> DeviceId | None:
        """The visitor's id without a login."""
        self._require("anonymous_id")
        return self._ids().anonymous_id

    # -- what happened -----------------------------------------------------------------------------

    def track(self, event: str, properties: Properties = NO_PROPERTIES) -> None:
        """The visitor did something. ``$time`` in the properties, a datetime, says when."""
        self._require("track")
        if not is_good_event(event):
            self._object(f"{event!r} is no name of an event.", event)
        with self._lock:
            self._send(self._draft("track", sendable(event)), self._given(properties))

    def track_signup(
        self, value: str | int, event: str = "$SignUp", properties: Properties = NO_PROPERTIES
    ) -> None:
        """The old SDKs' call under :meth:`login`: nothing is checked. Prefer login."""
        self._require("track_signup")
        self._signup(value, "", event, properties)

    def _signup(self, value: DeviceId, key: str, event: object, properties: Properties) -> None:
        with self._lock:
            outcome = calls.track_signup(self._platform, self._state, value, key)
            drafts = tuple(replace(draft, event=event) for draft in outcome.drafts)
            self._finish(outcome._replace(drafts=drafts), self._given(properties))

    def page_view(self, properties: Properties = NO_PROPERTIES) -> None:
        """A page was opened (web): ``$pageview``, and once when a new visitor first came."""
        self._require("page_view")
        with self._lock:
            self._send(self._draft("track", "$pageview"), self._given(properties))
            if self._is_first_visit:
                visit = visit_at(self._clock, self._started_ms)
                self._send(start.first_visit(self._platform, self._state, visit))
                self._is_first_visit = False

    def profile_set(self, properties: Properties) -> None:
        """These are the user's properties now."""
        self._profile("profile_set", properties)

    def profile_set_once(self, properties: Properties) -> None:
        """As :meth:`profile_set`, for those not set yet."""
        self._profile("profile_set_once", properties)

    def profile_increment(self, properties: Properties) -> None:
        """Add to the user's numbers."""
        self._profile("profile_increment", properties)

    def profile_append(self, properties: Properties) -> None:
        """Add texts to the user's lists."""
        self._profile("profile_append", properties)

    def profile_unset(self, names: Iterable[str]) -> None:
        """The user has these properties no more."""
        self._require("profile_unset")
        with self._lock:
            self._send(self._draft("profile_unset"), properties.unset(names))

    def profile_delete(self) -> None:
        """Forget the user's properties; the visitor is a new anonymous one after it."""
        self._do("profile_delete", lambda p, s: calls.delete_profile(p, s, self._chance.new_id))

    def item_set(
        self, item_type: str, item_id: str, properties: Properties = NO_PROPERTIES
    ) -> None:
        """A thing has these properties."""
        self._item("item_set", item_type, item_id, properties)

    def item_delete(self, item_type: str, item_id: str) -> None:
        """A thing is no more."""
        self._item("item_delete", item_type, item_id, NO_PROPERTIES)

    def register(self, properties: Properties) -> None:
        """Put these into every event from now on, also after a restart."""
        self._require("register")
        given = self._given(properties)
        self._keep(lambda held: {**held, **given})

    def register_once(self, properties: Properties) -> None:
        """As :meth:`register`, for those not registered yet."""
        self._require("register_once")
        given = self._given(properties)
        self._keep(lambda held: {**given, **held})

    def clear_register(self, names: Iterable[str] | None = None) -> None:
        """Put these, or all, into events no more."""
        self._require("clear_register")
        if names is None:
            self._keep(lambda held: NO_PROPERTIES)
            return
        gone = frozenset(names)
        self._keep(lambda held: {k: v for k, v in held.items() if k not in gone})

    def register_for_session(self, properties: Properties) -> None:
        """Put these into every event until the app ends."""
        self._require("register_for_session")
        with self._lock:
            self._session |= self._given(properties)

    def clear_session_register(self, names: Iterable[str] | None = None) -> None:
        """Put these, or all, of the session's into events no more."""
        self._require("clear_session_register")
        with self._lock:
            for name in list(self._session if names is None else names):
                self._session.pop(name, None)

    # -- from a mini program into a web view -------------------------------------------------------

    def web_view_url(self, url: str, *, after_hash: bool = False) -> str | None:
        """The address of a web view with the visitor's id in it; None for no http address."""
        self._require("web_view_url")
        with self._lock:
            return linking.web_view_url(self._platform, self._state, url, after_hash=after_hash)

    def follow_link(self, url: str) -> bool:
        """Be the visitor whom a mini program put into this page's address (web)."""
        linked = linking.linked_id(url)
        if linked is None:
            return False
        return self.login(linked.value) if linked.is_login else self.identify(linked.value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


__all__ = ["Tracker", "TrackerOptions"]
