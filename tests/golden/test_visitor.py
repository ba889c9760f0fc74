"""What the released GrowingIO SDKs do, case by case; an unknown group, op or key is a failure.

The recorded traces name generated ids ``V1 …`` and ``S1 …`` in order of first appearance; ours are
named the same way here. What the web SDK sends as a JSON value (a stored ``true``) is our text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from idweave.core.visitor import (
    LIVING,
    MINI_PLATFORMS,
    ClearUserId,
    Happen,
    Hide,
    Hints,
    Identify,
    Init,
    Op,
    Place,
    Restart,
    Seen,
    SetOption,
    SetUserId,
    Show,
    State,
    Storage,
    Stored,
    Track,
    Window,
    after,
    attribute,
    cookie_pair,
    cookie_value,
    fresh,
    gids,
    gioenc,
    gioenc_decode,
    hints_from,
    is_identity,
    is_mini_identity,
    is_valid_u,
    name_uuid,
    profile,
    step,
    stored,
    stored_visitor_id,
    visitor_id,
    xor_body,
)
from idweave.core.visitor.browser import covers, host_of
from idweave.core.visitor.stores import read

from .vectors import load

Case = dict[str, Any]
Values = Mapping[str, Any]

FIRST_URL = "https://www.shop.example.com/"

ANDROID = {
    "seed": "android-seed",
    "2.x": "android-2",
    "3.0-3.4": "android-3.0",
    "3.5": "android-3.5",
    "4.0-4.1": "android-4.0",
    "4.2+": "android-4.2",
}
IOS = {"2.x": "ios-2", "3.x": "ios-4", "4.x": "ios-4", "seed": "ios-4"}
PLATFORMS = {
    "web": "web-4",
    "minip": "wechat-4",
    **{sent: f"{host}-4" for host, sent in MINI_PLATFORMS.items()},
    **{f"{name}": f"{name}-4" for name in (*MINI_PLATFORMS, "harmonyos", "qt", "macos")},
    **{name: f"{name}-4" for name in ("catalyst", "tvos", "visionos", "watchos")},
}


def name_of(platform: str, version: str | None) -> str:
    if platform == "android":
        return ANDROID[version or "seed"]
    return IOS[version or "4.x"] if platform == "ios" else PLATFORMS[platform]


def taken(values: Values, *known: str) -> dict[str, Any]:
    """The values by name; a name that the format does not have is a failure."""
    assert values.keys() <= set(known), f"unknown: {sorted(values.keys() - set(known))}"
    return {name: values.get(name) for name in known}


def kept(slots: Mapping[str, str | None]) -> Storage:
    return stored({key: text for key, text in slots.items() if text is not None})


def out(storage: Storage, key: str) -> str | None:
    return read(storage, key) or None


# --- chains ---------------------------------------------------------------------------------------

ANDROID_HINTS = ("android_id", "imei", "custom_device_id")
ANDROID_SWITCHES = ("android_id_enabled", "imei_enabled", "read_phone_state")


def android_chain(given: Values) -> Case:
    known = (*ANDROID_HINTS, *ANDROID_SWITCHES, "profile", "random", "stored", "legacy_pref")
    values = taken(given, *known)
    rules = profile(ANDROID[values["profile"]])
    hints = hints_from({name: values[name] for name in (*ANDROID_HINTS, *ANDROID_SWITCHES)})
    assert rules.keeps is not None
    old = {rules.keeps.key: values["stored"], "device_id.xml:device_id": values["legacy_pref"]}
    found = visitor_id(rules, hints, kept(old), values["random"])
    left = out(found.storage, rules.keeps.key)
    return {"visitor_id": found.value, "source": found.source, "stored_after": left}


IOS_HINTS = ("idfa", "idfv", "custom", "block", "custom_block")
IOS_SLOTS = {
    "keychain": "kGrowingIOKeychainUserIdKey",
    "kc_custom": "GROWINGIO_CUSTOM_U_KEY",
    "kc": "GROWINGIO_KEYCHAIN_KEY",
    "old_file": "device",
}


def ios_chain(given: Values) -> Case:
    values = taken(given, *IOS_HINTS, *IOS_SLOTS, "profile", "random")
    rules = profile(IOS[values["profile"]])
    hints = hints_from({name: values[name] for name in IOS_HINTS})
    old = {key: values[name] for name, key in IOS_SLOTS.items()}
    found = visitor_id(rules, hints, kept(old), values["random"])
    left = {name: out(found.storage, key) for name, key in IOS_SLOTS.items()}
    after = {"custom": left["kc_custom"], "kc": left["kc"]}
    keychain = after if rules.name == "ios-2" else left["keychain"]
    return {"visitor_id": found.value, "source": found.source, "keychain_after": keychain}


def plain_chain(given: Values) -> Case:
    names = ("idfa", "idfv", "platform_uuid")
    values = taken(given, *names, "platform", "random", "stored", "keychain")
    rules = profile(PLATFORMS[values["platform"]])
    slot = rules.keeps.key if rules.keeps else ""
    old = values["stored"] if values["keychain"] is None else values["keychain"]
    hints = hints_from({name: values[name] for name in names})
    found = visitor_id(rules, hints, kept({slot: old}) if slot else {}, values["random"])
    return {
        "visitor_id": found.value,
        "source": found.source,
        "stored_after": out(found.storage, slot),
    }


# --- small rules ----------------------------------------------------------------------------------


def small_name_uuid(given: Values) -> Case:
    return {"visitor_id": name_uuid(taken(given, "text")["text"])}


def small_valid_u(given: Values) -> Case:
    return {"valid": is_valid_u(taken(given, "text")["text"])}


def small_verify_id(given: Values) -> Case:
    value = taken(given, "value")["value"]
    return {"web": is_identity(value), "minip": is_mini_identity(value)}


def small_gioenc(given: Values) -> Case:
    plain = taken(given, "plain")["plain"]
    return {
        "stored": gioenc(plain),
        "decoded_back": gioenc_decode(gioenc(plain)),
        "decode_of_plain": gioenc_decode(plain),
    }


def small_cookie(given: Values) -> Case:
    values = taken(given, "plain", "cookie_name")
    return {"cookie_pair": cookie_pair(values["cookie_name"], values["plain"])}


def small_xor(given: Values) -> Case:
    values = taken(given, "stm", "plain_hex")
    return {"body_hex": xor_body(values["stm"], bytes.fromhex(values["plain_hex"])).hex()}


def gid(given: Values) -> Case:
    values = taken(given, "events", "window")
    events = [Seen(event["device"], event["login"]) for event in values["events"]]
    found = attribute(events, Window(*values["window"]))
    return {
        "gids": [f"g{number}" for number in gids(events)],
        "last_attribution": found.last_logins,
        "remap": {f"g{old}": f"g{new}" for old, new in found.remap.items()},
        "users": found.users,
        "devices": found.devices,
        "logins": found.logins,
    }


# --- lives ----------------------------------------------------------------------------------------

CONDITIONS = {
    **{name: name for name in ("reinstall", "clear_data", "erase_all", "app_transfer", "upgrade")},
    **{name: name for name in ("restart", "reload", "clear_cookies", "subdomain", "other_domain")},
    **{name: name for name in ("delete_miniprogram", "clear_cache", "other_device")},
    **{name: name for name in ("other_miniprogram", "other_person", "login", "logout")},
    **{name: name for name in ("user_switch", "session_expiry", "permission_granted")},
    **{name: name for name in ("permission_revoked", "signing_key_change")},
    **dict.fromkeys(("clear_app_data", "clear_settings"), "clear_data"),
    **dict.fromkeys(("erase", "factory_reset", "erase_content"), "erase_all"),
    **dict.fromkeys(("team_change", "change_team"), "app_transfer"),
    **dict.fromkeys(("update", "app_upgrade", "sdk_upgrade"), "upgrade"),
    **dict.fromkeys(("relaunch", "kill", "cold_start"), "restart"),
    **dict.fromkeys(("delete_mini_program", "remove_miniprogram"), "delete_miniprogram"),
    **dict.fromkeys(("clear_wechat_cache", "clear_storage", "wechat_cache"), "clear_cache"),
    **dict.fromkeys(("new_phone", "change_phone", "other_phone"), "other_device"),
    **dict.fromkeys(("new_device", "change_device"), "other_device"),
}
"""The reset names a vector may use → ours; a name that is not here fails."""

CONTEXTS = ("default", "incognito", "private", "other_browser", "other_domain")


@dataclass
class Device:
    """A device of the ``lifecycle`` group: hints, one state per context, one id per ``init``."""

    profile: str
    hints: dict[str, Any]
    force_login: bool
    randoms: Iterator[str]
    contexts: dict[str, State] = field(default_factory=dict)
    context: str = "default"
    ids: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.contexts.get(self.context) or fresh(self.profile)

    def play(self, word: str | dict[str, Any]) -> None:
        if isinstance(word, str):
            self.init() if word == "init" else self.happen(word)
            return
        ((name, value),) = word.items()
        if name == "set":
            self.hints.update(value)
        elif name == "context":
            assert value in CONTEXTS, f"unknown context {value!r}"
            self.context = value
        elif name == "identify":
            state = step(self.state, Identify(value), 0, self.draw).state
            self.contexts[self.context] = state
            self.ids[-1] = stored_visitor_id(state, 0)
        else:
            raise AssertionError(f"unknown step {word!r}")

    def draw(self) -> str:
        return next(self.randoms)

    def init(self) -> None:
        """The chain says the id; the life cycle, where it is known, must agree with it."""
        found = visitor_id(self.profile, hints_from(self.hints), self.flat(), self.draw)
        self.ids.append(found.value)
        scope = "example.com" if self.profile == "web-4" else ""
        texts = {key: entry.text for (_, key), entry in found.storage.items()}
        state = State(profile(self.profile), stored(texts, scope))
        if self.profile in LIVING:
            init = Init({"forceLogin": self.force_login}, hints_from(self.hints), FIRST_URL)
            state = step(state, init, 0, lambda: "a-session").state
            assert stored_visitor_id(state, 0) == found.value
        self.contexts[self.context] = state

    def flat(self) -> Storage:
        return {Place("", place.key): text for place, text in self.state.storage.items()}

    def happen(self, word: str) -> None:
        assert word in CONDITIONS, f"unknown condition {word!r}"
        storage = after(self.profile, CONDITIONS[word], self.state.storage)
        self.contexts[self.context] = replace(self.state, storage=storage)


def lifecycle(given: Values) -> Case:
    values = taken(given, "platform", "profile", "device", "steps", "random", "force_login")
    device = Device(
        name_of(values["platform"], values["profile"]),
        dict(values["device"] or {}),
        bool(values["force_login"]),
        iter(values["random"] or ()),
    )
    for word in values["steps"]:
        device.play(word)
    return {"visitor_ids": device.ids}


# --- traces ---------------------------------------------------------------------------------------

PROJECT = "p1"
LAUNCH_SCENE = "1001"  # what a host says unless the trace says otherwise
START_MS = 1_700_000_000_000
WEB_KEYS = ("gdp_user_id", *(f"{PROJECT}_gdp_{name}" for name in ("cs1", "user_key", "gio_id")))
MINI_KEYS = tuple(f"_growing_{name}_" for name in ("uid", "userId", "userKey", "gioId"))


def scene_of(arguments: list[Any]) -> str:
    (given,) = arguments or [LAUNCH_SCENE]
    return str(given["scene"] if isinstance(given, dict) else given)


def init_op(arguments: list[Any]) -> Op:
    options, app_id = (*arguments, {}, "")[:2] if len(arguments) < 2 else arguments
    return Init({"projectId": PROJECT, "appId": app_id, **(options or {})})


OPS: dict[str, Callable[[list[Any]], Op]] = {
    "init": init_op,
    "track": lambda given: Track(given[0]),
    "identify": lambda given: Identify(given[0] if given else None),
    "set_user_id": lambda given: SetUserId(*given[:2]),
    "clear_user_id": lambda given: ClearUserId(),
    "set_option": lambda given: SetOption(*given),
    "reload": lambda given: Restart(*given),
    "restart": lambda given: Restart(),
    "cold_start": lambda given: Restart(),
    "kill": lambda given: Restart(),
    "clear_cookies": lambda given: Happen("clear_cookies"),
    "launch": lambda given: Show(scene_of(given)),
    "show": lambda given: Show(scene_of(given)),
    "hide": lambda given: Hide(),
}


@dataclass
class Labels:
    """Names of generated ids: ``V1 …`` and ``S1 …`` in order of first appearance."""

    fresh: Iterator[str] = field(default_factory=lambda: (f"<{number}>" for number in count()))
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def draw(self) -> str:
        return next(self.fresh)

    def name(self, kind: str, value: str) -> str:
        if not value.startswith("<"):
            return value
        taken_so_far = sum(1 for other, _ in self.names if other == kind)
        return self.names.setdefault((kind, value), f"{kind}{taken_so_far + 1}")


def trace(given: Values) -> Case:
    values = taken(given, "platform", "op_gap_s", "ops", "storage", "cookies", "url")
    is_web, labels, now_ms = values["platform"] == "web", Labels(), START_MS
    storage = {**kept(values["storage"] or {}), **jar(values["cookies"] or [])}
    state = State(profile(PLATFORMS[values["platform"]]), storage)
    if is_web:
        state = step(state, Restart(values["url"] or FIRST_URL), now_ms, labels.draw).state
    events: list[Case] = []
    after_op: list[Case] = []
    for name, *arguments in values["ops"]:
        if name == "advance":
            now_ms += int(arguments[0] * 1000)
        else:
            assert name in OPS, f"unknown op {name!r}"
            done = step(state, OPS[name](arguments), now_ms, labels.draw)
            state = done.state
            events += [shown(event, labels) for event in done.sent]
        now_ms += int(values["op_gap_s"] * 1000)
        visitor = labels.name("V", stored_visitor_id(state, now_ms)) or None
        after_op.append({"op": name, "visitor_id": visitor, "sent": len(events)})
    keys, name = (WEB_KEYS, "cookies_after") if is_web else (MINI_KEYS, "storage_after")
    left = {
        place.key: labels.name("V", entry.text)
        for place, entry in state.storage.items()
        if place.key in keys and covers(place.scope, host_of(state.url))
    }
    return {"after_op": after_op, "events": events, name: left}


def jar(cookies: list[str]) -> Storage:
    """Cookies as a Set-Cookie header has them."""
    found = {}
    for text in cookies:
        pair, *rest = (part.strip() for part in text.split(";"))
        name, _, value = pair.partition("=")
        attributes = {key.lower(): text for key, _, text in (part.partition("=") for part in rest)}
        domain = attributes.get("domain", "www.shop.example.com").lstrip(".")
        found[Place(domain, name)] = Stored(cookie_value(value))
    return found


def shown(event: Any, labels: Labels) -> Case:
    named = {"name": event.name} if event.name else {}
    return {
        "type": event.type,
        **named,
        "device_id": labels.name("V", event.device_id),
        "user_id": event.user_id,
        "user_key": event.user_key,
        "session": labels.name("S", event.session_id),
        "platform": event.platform,
    }


def app_trace(given: Values) -> Case:
    values = taken(given, "platform", "id_mapping", "ops")
    labels, now_ms = Labels(), START_MS
    state = fresh(name_of(values["platform"], "4.2+" if values["platform"] == "android" else None))
    init = Init({"idMapping": values["id_mapping"]})
    ops: dict[str, Callable[[list[Any]], tuple[Op, ...]]] = {
        "start": lambda given: (Restart(), init, Show()),
        "track": lambda given: (Track(given[0]),),
        "set_user": lambda given: (SetUserId(*given),),
        "clear": lambda given: (ClearUserId(),),
        "background": lambda given: (Hide(), Show()),
    }
    sent = []
    for name, *arguments in values["ops"]:
        for op in ops[name](arguments):
            if name == "background" and isinstance(op, Show):
                now_ms += int(arguments[0] * 1000)
            done = step(state, op, now_ms, labels.draw)
            state = done.state
            sent += [shown(event, labels) for event in done.sent]
    known = [event for event in sent if event["type"] != "APP_CLOSED"]
    rows = [{k: v for k, v in e.items() if k not in ("device_id", "platform")} for e in known]
    user_keys = {
        "android": ("LOGIN_USER_ID", "LOGIN_USER_KEY"),
        "apple": ("growingio.userdefault.loginUserId", "growingio.userdefault.loginUserKey"),
    }[state.profile.family]
    user_id, user_key = (read(state.storage, key) for key in user_keys)
    return {"events": rows, "final": {"user_id": user_id, "user_key": user_key}}


GROUPS: dict[str, Callable[[Values], Case]] = {
    "name_uuid": small_name_uuid,
    "android_chain": android_chain,
    "valid_u": small_valid_u,
    "ios_chain": ios_chain,
    "apple_other": plain_chain,
    "random_only": plain_chain,
    "verify_id": small_verify_id,
    "lifecycle": lifecycle,
    "gioenc": small_gioenc,
    "gioenc_cookie": small_cookie,
    "minip_force_login": trace,
    "minip_user_switch": trace,
    "web_visitor": trace,
    "web_force_login": trace,
    "web_user_switch": trace,
    "h5_handover": trace,
    "app_user_switch": app_trace,
    "gid": gid,
    "xor_crypt": small_xor,
}


def as_text(value: object) -> object:
    """A recording with JSON booleans as text: the web SDK parses ids that read so, we do not."""
    if isinstance(value, dict):
        return {key: as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return json.dumps(value) if isinstance(value, bool) else value


@pytest.mark.parametrize("case", load("visitor_id"), ids=lambda case: case["id"])
def test_our_rules_do_what_the_released_sdk_did(case: Case) -> None:
    assert case["group"] in GROUPS, f"unknown group {case['group']!r}"
    rule = GROUPS[case["group"]]
    expected = as_text(case["expect"]) if rule is trace else case["expect"]
    assert rule(case["input"]) == expected


def test_the_hints_of_the_android_vectors_are_hints() -> None:
    assert set(ANDROID_HINTS) | set(ANDROID_SWITCHES) | set(IOS_HINTS) <= set(
        Hints.__dataclass_fields__
    )
