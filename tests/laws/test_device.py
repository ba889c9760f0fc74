"""What holds on every platform after any calls, sensible or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from idweave.core.device import PLATFORMS, Form, Platform, persistence, start
from idweave.core.device.state import DeviceState
from idweave.core.errors import UnsupportedCall
from idweave.core.identity import LOGIN_KEY
from idweave.core.policy_file import preset
from idweave.core.record import Project, Record, parse_record
from idweave.sdk import CallConsumer, MemoryStorage, Tracker, TrackerOptions
from idweave.sdk.consumers.lines import line_of
from idweave.wire import decode, encode_data_list

DEVICES = [row for row in PLATFORMS.values() if row.form is not Form.NONE]
PROJECT = Project("default", preset("sensors"), time_window=False)

KEYS = ["$identity_mobile", "$identity_email"]
ODD_KEYS = [*KEYS, "k1", "user_id", LOGIN_KEY, "$mp_id", "$identity_cookie_id", "k" * 101, "", None]
IDS = ["A", "B", "anon", "k1+A", "13800000000", "用户😀"]
ODD_IDS: list[Any] = [
    *IDS,
    "",
    " ",
    "x" * 256,
    0,
    -1,
    1.5,
    2**53,
    None,
    True,
    float("nan"),
    10**400,
    [],
    {},
]

FIELDS = [
    *("distinct_id", "first_id", "identities", "history_login_id", "openid", "props", "name"),
    *("value", "_distinct_id", "_first_id", "$identity_mp_id", "$identity_login_id", "$mp_id"),
]
any_text = st.text(st.characters(exclude_categories=()), max_size=6)

Calls = list[tuple[str, tuple[Any, ...]]]


def calls(keys: list[Any], ids: list[Any]) -> st.SearchStrategy[Calls]:
    key, value = st.sampled_from(keys), st.sampled_from(ids)
    one = st.sampled_from(["identify", "login", "reset_anonymous_identity"])
    two = st.sampled_from(["login_with_key", "bind", "unbind"])
    step = (
        st.tuples(one, st.tuples(value))
        | st.tuples(two, st.tuples(key, value))
        | st.tuples(st.sampled_from(["logout", "restart"]), st.just(()))
    )
    return st.lists(step, max_size=12)


class Device:
    """A tracker and what it sent."""

    def __init__(self, row: Platform) -> None:
        self.row = row
        self.storage = MemoryStorage()
        self.sent: list[dict[str, Any]] = []
        self.ids = count(1)
        self.restart()

    def restart(self) -> None:
        self.tracker = Tracker(
            self.row.name,
            CallConsumer(self.take),
            storage=self.storage,
            options=TrackerOptions(strict=False),
            chance=self,
        )

    def take(self, record: Mapping[str, Any]) -> None:
        self.sent.append(dict(record))

    def new_id(self) -> str:
        return f"id-{next(self.ids)}"

    def track_id(self) -> int:
        return next(self.ids)

    def make(self, call: str, args: tuple[Any, ...]) -> bool:
        if call == "restart":
            self.restart()
            return True
        try:
            return bool(getattr(self.tracker, call)(*args))
        except UnsupportedCall:
            return False


def kept(state: DeviceState) -> DeviceState:
    """What of a state outlives the process."""
    return replace(state, shadow_distinct_id=None, shadow_first_id=None)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(DEVICES), calls(ODD_KEYS, ODD_IDS))
def test_every_record_is_about_somebody_and_every_refusal_leaves_all_as_it_was(
    row: Platform, steps: Calls
) -> None:
    device = Device(row)
    for call, args in steps:
        before, count_before = device.tracker.state, len(device.sent)
        acted = device.make(call, args)
        if not acted:
            assert device.tracker.state == before
            assert len(device.sent) == count_before
    device.tracker.track("End")
    assert all(record["distinct_id"] not in ("", None) for record in device.sent)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(DEVICES), calls(ODD_KEYS, ODD_IDS))
def test_a_restart_changes_nothing_that_is_kept(row: Platform, steps: Calls) -> None:
    device = Device(row)
    for call, args in steps:
        device.make(call, args)
    state = kept(device.tracker.state)
    assume(state.distinct_id != 0)  # the number 0, stored, is no id to the SDKs
    for disguised in (False, True):
        stored = persistence.decode(persistence.encode(row, state, disguised=disguised))
        assert stored is not None
        assert start.resume(row, stored, device.new_id, start.Options()).state == state


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from([d for d in DEVICES if d.id_mapping == 3]), calls(ODD_KEYS, ODD_IDS))
def test_the_device_key_is_never_lost_and_a_login_or_logout_drops_all_else(
    row: Platform, steps: Calls
) -> None:
    device = Device(row)
    for call, args in steps:
        acted = device.make(call, args)
        held = device.tracker.state.identities or {}
        assert row.device_key in held
        if acted and call == "logout":
            assert set(held) == {row.device_key}
        if acted and call in ("login", "login_with_key"):
            key = LOGIN_KEY if call == "login" else args[0]
            assert set(held) == {row.device_key, key}


any_stored = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(DEVICES), any_stored | any_stored.map(json.dumps))
def test_a_device_starts_and_goes_on_whatever_is_stored(row: Platform, stored: Any) -> None:
    storage = MemoryStorage({row.storage_key: stored})
    sent: list[Any] = []
    tracker = Tracker(row.name, CallConsumer(sent.append), storage=storage)
    tracker.track("Buy")
    assert sent[-1]["distinct_id"] not in ("", None)
    assert line_of(sent[-1])
    state = tracker.state
    assume(state.shadow_first_id is None and state.shadow_distinct_id is None)  # gone next time
    stored_now = persistence.decode(storage.read(row.storage_key))
    assert stored_now is not None
    again = start.resume(row, stored_now, tracker._chance.new_id, start.Options()).state
    assert again == state


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(DEVICES), calls(KEYS, IDS))
def test_the_collector_takes_every_record_of_sensible_calls(row: Platform, steps: Calls) -> None:
    device = Device(row)
    for call, args in steps:
        device.make(call, args)
    device.tracker.track("End", {"price": 1})
    device.tracker.profile_set({"name": "中"})
    arrived = decode(encode_data_list(device.sent), "").records
    assert list(arrived) == device.sent
    for record in arrived:
        assert isinstance(record, dict)
        parsed = parse_record(record, PROJECT, 1_712_042_794_795)
        assert isinstance(parsed, Record), parsed
