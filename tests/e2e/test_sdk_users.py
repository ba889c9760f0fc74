"""From a tracker's call to a right user in ``idweave lookup``, through collector and store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from idweave import Identity
from idweave.sdk import HttpConsumer, Pace, ServerTracker, Tracker

PROGRAM = [sys.executable, "-m", "idweave"]
PACE = Pace(interval_s=0.02)


@contextmanager
def collecting(store: Path) -> Iterator[str]:
    """A collector over a store while the block runs; gives its address."""
    ports = ["--collector-port", "0", "--api-port", "0"]
    command = [*PROGRAM, "serve", "--json", "--store", str(store), *ports]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            yield json.loads(server.stdout.readline())["collector"] + "/sa?project=default"
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=30) == 0


def looked_up(store: Path, key: str, value: str) -> dict[str, Any]:
    command = [*PROGRAM, "lookup", key, value, "--json", "--store", str(store)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def devices_of(found: dict[str, Any]) -> set[str]:
    """The keys of the devices a user has, as often as it has them."""
    held = [one["key"] for one in found["user"]["identities"]]
    return {f"{key} x{held.count(key)}" for key in held if key.endswith(("_mp_id", "_cookie_id"))}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a family's devices and a service told a collector."""
    folder = tmp_path_factory.mktemp("users")
    with collecting(folder / "idweave.db") as url:
        consumer = HttpConsumer(url, spool=folder / "spool", pace=PACE)
        for platform in ("wechat", "web", "alipay", "wechat"):  # a second phone at the end
            device = Tracker(platform, consumer)
            device.track("ViewProduct")
            device.login("user-1")
            device.bind("$identity_mobile", "13800000000")
            device.track("Buy", {"price": 3})
        shared = Tracker("web", consumer)
        shared.login("user-2")
        shared.logout()
        shared.reset_anonymous_identity()
        shared.login("user-3")
        time.sleep(0.05)  # trackers do not share a clock: the service speaks later, and means it
        with ServerTracker(consumer) as service:
            service.unbind(Identity("$identity_mobile", "13800000000"))
            user_2 = Identity("$identity_login_id", "user-2")
            service.bind(user_2, Identity("$identity_mobile", "13800000000"))
    return folder / "idweave.db"


def test_four_devices_of_three_platforms_are_one_user(store: Path) -> None:
    found = looked_up(store, "$identity_login_id", "user-1")
    assert devices_of(found) == {
        "$identity_mp_id x2",
        "$identity_cookie_id x1",
        "$identity_ali_mp_id x1",
    }


def test_a_phone_number_goes_with_its_new_owner(store: Path) -> None:
    new = looked_up(store, "$identity_login_id", "user-2")["canonical_id"]
    assert looked_up(store, "$identity_mobile", "13800000000")["canonical_id"] == new
    assert looked_up(store, "$identity_login_id", "user-1")["canonical_id"] != new


def test_a_shared_browser_that_was_reset_keeps_two_people_apart(store: Path) -> None:
    one, other = (looked_up(store, "$identity_login_id", name) for name in ("user-2", "user-3"))
    assert one["canonical_id"] != other["canonical_id"]
    assert devices_of(one) == devices_of(other) == {"$identity_cookie_id x1"}
