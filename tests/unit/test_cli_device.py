"""The device side from a shell: ``track``, ``platforms`` and ``visitor-id``."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from idweave.core.device.platforms import PLATFORMS
from idweave.core.visitor import HINTS, PROFILES
from idweave.sdk.storage import FileStorage
from tests.command import Ran, idweave
from tests.unit.receiver import receiving

ANDROID_ID = "9a1b2c3d4e5f6071"
NAMED = "17ea62e9-94e8-39a1-993f-b763789a8e2b"
"""MD5 of the AndroidID, written as a version-3 UUID."""

UUID = "41b7c4a8-5d0c-4c55-9f2a-0d6c3e1f7a10"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def sent(ran: Ran) -> list[dict[str, Any]]:
    return [line["sent"] for line in lines(ran) if "sent" in line]


def device(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = lines(ran)[-1]["device"]
    return found


def track(*words: str, platform: str = "wechat") -> Ran:
    return idweave("track", *words, "--platform", platform, "--json")


# -- track -----------------------------------------------------------------------------------------


def test_an_event_is_printed_with_its_properties_and_who_the_device_is() -> None:
    ran = track("event", "ViewProduct", "price=3", "name=pen")
    event = sent(ran)[-1]
    assert (ran.code, event["type"], event["event"]) == (0, "track", "ViewProduct")
    assert (event["properties"]["price"], event["properties"]["name"]) == (3, "pen")
    assert device(ran)["identities"] == event["identities"]


def test_people_see_the_record_and_a_table_of_the_identities() -> None:
    ran = idweave("track", "login", "amy", "--platform", "wechat")
    assert '"event": "$SignUp"' in ran.out
    assert "Identities (3)\n" in ran.out
    assert "$identity_login_id      amy" in ran.out


def test_the_device_is_the_same_one_at_the_next_call(folder: Path) -> None:
    first = device(track("login", "amy"))
    assert device(track("event", "Buy")) == first
    assert (folder / "data" / "device.json").exists()


def test_a_device_lives_in_the_file_that_is_named() -> None:
    track("login", "amy", "--storage", "amy.json")
    assert device(track("event", "Buy"))["login_id"] is None
    assert device(track("event", "Buy", "--storage", "amy.json"))["login_id"] == "amy"


def test_a_device_in_memory_is_forgotten_and_leaves_no_file(folder: Path) -> None:
    track("login", "amy", "--storage", "memory:")
    assert list(folder.iterdir()) == []


def test_a_short_key_is_the_one_of_the_preset_and_another_is_taken_as_it_is() -> None:
    track("bind", "mobile", "13800000000")
    held = device(track("bind", "member", "M-7"))["identities"]
    assert (held["$identity_mobile"], held["member"]) == ("13800000000", "M-7")
    left = sent(track("unbind", "mobile", "13800000000"))[0]
    assert left["identities"] == {"$identity_mobile": "13800000000"}


def test_an_openid_has_the_app_in_its_key() -> None:
    ran = track("bind-openid", "o1", "--app-id", "wx1")
    assert device(ran)["identities"]["$identity_mp_wx1_openid"] == "o1"


def test_a_platform_without_identities_says_its_ids_alone() -> None:
    ran = idweave("track", "login", "amy", "--platform", "jd")
    assert "Identities" not in ran.out
    assert device(track("event", "Buy", platform="jd"))["identities"] is None


def test_a_call_that_changes_nothing_is_done_and_says_so() -> None:
    track("login", "amy")
    ran = track("login", "amy")
    assert (ran.code, sent(ran)) == (0, [])
    assert "note: login did nothing (same_login)" in ran.err


def test_a_refused_call_fails_and_says_why() -> None:
    track("login", "amy")
    ran = track("reset")
    assert (ran.code, sent(ran)) == (1, [])
    assert "warning: reset_anonymous_identity did nothing (logged_in)" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fly",), "There is no call 'fly'."),
        (("login",), "Write: login <id>."),
        (("event", "Buy", "price"), "Write name=value."),
        (("bind", "1key", "x"), "bind: "),
        (("bind", "mobile", "\udcff"), "is not UTF-8 text"),
        (("profile-delete",), "profile_delete does not exist on wechat."),
        (("login", "amy", "--to", "nowhere"), "is no collector's address"),
        (("login", "amy", "--storage", "a/b/c.json"), "cannot be made"),
    ],
)
def test_a_slip_is_explained_and_nothing_is_sent_or_kept(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    ran = idweave("track", *words, "--platform", "wechat")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not list(folder.rglob("*.json"))


def test_a_platform_that_does_not_exist_is_answered_with_those_that_do() -> None:
    ran = track("logout", platform="symbian")
    assert ran.code == 2
    assert "wechat, wechat-v2" in json.loads(ran.err)["error"]["fix"]


def test_a_storage_that_another_program_holds_is_busy(folder: Path) -> None:
    held = FileStorage(folder / "d.json")
    try:
        ran = track("login", "amy", "--storage", "d.json")
    finally:
        held.close()
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "STORE_BUSY")


def test_a_broken_storage_is_put_aside_and_said(folder: Path) -> None:
    (folder / "d.json").write_text("{", "utf-8")
    ran = track("event", "Buy", "--storage", "d.json")
    assert ran.code == 0
    assert "warning: d.json is no device storage" in ran.err


def test_the_log_is_left_as_it_was() -> None:
    log = logging.getLogger("idweave.sdk")
    before = (log.level, log.propagate, list(log.handlers))
    track("fly")
    track("event", "Buy")
    assert (log.level, log.propagate, list(log.handlers)) == before


def test_what_moves_a_cursor_is_shown_as_its_code() -> None:
    ran = idweave("track", "event", "Buy", "note=\x9b31m\u202e")
    assert "\\x9b31m\\u{202e}" in ran.out


def test_records_reach_a_collector() -> None:
    with receiving() as collector:
        ran = track("login", "amy", "--to", collector.url)
    assert ran.code == 0
    assert [one["type"] for one in collector.records] == ["profile_set_once", "track_signup"]


def test_what_no_collector_took_waits_for_the_next_call() -> None:
    with receiving([503] * 100) as down:
        ran = track("login", "amy", "--to", down.url, "--wait", "0.2")
    assert ran.code == 1
    assert "it waits in data/device.json.spool for the next call" in ran.err
    with receiving() as up:
        ran = track("event", "Buy", "--to", up.url)
    assert (ran.code, up.events()) == (0, [None, "$SignUp", "Buy"])


def test_a_device_in_memory_loses_what_no_collector_took_and_says_so() -> None:
    with receiving([503] * 100) as down:
        words = ("--to", down.url, "--wait", "0.2", "--storage", "memory:")
        ran = track("event", "Buy", *words)
    assert ran.code == 1
    assert "it is lost" in ran.err


def test_a_record_that_the_collector_refuses_fails_the_call() -> None:
    with receiving() as collector:
        collector.refuses = lambda record: record.get("event") == "Buy"
        ran = track("event", "Buy", "--to", collector.url)
    assert ran.code == 1
    assert "kept in refused.jsonl" in ran.err


# -- platforms -------------------------------------------------------------------------------------


def test_every_platform_is_in_the_table() -> None:
    shown = [line.split()[0] for line in idweave("platforms").out.splitlines()[1:]]
    assert shown == list(PLATFORMS)


def test_machines_get_every_column_of_every_platform() -> None:
    rows = {row["platform"]: row for row in idweave("platforms", "--json").json}
    assert list(rows) == list(PLATFORMS)
    assert rows["wechat"]["device_key"] == "$identity_mp_id"
    assert rows["wechat"]["stored_as"] == "object"


# -- visitor-id ------------------------------------------------------------------------------------


def visitor(*words: str) -> Any:
    return idweave("visitor-id", *words, "--json").json


def test_an_android_id_makes_the_id_with_its_source_identity_and_storage() -> None:
    hints = ("--android-id", ANDROID_ID, "--android-id-enabled")
    found = visitor("--profile", "android-4.2", *hints)
    assert found == {
        "profile": "android-4.2",
        "value": NAMED,
        "source": "android_id",
        "identity": {"key": "$identity_gio_device_id", "value": NAMED},
        "storage": {"DEVICE_ID": NAMED},
    }


def test_people_see_the_identity_as_they_may_look_it_up() -> None:
    ran = idweave("visitor-id", "--profile", "web-4", "--random", UUID)
    assert ran.out == (
        f"{UUID}\nsource    random\nidentity  $identity_gio_device_id={UUID}\n"
        f"stored    gdp_user_id={UUID}\n"
    )


def test_a_hint_whose_switch_is_off_is_named() -> None:
    ran = idweave("visitor-id", "--profile", "android-4.2", "--android-id", ANDROID_ID)
    assert "source    random" in ran.out
    assert "--android-id was not asked: this SDK reads it with --android-id-enabled" in ran.err


def test_what_was_stored_wins() -> None:
    hints = ("--android-id", ANDROID_ID, "--stored", "DEVICE_ID=old=1")
    found = visitor("--profile", "android-seed", *hints)
    assert (found["value"], found["source"]) == ("old=1", "stored")


def test_without_a_given_id_each_device_gets_another_one() -> None:
    assert visitor("--profile", "qt-4")["value"] != visitor("--profile", "qt-4")["value"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--list shows the names"),
        (("--profile", "android-9"), "android-seed, android-2"),
        (("--profile", "web-4", "--imei", "1"), "none: its id is random or stored"),
        (("--profile", "android-3.0", "--imei", "1"), "It reads --android-id."),
        (("--profile", "web-4", "--stored", "u=1"), "its keys are gdp_user_id, gr_user_id"),
        (("--profile", "web-4", "--stored", "gdp_user_id"), "Write KEY=VALUE"),
        (("--profile", "macos-4", "--stored", "a=1"), "It stores nothing."),
        (("--profile", "web-4", "--random", "7"), "'7' is no UUID."),
        (("--profile", "web-4", "--stored", "gdp_user_id= "), "is no visitor id"),
        (("--profile", "android-seed", "--imei", "\udcff"), "is not UTF-8 text"),
        (("--profile", "web-4", "--colour", "red"), "No such option"),
    ],
)
def test_a_wrong_word_is_answered_with_what_to_write(words: tuple[str, ...], said: str) -> None:
    ran = idweave("visitor-id", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_the_list_has_every_profile_and_every_hint() -> None:
    firsts = {line.split()[0] for line in idweave("visitor-id", "--list").out.splitlines() if line}
    options = {f"--{row.name.replace('_', '-')}" for row in HINTS}
    assert firsts >= {*PROFILES, *options}


def test_machines_get_each_profile_with_its_hints() -> None:
    rows = {row["profile"]: row for row in visitor("--list")}
    assert list(rows) == list(PROFILES)
    assert [one["name"] for one in rows["ios-4"]["hints"]] == ["idfa", "idfv"]
    assert rows["ios-4"]["hints"][0]["kind"] == "text"
