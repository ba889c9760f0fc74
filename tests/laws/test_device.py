"""What holds on every platform after any calls, sensible or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.device import PLATFORMS, Form, Platform, persistence, start
from idweave.core.device.state import DeviceState
from idweave.core.errors import UnsupportedCall
from idweave.core.identity import LOGIN_KEY
from idweave.core.policy_file import preset
from idweave.core.record import Project, Record, parse_record
from idweave.sdk import CallConsumer, MemoryStorage, Tracker, TrackerOptions
from idweave.wire import decode, encode_data_list

DEVICES = [row for row in PLATFORMS.values() if row.form is not Form.NONE]
PROJECT = Project("default", preset("sensors"), time_window=False)

KEYS = ["$identity_mobile", "$identity_email"]
ODD_KEYS = [*KEYS, "k1", "user_id", LOGIN_KEY, "$mp_id", "$identity_cookie_id", "k" * 101, "", None]
IDS = ["A", "B", "anon", "k1+A", "13800000000", "用户😀"]
ODD_IDS: list[Any] = [*IDS, "", " ", "x" * 256, 0, -1, 1.5, 2**53, None, True, float("nan"), [], {}]

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


@settings(max_examples=150)
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


@settings(max_examples=150)
@given(st.sampled_from(DEVICES), calls(ODD_KEYS, ODD_IDS))
def test_a_restart_changes_nothing_that_is_kept(row: Platform, steps: Calls) -> None:
    device = Device(row)
    for call, args in steps:
        device.make(call, args)
    state = kept(device.tracker.state)
    for disguised in (False, True):
        stored = persistence.decode(persistence.encode(row, state, disguised=disguised))
        assert stored is not None
        assert start.resume(row, stored, device.new_id, start.Options()).state == state


@settings(max_examples=100)
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


@settings(max_examples=100)
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
