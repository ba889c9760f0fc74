"""Plays the calls of the released SDKs on our trackers, with the ids a record says were made."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from idweave.core.device import PLATFORMS, binding, identities_sent, ids_of
from idweave.core.device.state import DeviceState, Outcome
from idweave.core.device.values import ABSENT, Refusal, RefusalCode, check_key
from idweave.sdk import CallConsumer, MemoryStorage, Tracker, TrackerOptions

Trace = dict[str, Any]
Step = dict[str, Any]

BEIJING = timezone(timedelta(hours=8))


def name_of(trace: Trace) -> str:
    return str(trace["name"]).partition("/")[0]


# -- values ----------------------------------------------------------------------------------------

JS_VALUES = {"undefined": ABSENT, "NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decoded(value: Any) -> Any:
    """An argument as the app gave it."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("$js"):
        case None:
            return {name: decoded(item) for name, item in value.items()}
        case "Date":
            return datetime.fromtimestamp(value["ms"] / 1000, BEIJING)
        case "function" | "callback":
            return lambda: value.get("returns")
        case kind:
            return JS_VALUES[kind]


def in_properties(value: Any) -> Any:
    """Properties as the app gave them: a function stands for what it returns."""
    if not isinstance(value, dict):
        return {}
    return {
        name: item() if callable(item) else item
        for name, item in value.items()
        if item is not ABSENT
    }


# -- our side --------------------------------------------------------------------------------------


class RecordedChance:
    """Makes the ids that the step's record mentions first, in the order of the record."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._own = 0
        self._next: list[str] = []

    def expect(self, step: Step) -> None:
        text = json.dumps([step["args"], step["events"], step["state_after"]])
        found = dict.fromkeys(re.findall(r"<uuid:\d+>", text))
        self._next = [name for name in found if name not in self._known]
        self._known |= found.keys()

    def new_id(self) -> str:
        if self._next:
            return self._next.pop(0)
        self._own += 1  # where a deviation makes one that the record has not
        return f"<own:{self._own}>"

    def track_id(self) -> int:
        return 1


class TraceClock:
    """A clock whose every reading is a millisecond later."""

    def __init__(self) -> None:
        self._now_ms = 1_712_042_794_795

    def now_ms(self) -> int:
        self._now_ms += 1
        return self._now_ms

    def local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(BEIJING)


class Watched(Tracker):
    """A tracker that remembers why its last call did nothing."""

    refusal: Refusal | None = None

    def _refuse(self, call: str, refusal: Refusal) -> bool:
        self.refusal = refusal
        return super()._refuse(call, refusal)


class Device:
    """One recorded device, played by a tracker of ours."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.row = PLATFORMS[name_of(trace)]
        self.storage = MemoryStorage(
            {key.removeprefix("cookie:"): value for key, value in trace["initial_storage"].items()}
        )
        self.chance = RecordedChance()
        self.records: list[dict[str, Any]] = []
        self.tracker: Watched
        self.callbacks = 0

    def play(self, step: Step) -> Any:
        """Make the step's call; the records it caused are then in ``records``."""
        self.records = []
        self.chance.expect(step)
        if step["call"] in ("@init", "@restart"):
            return self.start()
        if step["call"] == "@advance":
            return None
        self.tracker.refusal = None
        return CALLS[step["call"]](self, *(decoded(argument) for argument in step["args"]))

    def start(self) -> None:
        options, host = self.trace["init_options"], self.trace["host"]
        shared = options.get("cross_subdomain", True)
        self.tracker = Watched(
            self.row.name,
            CallConsumer(self.take),
            storage=self.storage,
            options=TrackerOptions(
                app_id=host.get("app_id"),
                identify_id=options.get("identify_id"),
                sdk_id=options.get("sdk_id", ""),
                host=None if shared else urlsplit(host["url"]).hostname,
                disguised=bool(options.get("encrypt_cookie") or options.get("encrypt_storage")),
                strict=False,
            ),
            clock=TraceClock(),
            chance=self.chance,
        )
        if host.get("site_linker"):
            self.tracker.follow_link(host["url"])

    def resume(self, state: DeviceState) -> None:
        """Go on from a recorded state; what the app registered stays its own."""
        self.tracker._finish(Outcome(state))

    def take(self, record: Mapping[str, Any]) -> None:
        if self.trace["init_options"]["server_url"]:  # without one the SDK builds no event
            self.records.append(dict(record))

    def state(self) -> dict[str, Any]:
        """Our state in the words of the record."""
        state, row = self.tracker.state, self.row
        ids = ids_of(row, state)
        said: dict[str, Any] = {
            "distinct_id": ids.distinct_id,
            "anonymous_id": ids.anonymous_id,
            "login_id": ids.login_id,
            "first_id": state.first_id,
            "raw_distinct_id": state.distinct_id,
            "identities": None if state.identities is None else dict(state.identities),
            "history_login_id": None if state.history is None else state.history._asdict(),
        }
        extra = {
            "identities_sent": identities_sent(row, state),
            "openid": state.openid,
            "props": own(state.props) if self.row.name == "web" else state.props,
            "mem_distinct_id": state.shadow_distinct_id,
            "mem_first_id": state.shadow_first_id,
        }
        return said | {name: value for name, value in extra.items() if value is not None}


