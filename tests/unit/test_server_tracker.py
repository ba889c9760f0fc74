"""The tracker of a service: each record says whom it is about, and the useless is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest

from idweave import Identity
from idweave.core.errors import InputError, StoreFull, WrongType
from idweave.sdk import CallConsumer, ServerTracker

from .test_tracker import FixedClock

PHONE, LOGIN = Identity("$identity_mobile", "138"), Identity("$identity_login_id", "A")


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def tracker(sent: list[Any]) -> ServerTracker:
    return ServerTracker(CallConsumer(sent.append), clock=FixedClock())


def test_a_login_among_the_identities_says_whom_it_is_about(
    tracker: ServerTracker, sent: list[Any]
) -> None:
    tracker.track_by_id("Buy", {"price": 1}, PHONE, LOGIN)
    assert sent[-1]["distinct_id"] == "A"
    assert sent[-1]["properties"]["$is_login_id"] is True
    assert list(sent[-1]["identities"]) == ["$identity_mobile", "$identity_login_id"]
    tracker.track_by_id("Buy", None, PHONE)
    assert sent[-1]["distinct_id"] == "$identity_mobile+138"
    assert "$is_login_id" not in sent[-1]["properties"]


@pytest.mark.parametrize(
    ("given", "time_ms"),
    [
        (1_712_042_794_795, 1_712_042_794_795),
        (1_712_042_794, 1_712_042_794_000),
        (1_712_042_794.9, 1_712_042_794_000),
        (datetime(2024, 4, 2, 7, 26, 34, 795000, UTC), 1_712_042_794_795),
        (None, 1_712_042_794_795),
    ],
)
def test_the_time_may_be_given(
    given: object, time_ms: int, tracker: ServerTracker, sent: list[Any]
) -> None:
    tracker.track("d", "Buy", {"$time": given})
    assert sent[-1]["time"] == time_ms
    assert "$time" not in sent[-1]["properties"]


def test_project_and_time_free_are_of_every_record(sent: list[Any]) -> None:
    tracker = ServerTracker(CallConsumer(sent.append), project="shop", time_free=True)
    tracker.track("d", "Buy")
    tracker.track("d", "Buy", {"$project": "other", "$token": "t"})
    tracker.item_set("book", "b1", {"price": 3})
    assert [r["project"] for r in sent] == ["shop", "other", "shop"]
    assert all(r["time_free"] is True for r in sent)
    assert sent[1]["token"] == "t"


def test_what_is_bound_and_unbound_within_a_millisecond_keeps_its_order(
    tracker: ServerTracker, sent: list[Any]
) -> None:
    tracker.bind(LOGIN, PHONE)
    tracker.unbind(PHONE)
    tracker.track("A", "Buy", is_login_id=True)
    tracker.track("A", "Buy", {"$time": 1_000_000_000_000})
    tracker.bind(LOGIN, PHONE)
    first = sent[0]["time"]
    assert [r["time"] - first for r in sent if r["time"] >= first] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda t: t.track(None, "Buy"), WrongType),
        (lambda t: t.track(True, "Buy"), WrongType),
        (lambda t: t.track(1.5, "Buy"), WrongType),
        (lambda t: t.track("", "Buy"), InputError),
        (lambda t: t.track("x" * 256, "Buy"), InputError),
        (lambda t: t.track("d", "no name"), InputError),
        (lambda t: t.track("d", None), WrongType),
        (lambda t: t.track("d", "Buy", ["x"]), WrongType),
        (lambda t: t.track("d", "Buy", {"user_id": 1}), InputError),
        (lambda t: t.track("d", "Buy", {5: 1}), WrongType),
        (lambda t: t.track("d", "Buy", {"a": {}}), WrongType),
        (lambda t: t.track("d", "Buy", {"a": [1]}), WrongType),
        (lambda t: t.track("d", "Buy", {"a": "x" * 8192}), InputError),
        (lambda t: t.track("d", "Buy", {"a": float("nan")}), InputError),
        (lambda t: t.track("d", "Buy", {"$time": 123}), InputError),
        (lambda t: t.track("d", "Buy", {"$time": date(2024, 1, 1)}), WrongType),
        (lambda t: t.track("d", "Buy", {"$project": "no name"}), InputError),
        (lambda t: t.track_by_id("Buy", {}), InputError),
        (lambda t: t.bind(PHONE, PHONE), InputError),
        (lambda t: t.bind(PHONE, ("a", "b")), WrongType),
        (lambda t: t.bind(PHONE, Identity("k", " ")), InputError),
        (lambda t: t.unbind(Identity("$identity_mobile", "1" * 250)), InputError),
        (lambda t: t.unbind(Identity("user_tag_x", "v")), InputError),
        (lambda t: t.track_signup("A", ""), InputError),
        (lambda t: t.profile_increment("d", {"n": "1"}), WrongType),
        (lambda t: t.profile_append("d", {"l": "x"}), WrongType),
        (lambda t: t.profile_unset("d", "name"), WrongType),
        (lambda t: t.item_set("book", ""), InputError),
        (lambda t: t.item_set("no name", "b1"), InputError),
    ],
)  # fmt: skip
def test_what_the_collector_could_not_use_is_raised_and_not_sent(
    call: Any, kind: type[Exception], tracker: ServerTracker, sent: list[Any]
) -> None:
    with pytest.raises(kind):
        call(tracker)
    assert sent == []


def test_what_the_consumer_raises_is_raised() -> None:
    def refuse(record: object) -> None:
        raise StoreFull("no room")

    with pytest.raises(StoreFull):
        ServerTracker(CallConsumer(refuse)).track("d", "Buy")


def test_records_of_many_threads_are_whole(tracker: ServerTracker, sent: list[Any]) -> None:
    def work() -> None:
        for _ in range(100):
            tracker.track("d", "Buy")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 400


FORKING = """
import os
from idweave.core.errors import WrongProcess
from idweave.sdk import CallConsumer, ServerTracker

tracker = ServerTracker(CallConsumer(print))
child = os.fork()
if child == 0:
    try:
        tracker.track("d", "Buy")
    except WrongProcess:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_is_refused() -> None:
    command = [sys.executable, "-c", FORKING]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "7"


LIGHT = """
import sys
before = set(sys.modules)
import idweave.sdk
brought = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(brought - sys.stdlib_module_names - {"idweave"}))
print([m for m in sys.modules if m.split(".")[1:2] in (["engine"], ["stores"], ["server"])])
"""


def test_the_sdk_brings_nothing_into_an_app_but_itself_and_python() -> None:
    command = [sys.executable, "-c", LIGHT]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]
