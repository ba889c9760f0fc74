"""The tracker around the state machine: what an app meets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from idweave.core.device import PLATFORMS, DeviceState, Form, LoginRecord, binding
from idweave.core.errors import (
    ConfigError,
    InputError,
    StoreFull,
    UnsupportedCall,
    WrongType,
)
from idweave.sdk import (
    CallConsumer,
    FileStorage,
    MemoryStorage,
    Tracker,
    TrackerOptions,
)

DEVICES = [name for name, row in PLATFORMS.items() if row.form is not Form.NONE]


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int = 1_712_042_794_795) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(0)


class Counting:
    """Chance that counts."""

    def __init__(self) -> None:
        self.made = 0

    def new_id(self) -> str:
        self.made += 1
        return f"id-{self.made}"

    def track_id(self) -> int:
        self.made += 1
        return self.made


class Sent(list[dict[str, Any]]):
    """Records as they were sent."""

    def take(self, record: Mapping[str, Any]) -> None:
        self.append(dict(record))


def tracker(platform: str, sent: Sent, **given: Any) -> Tracker:
    options = TrackerOptions(**given.pop("options", {}))
    given.setdefault("clock", FixedClock())
    given.setdefault("chance", Counting())
    return Tracker(platform, CallConsumer(sent.take), options=options, **given)


@pytest.fixture
def sent() -> Sent:
    return Sent()


# -- records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", DEVICES)
def test_a_visitor_survives_a_restart(platform: str, sent: Sent) -> None:
    storage = MemoryStorage()
    first = tracker(platform, sent, storage=storage)
    first.identify("anon")
    first.login("A")
    again = tracker(platform, sent, storage=storage)
    expected = first.state.distinct_id, first.login_id
    assert (again.state.distinct_id, again.login_id) == expected == ("A", "A")


@pytest.mark.parametrize("platform", DEVICES)
def test_a_disguised_storage_reads_back(platform: str, sent: Sent) -> None:
    storage = MemoryStorage()
    tracker(platform, sent, storage=storage, options={"disguised": True}).login("用户😀")
    assert tracker(platform, sent, storage=storage).login_id == "用户😀"


def test_an_event_carries_presets_registered_and_its_own_properties(sent: Sent) -> None:
    device = tracker("web", sent, options={"presets": {"$os": "Linux", "a": 0, "b": 0, "c": 0}})
    device.register({"a": 1, "b": 1})
    device.register_once({"b": 9, "d": 1})
    device.register_for_session({"s": True})
    device.track("Buy", {"b": 2})
    props = sent[-1]["properties"]
    assert {k: props[k] for k in "abcds"} == {"a": 1, "b": 2, "c": 0, "d": 1, "s": True}
    assert props["$os"] == "Linux"
    assert props["$timezone_offset"] == 0
    device.clear_register(["a"])
    device.clear_session_register()
    device.track("Buy")
    assert "s" not in sent[-1]["properties"]
    assert sent[-1]["properties"]["a"] == 0
    device.clear_register()
    device.track("Buy")
    assert "d" not in sent[-1]["properties"]


def test_registered_properties_survive_a_restart_and_a_sessions_do_not(sent: Sent) -> None:
    storage = MemoryStorage()
    first = tracker("wechat", sent, storage=storage)
    first.register({"a": 1})
    first.register_for_session({"s": 1})
    tracker("wechat", sent, storage=storage).track("Buy")
    assert sent[-1]["properties"]["a"] == 1
    assert "s" not in sent[-1]["properties"]


def test_the_time_of_an_event_may_be_given(sent: Sent) -> None:
    device = tracker("web", sent)
    device.track("Buy", {"$time": datetime(2024, 4, 1, tzinfo=UTC)})
    assert sent[-1]["time"] == 1_711_929_600_000
    assert "$time" not in sent[-1]["properties"]


def test_wechat_times_rise_and_others_may_stand(sent: Sent) -> None:
    for platform, expected in (("wechat", [1, 1]), ("web", [0, 0])):
        sent.clear()
        device = tracker(platform, sent)
        for _ in range(3):
            device.track("Buy")
        times = [record["time"] for record in sent]
        assert [b - a for a, b in pairwise(times)][-2:] == expected


def test_what_is_said_in_order_within_a_millisecond_is_heard_in_order(sent: Sent) -> None:
    device = tracker("web", sent)
    device.bind("k", "v")
    device.track("Buy")
    device.unbind("k", "v")
    device.track("Buy")
    device.bind("k", "v")
    start = sent[0]["time"]
    assert [record["time"] - start for record in sent] == [0, 0, 1, 1, 2]


def test_times_run_at_most_a_second_ahead_of_the_clock(sent: Sent) -> None:
    clock = FixedClock()
    device = tracker("web", sent, clock=clock)
    for _ in range(1500):
        device.bind("k", "v")
    assert max(record["time"] for record in sent) - clock.ms == 1000


def test_what_json_cannot_say_is_left_out_of_properties(sent: Sent) -> None:
    device = tracker("web", sent)
    given = {
        "none": None,
        "nan": float("nan"),
        "huge": 10**400,
        "day": datetime(2024, 4, 2, 3, 4, 5, 6000, UTC),
        "list": ["a", 1, {"b": 2}],
        "object": {"x": 1},
        "long": "😀" * 600,
        "user_id": "x",
        "a b": 1,
        "odd": object(),
    }
    device.track("Buy", given)
    props = {k: v for k, v in sent[-1]["properties"].items() if not k.startswith("$")}
    assert props == {
        "day": "2024-04-02 03:04:05.006",
        "list": ["a", "1", '{"b":2}'],
        "object": '{"x":1}',
        "long": "😀" * 512,
    }


def test_profiles_and_items_are_shaped_as_the_web_sdk_does(sent: Sent) -> None:
    device = tracker("web", sent)
    device.profile_append({"tags": "one", "n": 5})
    device.profile_unset(["a", "b"])
    device.item_set("book", "b1", {"price": 3})
    device.item_delete("book", "b1")
    append, unset, item, gone = sent[-4:]
    assert append["properties"] == {"tags": ["one"]}
    assert unset["properties"] == {"a": True, "b": True}
    assert (item["item_type"], item["item_id"], item["properties"]) == ("book", "b1", {"price": 3})
    assert gone["type"] == "item_delete"
    assert "distinct_id" not in item


def test_a_web_visitors_first_page_view_says_when_it_came(sent: Sent) -> None:
    storage = MemoryStorage()
    device = tracker("web", sent, storage=storage)
    device.page_view()
    device.page_view()
    assert [r["type"] for r in sent] == ["track", "profile_set_once", "track"]
    tracker("web", sent, storage=storage).page_view()
    assert [r["type"] for r in sent][3:] == ["track"]


def test_a_mini_program_hands_its_visitor_to_a_web_view(sent: Sent) -> None:
    mini = tracker("wechat", sent)
    mini.login("user/1+2=中")
    url = mini.web_view_url("https://h5.example.com/p?a=1#x")
    assert url == "https://h5.example.com/p?a=1&_sasdk=fdXNlci8xKzI95Lit#x"
    page = tracker("web", sent)
    assert page.follow_link(url)
    assert page.login_id == "user/1+2=中"
    assert not page.follow_link("https://h5.example.com/p?_sasdk=x")


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda t: t.login(None), WrongType),
        (lambda t: t.bind("user_id", "v"), InputError),
        (lambda t: t.bind("$identity_login_id", "v"), InputError),
        (lambda t: t.bind("k", ["v"]), WrongType),
        (lambda t: t.track("no name"), InputError),
        (lambda t: t.track(None), WrongType),
        (lambda t: t.profile_set("x"), InputError),
        (lambda t: t.track("Buy", ["x"]), WrongType),
        (lambda t: t.register(5), WrongType),
    ],
)
def test_what_can_never_be_right_is_raised_and_nothing_is_sent(
    call: Any, kind: type[Exception], sent: Sent
) -> None:
    device = tracker("wechat", sent)
    sent.clear()
    before = device.state
    with pytest.raises(kind) as caught:
        call(device)
    assert str(caught.value)
    assert sent == []
    assert device.state == before


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.track(float("nan")),
        lambda t: t.track(None, "x"),
        lambda t: t.track("Buy", {5: 1, "a": 1}),
        lambda t: t.item_set(None, object(), 5),
        lambda t: t.profile_set(None),
        lambda t: t.register([1]),
        lambda t: t.page_view("x"),
    ],
)
def test_without_strict_anything_at_all_is_a_record_or_nothing(call: Any, sent: Sent) -> None:
    device = tracker("web", sent, options={"strict": False})
    call(device)
    assert all(json.dumps(record, allow_nan=False) for record in sent)


@pytest.mark.parametrize("call", [lambda t: t.login(None), lambda t: t.bind("user_id", "v")])
def test_without_strict_it_is_logged(
    call: Any, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    device = tracker("wechat", sent, options={"strict": False})
    with caplog.at_level(logging.WARNING, "idweave.sdk"):
        assert call(device) is False
    assert "did nothing" in caplog.text


def test_a_call_at_the_wrong_moment_is_logged(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    device = tracker("wechat", sent)
    device.login("A")
    with caplog.at_level(logging.WARNING, "idweave.sdk"):
        assert not device.reset_anonymous_identity()
        assert not device.login("")
    assert "logout() first" in caplog.text


def test_a_call_the_platform_lacks_says_which_have_it(sent: Sent) -> None:
    device = tracker("jd", sent)
    with pytest.raises(UnsupportedCall) as caught:
        device.bind("k", "v")
    assert "wechat" in caught.value.platforms
    assert "web" in str(caught.value)
    assert "jd" not in caught.value.platforms


@pytest.mark.parametrize(("name", "hint"), [("windows", "wechat"), ("python", "ServerTracker")])
def test_a_platform_that_is_none_is_refused_with_those_that_are(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        Tracker(name, CallConsumer(print))


def test_an_unbind_of_the_anonymous_ids_text_does_not_empty_the_device(sent: Sent) -> None:
    device = tracker("wechat", sent)
    device.identify("k1+v1")
    assert device.unbind("k1", "v1")
    assert sent[-1]["identities"] == {"k1": "v1"}
    assert device.distinct_id == sent[-1]["distinct_id"] == "k1+v1"


# -- storage and consumers that fail ---------------------------------------------------------------


class Full(MemoryStorage):
    """A storage on a full disk."""

    def write(self, key: str, value: object) -> None:
        raise StoreFull("no room")


def test_a_storage_that_fails_leaves_the_visitor_in_memory(
    sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    device = tracker("web", sent, storage=Full())
    assert device.login("A")
    assert device.login_id == "A"
    assert "memory only" in caplog.text


@pytest.mark.parametrize("broken", ["garbage{", 12345, [1], {"props": {}}, {"distinct_id": ""}, ""])
@pytest.mark.parametrize("platform", DEVICES)
def test_a_broken_stored_state_is_a_new_device(platform: str, broken: Any, sent: Sent) -> None:
    storage = MemoryStorage({PLATFORMS[platform].storage_key: broken})
    device = tracker(platform, sent, storage=storage)
    device.track("Buy")
    assert str(sent[-1]["distinct_id"]).startswith("id-")


@pytest.mark.parametrize("platform", ["wechat", "alipay", "web"])
@pytest.mark.parametrize("identities", ["\nbroken", "%%%", [1], {"$identity_mp_id": None}])
def test_broken_identities_are_none_and_the_login_stays(
    platform: str, identities: Any, sent: Sent
) -> None:
    row = PLATFORMS[platform]
    stored = {"distinct_id": "U", "first_id": "anon", "identities": identities}
    device = tracker(platform, sent, storage=MemoryStorage({row.storage_key: stored}))
    assert row.device_key is not None
    assert device.get_identities()[row.device_key].startswith("id-")  # type: ignore[union-attr]
    assert device.login_id == "U"


def test_wechats_old_names_become_their_successors_and_win(sent: Sent) -> None:
    identities = {"$mp_id": "old", "$identity_mp_id": "new", "$mp_wx1_openid": "o", "k": "v"}
    stored = {"distinct_id": "anon", "identities": identities}
    storage = MemoryStorage({"sensorsdata2015_wechat": stored})
    device = tracker("wechat", sent, storage=storage, options={"app_id": "wx1"})
    assert device.state.identities == {
        "$identity_mp_id": "old",
        "$identity_mp_wx1_openid": "o",
        "k": "v",
    }


def test_a_web_login_without_a_login_record_gets_one(sent: Sent) -> None:
    identities = {"$identity_cookie_id": "c", "$identity_login_id": "U", "k": "v"}
    stored = {"distinct_id": "U", "first_id": "anon", "identities": identities}
    storage = MemoryStorage({"sensorsdata2015jssdkcross": json.dumps(stored)})
    state = tracker("web", sent, storage=storage).state
    assert state.history == ("$identity_login_id", "U")
    assert state.identities == {"$identity_cookie_id": "c", "$identity_login_id": "U"}


@pytest.mark.parametrize(
    ("state", "value", "own_id", "openid"),
    [
        ({}, "o1", "mp-1", ""),  # it stood for the visitor
        ({"openid": "o2", "distinct_id": "o2"}, "o1", "mp-1", "o2"),  # the one set last did
        ({"distinct_id": "x"}, "o1", "x", ""),
        ({"identities": {"$identity_mp_id": "mp-1"}}, "o1", "o1", ""),  # no such identity is kept
    ],
)
def test_an_unset_openid_gives_way_to_the_devices_own_id(
    state: dict[str, Any], value: str, own_id: str, openid: str, sent: Sent
) -> None:
    """As the released SDK was seen doing with 700 random lives."""
    row = PLATFORMS["wechat"]
    identities = {"$identity_mp_id": "mp-1", "$identity_mp_openid": "o1"}
    before = {"distinct_id": "o1", "openid": "o1", "identities": identities} | state
    outcome = binding.unset_openid(row, DeviceState(**before), value, None)
    assert outcome.state.own_id == own_id
    assert outcome.state.openid == openid


def test_a_unionid_takes_the_openid_along_only_where_that_is_kept(sent: Sent) -> None:
    row = PLATFORMS["wechat"]
    kept = {"$identity_mp_id": "m", "$identity_mp_unionid": "123"}
    state = DeviceState("d", openid="o1", identities=kept, history=LoginRecord())
    assert binding.unbind_unionid(row, state, 123, None).state.openid == "o1"
    both = replace(state, identities={**kept, "$identity_mp_openid": "o9"})
    after = binding.unbind_unionid(row, both, 123, None).state
    assert (after.openid, after.identities) == (None, {"$identity_mp_id": "m"})


def test_unbind_openid_takes_no_number_that_javascript_rounds(sent: Sent) -> None:
    device = tracker("wechat", sent)
    assert device.bind_openid(2**53)
    assert not device.unbind_openid(2**53)
    assert device.unbind_openid(str(2**53))


def test_a_repeat_that_changes_nothing_writes_nothing(sent: Sent) -> None:
    written: list[str] = []

    class Watching(MemoryStorage):
        def write(self, key: str, value: Any) -> None:
            written.append(key)
            super().write(key, value)

    device = tracker("web", sent, storage=Watching())
    device.bind("k", "v")
    count = len(written)
    device.bind("k", "v")
    device.track("Buy")
    assert len(written) == count == 2


def test_a_consumer_that_fails_does_not_end_the_app(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(record: object) -> None:
        raise StoreFull("no room")

    device = Tracker("web", CallConsumer(refuse))
    assert device.login("A")
    assert device.login_id == "A"
    assert "a record is lost" in caplog.text


def test_a_record_after_close_is_not_sent_and_said(
    sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    with tracker("web", sent) as device:
        device.track("Buy")
    device.track("Late")
    assert [r["event"] for r in sent] == ["Buy"]
    assert "after close()" in caplog.text
    assert device.close()


# -- threads and processes -------------------------------------------------------------------------


def test_records_of_many_threads_are_whole_and_none_is_lost(sent: Sent) -> None:
    device = tracker("wechat", sent)
    sent.clear()

    def work(number: int) -> None:
        for step in range(50):
            device.bind(f"k{number}", f"v{step}")
            device.track("Buy")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 400
    times = [record["time"] for record in sent]
    assert times == sorted(set(times))
    assert {k for k in device.get_identities() if k.startswith("k")} == {"k0", "k1", "k2", "k3"}


FORKING = """
import os
from idweave.core.errors import WrongProcess
from idweave.sdk import CallConsumer, Tracker