def own(props: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return {k: v for k, v in (props or {}).items() if not k.startswith("$latest_")} or None


def said_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded state without what is not a device's: the cookie's name, the stored copy."""
    left = ("cookie_name", "persisted")
    return {name: value for name, value in state.items() if name not in left}


# -- the SDKs' calls, by ours ----------------------------------------------------------------------

Call = Callable[..., Any]


MINIPROGRAM, MINI, WEB = "sa-sdk-miniprogram", "sa-sdk-mini", "sa-sdk-javascript"

ALL = frozenset(RefusalCode)
SAYS_FALSE = {
    ("login_with_key", MINIPROGRAM): ALL - {RefusalCode.SAME_LOGIN},
    ("login_with_key", MINI): ALL - {RefusalCode.SAME_LOGIN},
    ("reset_anonymous_identity", MINI): {RefusalCode.LOGGED_IN},
    ("reset_anonymous_identity", WEB): {RefusalCode.LOGGED_IN},
    ("set_openid", MINIPROGRAM): ALL,
    ("unset_openid", MINIPROGRAM): ALL,
    ("bind", WEB): ALL,
}
"""Which refusals a call answers with false; all other calls return undefined either way."""


def answer(device: Device, call: str) -> bool | None:
    """What the SDK's call would have returned, refused as ours was."""
    refusal, says = device.tracker.refusal, SAYS_FALSE.get((call, device.row.sdk), frozenset())
    return False if refusal is not None and refusal.code in says else None


def login(device: Device, value: Any = ABSENT, callback: Any = None, *_: Any) -> None:
    device.tracker.login(value)
    if callable(callback) and device.row.name == "web":
        callback()


def login_with_key(device: Device, key: Any = ABSENT, value: Any = ABSENT, *_: Any) -> Any:
    device.tracker.login_with_key(key, value)
    if device.row.name != "web":
        return answer(device, "login_with_key")
    is_bad = isinstance(check_key(key, device.row.rules.login_key), Refusal)
    is_login = key == "$identity_login_id"  # handed over to login, and false
    return False if is_bad or is_login else None


def track(device: Device, event: Any = ABSENT, given: Any = None, *_: Any) -> None:
    device.tracker.track(event, in_properties(given))


def track_signup(
    device: Device, value: Any, event: Any = "$SignUp", given: Any = None, *_: Any
) -> None:
    key = ""
    if isinstance(value, dict):
        value, event, key = value["id"], value["event_name"], value.get("id_name", "")
    device.tracker._signup(value, key, event, in_properties(given))


def quick(device: Device, what: str, given: Any = None, *_: Any) -> Any:
    device.tracker._require("quick")
    if what == "autoTrack":
        device.tracker.page_view(in_properties(given))
    elif device.row.name == "web" and what == "getAnonymousID":
        return device.tracker.anonymous_id
    return None  # the mini programs' quick is queued and returns nothing


def unchecked(rule: Call, name: str) -> Call:
    """``bindWithoutCheck`` and its inverse: the rule itself, its checks left out."""

    def play(device: Device, key: str, value: Any) -> None:
        device.tracker._do(name, lambda platform, state: rule(platform, state, key, value))

    return play


def increment(device: Device, given: Any) -> None:
    by_name = {given: 1} if isinstance(given, str) else given
    device.tracker.profile_increment(in_properties(by_name))


def unset(device: Device, names: Any) -> None:
    if isinstance(names, str):
        names = [names]
    if isinstance(names, list):
        device.tracker.profile_unset(names)


def clear_session(device: Device, names: Any = None) -> None:
    device.tracker.clear_session_register(names if isinstance(names, list) else None)


def simple(name: str, arity: int) -> Call:
    """A call that takes so many arguments, absent ones too, and returns nothing."""

    def play(device: Device, *args: Any) -> None:
        given = [*args, *[ABSENT] * arity][:arity]
        getattr(device.tracker, name)(*given)

    return play


def with_properties(name: str) -> Call:
    return lambda device, given=None: getattr(device.tracker, name)(in_properties(given))


def two(call: str) -> Call:
    """A call with a key and a value."""

    def play(device: Device, key: Any = ABSENT, value: Any = ABSENT, *_: Any) -> Any:
        getattr(device.tracker, call)(key, value)
        return answer(device, call)

    return play


def one(call: str) -> Call:
    """A call with a value."""

    def play(device: Device, value: Any = ABSENT, *_: Any) -> Any:
        getattr(device.tracker, call)(value)
        return answer(device, call)

    return play


CALLS: dict[str, Call] = {
    "identify": one("identify"),
    "login": login,
    "loginWithKey": login_with_key,
    "logout": lambda device, renew=ABSENT, *_: device.tracker.logout(renew=renew) and None,
    "bind": two("bind"),
    "unbind": two("unbind"),
    "bindWithoutCheck": unchecked(binding.bound, "bind_without_check"),
    "unbindWithoutCheck": unchecked(binding.unbound, "unbind_without_check"),
    "bindOpenid": one("bind_openid"),
    "unbindOpenid": one("unbind_openid"),
    "bindUnionid": one("bind_unionid"),
    "unbindUnionid": one("unbind_unionid"),
    "setUnionid": one("bind_unionid"),
    "unsetUnionid": one("unbind_unionid"),
    "setOpenid": one("set_openid"),
    "unsetOpenid": one("unset_openid"),
    "resetAnonymousIdentity": one("reset_anonymous_identity"),
    "trackSignup": track_signup,
    "track": track,
    "quick": quick,
    "getIdentities": lambda device: device.tracker.get_identities(),
    "store.getIdentities": lambda device: device.tracker.get_identities(),
    "getAnonymousID": lambda device: device.tracker.anonymous_id,
    "getPresetProperties": lambda device: None,
    "getDisabled": lambda device: False,
    "enableSDK": lambda device: None,
    "setWebViewUrl": lambda device, url, after=False: (
        device.tracker.web_view_url(url, after_hash=after) or False
    ),
    "setProfile": with_properties("profile_set"),
    "setOnceProfile": with_properties("profile_set_once"),
    "appendProfile": with_properties("profile_append"),
    "incrementProfile": increment,
    "unsetProfile": unset,
    "deleteProfile": lambda device, *_: device.tracker.profile_delete(),
    "setItem": lambda device, kind, key, given=None: device.tracker.item_set(
        kind, key, in_properties(given)
    ),
    "deleteItem": simple("item_delete", 2),
    "register": with_properties("register"),
    "registerOnce": with_properties("register_once"),
    "registerApp": with_properties("register_for_session"),
    "registerPage": with_properties("register_for_session"),
    "clearAllRegister": lambda device, names=None: device.tracker.clear_register(names),
    "clearAppRegister": clear_session,
    "clearPageRegister": clear_session,
}
