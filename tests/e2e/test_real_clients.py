"""Released SDKs of servers and mini programs as clients of a started ``idweave serve``."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sensorsanalytics.sdk import (
    BatchConsumer,
    DebugConsumer,
    DefaultConsumer,
    SensorsAnalytics,
    SensorsAnalyticsIdentity,
)

from . import released
from .serving import WAIT_S
from .visits import LOGIN, PHONE, STORY, Site, held, is_unbound, one_user, site

PYTHON = ("python_default", "python_batch", "python_debug", "python_plain", "python_dry")
NODE = ("node_single", "node_plain", "node_batch", "node_debug")
MINI = ("mini", "mini_open")
PROJECTS = dict.fromkeys((*PYTHON, *NODE, *MINI), "sensors")
PROJECTS["node_simple"] = "simple-many-to-one"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server for all clients, each with a project of its own."""
    with site(tmp_path_factory.mktemp("shop"), PROJECTS) as started:
        yield started


@pytest.fixture(scope="module")
def modules() -> Path:
    """The installed npm packages."""
    return released.modules()


# -- SensorsAnalyticsSDK for Python ----------------------------------------------------------------

CONSUMERS = {
    "python_default": DefaultConsumer,
    "python_batch": lambda url: BatchConsumer(url, max_size=3),
    "python_debug": DebugConsumer,
}


def apart() -> None:
    """Wait until the next call is of another millisecond."""
    time.sleep(0.005)


@pytest.mark.parametrize("project", CONSUMERS)
def test_the_python_sdk_makes_one_user_of_two_devices(shop: Site, project: str) -> None:
    tracker = SensorsAnalytics(CONSUMERS[project](shop.url(project)))
    first, second = (SensorsAnalyticsIdentity("$identity_cookie_id", uuid4().hex) for _ in range(2))
    login, phone = SensorsAnalyticsIdentity(*LOGIN), SensorsAnalyticsIdentity(*PHONE)
    story: list[tuple[Any, ...]] = [
        (tracker.track_by_id, "Visit", {"page": "用户 😀"}, first),
        (tracker.bind, first, login),
        (tracker.bind, login, phone),
        (tracker.track_by_id, "Buy", {"price": 12.5}, first, login, phone),
        (tracker.track_by_id, "Visit", {}, second),
        (tracker.bind, second, login),
        (tracker.track_by_id, "Order", {}, second, login),
        (tracker.profile_set_by_id, {"city": "上海"}, login),
        (tracker.unbind, phone),
        (tracker.track_by_id, "Back", {}, first),
    ]
    for call, *given in story:
        call(*given)
        apart()
    tracker.close()
    sent = {"Visit": 2, "BindID": 3, "Buy": 1, "Order": 1, "profile_set": 1, "UnbindID": 1}
    user = one_user(shop, project, sent | {"Back": 1})
    assert held(user) == {"login_id": 1, "cookie_id": 2}
    assert is_unbound(shop, project, user)


def test_the_python_sdk_without_identities_makes_one_user_of_two_devices(shop: Site) -> None:
    tracker = SensorsAnalytics(BatchConsumer(shop.url("python_plain")))
    for name in ("first", "second"):
        tracker.track(name, "Visit")
        apart()
        tracker.track_signup(LOGIN[1], name)
        apart()
        tracker.track(LOGIN[1], "Buy", {"n": 1}, is_login_id=True)
    tracker.close()
    user = one_user(shop, "python_plain", {"Visit": 2, "SignUp": 2, "Buy": 2})
    assert held(user) == {"login_id": 1, "anonymous_id": 2}