sent = []
tracker = Tracker("web", CallConsumer(sent.append))
child = os.fork()
if child == 0:
    refused = 0
    for call in (lambda: tracker.track("Buy"), lambda: tracker.login_id, tracker.flush):
        try:
            call()
        except WrongProcess:
            refused += 1
    tracker.close()
    os._exit(refused)
status = os.waitpid(child, 0)[1]
tracker.track("Buy")
print(os.waitstatus_to_exitcode(status), len(sent))
"""


def test_a_forked_child_is_refused_and_the_parent_goes_on() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["3", "1"]


def test_trackers_of_one_process_share_a_storage_file(tmp_path: Any, sent: Sent) -> None:
    storage = FileStorage(tmp_path / "device.json")
    one = tracker("wechat", sent, storage=storage)
    two = tracker("wechat", sent, storage=storage, options={"sdk_id": "shop"})
    one.login("A")
    two.login("B")
    storage.close()
    again = FileStorage(tmp_path / "device.json")
    assert tracker("wechat", sent, storage=again).login_id == "A"
    assert tracker("wechat", sent, storage=again, options={"sdk_id": "shop"}).login_id == "B"
    again.close()


@pytest.mark.parametrize(
    ("host", "sdk_id", "key"),
    [
        (None, "", "sensorsdata2015jssdkcross"),
        (None, "shop", "sensorsdata2015jssdkcrossshop"),
        ("shop.example.test", "", "sa_jssdk_2015_shop_example_test"),
        ("shop.example.test", "x", "sa_jssdk_2015_xshop_example_test"),
    ],
)
def test_a_web_visitor_is_kept_under_the_cookies_name(
    host: str | None, sdk_id: str, key: str, sent: Sent
) -> None:
    storage = MemoryStorage()
    tracker("web", sent, storage=storage, options={"host": host, "sdk_id": sdk_id})
    assert list(storage.values) == [key]