def test_a_dry_run_of_the_python_sdk_stores_nothing(
    shop: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = SensorsAnalytics(DebugConsumer(shop.url("python_dry"), write_data=False))
    tracker.track("first", "Visit")
    assert "valid message" in capsys.readouterr().out
    assert shop.get("python_dry", "stats")["received"] == 0


# -- sa-sdk-node -----------------------------------------------------------------------------------


def run(script: str, *given: str | Path) -> None:
    """Run a client program to its end."""
    command = ["node", "--no-deprecation", str(released.CLIENTS / script), *map(str, given)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout


SUBMIT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "node_single": ({}, {}),
    "node_plain": ({"gzip": False}, {}),
    "node_batch": ({}, {"count": 4, "timeSpan": 200}),
    "node_debug": ({"mode": "debug"}, {}),
}


@pytest.mark.parametrize("project", SUBMIT)
def test_the_node_sdk_makes_one_user_of_two_devices(
    shop: Site, modules: Path, project: str
) -> None:
    options, batch = SUBMIT[project]
    calls = [
        ["track", "first", "Visit", {"page": "用户 😀"}],
        ["trackSignup", LOGIN[1], "first", {}],
        ["track", LOGIN[1], "Buy", {"price": 12.5, "$is_login_id": True}],
        ["track", "second", "Visit", {}],
        ["trackSignup", LOGIN[1], "second", {}],
        ["profileSet", LOGIN[1], {"city": "上海", "$is_login_id": True}],
        ["track", "first", "Back", {}],
    ]
    submit = {"url": shop.url(project), **options}
    run("server.js", modules, *map(json.dumps, (submit, batch, calls)))
    sent = {"Visit": 2, "SignUp": 2, "Buy": 1, "profile_set": 1, "Back": 1}
    user = one_user(shop, project, sent)
    assert held(user) == {"login_id": 1, "anonymous_id": 2}


def test_the_node_sdk_makes_one_user_by_the_simple_rules(shop: Site, modules: Path) -> None:
    calls = [
        ["track", "first", "Visit", {}],
        ["trackSignup", LOGIN[1], "first", {}],
        ["track", LOGIN[1], "Buy", {"$is_login_id": True}],
        ["track", "second", "Visit", {}],
        ["trackSignup", LOGIN[1], "second", {}],
        ["track", "second", "Back", {}],
    ]
    submit = {"url": shop.url("node_simple")}
    run("server.js", modules, *map(json.dumps, (submit, {}, calls)))
    user = one_user(shop, "node_simple", {"Visit": 2, "SignUp": 2, "Buy": 1, "Back": 1})
    assert held(user) == {"login_id": 1, "anonymous_id": 2}


# -- sa-sdk-miniprogram ----------------------------------------------------------------------------


def test_the_mini_program_sdk_makes_one_user_of_two_phones(
    shop: Site, modules: Path, tmp_path: Path
) -> None:
    def play(device: str, *calls: list[Any]) -> None:
        storage = tmp_path / f"{device}.json"
        run("miniprogram.js", modules, shop.url("mini"), storage, json.dumps(calls))

    visit = ["track", "Visit", {"page": "用户 😀"}]
    play("first", visit, ["login", LOGIN[1]], ["bind", *PHONE], ["track", "Buy", {}])
    play("second", visit, ["login", LOGIN[1]], ["track", "Order", {}])
    play("first", ["unbind", *PHONE], ["logout"], ["track", "Back", {}])
    user = one_user(shop, "mini", STORY | {"profile_set_once": 2})
    assert held(user) == {"login_id": 1, "mp_id": 2, "anonymous_id": 2}
    assert is_unbound(shop, "mini", user)
    records = shop.events("mini", user["canonical_id"])
    pages = [one["properties"]["page"] for one in records if one.get("event") == "Visit"]
    assert pages == ["用户 😀"] * 2


def test_a_mini_program_user_is_found_by_openid_and_unionid(
    shop: Site, modules: Path, tmp_path: Path
) -> None:
    calls = [["login", LOGIN[1]], ["bindOpenid", "o-1"], ["bindUnionid", "u-1"]]
    run("miniprogram.js", modules, shop.url("mini_open"), tmp_path / "s.json", json.dumps(calls))
    sent = {"SignUp": 1, "BindID": 2, "profile_set_once": 1}
    user = one_user(shop, "mini_open", sent)
    for identity in (
        ("$identity_mp_wx0a1b2c3d4e5f6789_openid", "o-1"),
        ("$identity_mp_unionid", "u-1"),
    ):
        assert shop.user("mini_open", *identity) == user
