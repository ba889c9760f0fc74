"""``idweave unionid`` as people type it: answers, exit codes, and the answer to every mistake."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from idweave.unionid.mock import SCENARIOS, Fault, MockAccount, MockServer, World, build
from idweave.unionid.mock.scenarios import CLUB, MINI, OUTLET, SHOP, write_config
from idweave.unionid.mock.world import made_id
from idweave.wire import decode
from tests.command import Ran, idweave
from tests.unit.test_unionid_decryption import APPID, ENCRYPTED, SESSION_KEY, VECTOR


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Demo:
    """A mock that runs, and a folder with its settings."""

    def __init__(self, world: World, server: MockServer, folder: Path) -> None:
        self.world = world
        accounts = list(world.accounts.values())
        self.config = write_config(folder, accounts, server.url, server.host)

    def run(self, *words: str) -> Ran:
        return idweave("unionid", *words, "--config", str(self.config))

    def ask(self, *words: str) -> Ran:
        return idweave(*words, "--config", str(self.config))

    def set(self, line: str) -> None:
        text = self.config.read_text("utf-8")
        self.config.write_text(text.replace("[unionid]", f"[unionid]\n{line}", 1), "utf-8")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    world = World.of(
        [
            MockAccount(SHOP, "Shop", users=range(120)),
            MockAccount(CLUB, "Club", users=range(70, 170)),
            MockAccount(OUTLET, "Outlet", users=[*range(60, 90), *range(160, 190)]),
            MockAccount(MINI, "Mini shop", kind="mini_program", users=range(200)),
        ],
        now_ms,
    )
    with MockServer(world) as server:
        yield Demo(world, server, tmp_path)


def problem(ran: Ran) -> str:
    """The two lines that every mistake is answered with."""
    said, fix = ran.err.splitlines()
    assert said.startswith("idweave: ")
    assert fix.startswith("fix: ")
    assert ran.out == ""
    return f"{said}\n{fix}"


# -- the story of the how-to -----------------------------------------------------------------------


def test_a_newcomer_sees_followers_become_people_and_finds_one_by_either_openid(
    demo: Demo,
) -> None:
    assert demo.run("sync").code == 0
    assert "280 followers of 3 accounts are 190 known people" in demo.run("overlap").out
    users = [
        demo.ask("lookup", f"$identity_mp_{appid}_openid", made_id(appid, 80), "--json").json
        for appid in (SHOP, CLUB, OUTLET)
    ]
    assert len({answer["canonical_id"] for answer in users}) == 1


def test_the_summary_of_a_sync_is_a_table_or_a_document(demo: Demo) -> None:
    ran = demo.run("sync", "Shop", CLUB)
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [
        ["Shop", "120"],
        ["Club", "100"],
    ]
    told = demo.run("sync", "Shop", "--delta", "--json").json["accounts"]
    assert [(one["name"], one["finished"], one["asked"], one["facts"]) for one in told] == [
        ("Shop", True, 0, 0)
    ]


def test_the_overlap_is_a_table_json_csv_and_a_picture(demo: Demo, tmp_path: Path) -> None:
    demo.run("sync")
    told = demo.run("overlap", "--json").json
    assert (told["people"], told["matrix"][0]) == (190, [120, 50, 30])
    picture = tmp_path / "overlap.svg"
    rows = list(csv.reader(io.StringIO(demo.run("overlap", "--csv", "--svg", str(picture)).out)))
    assert rows[1] == ["Shop", SHOP, "120", "120", "120", "50", "30"]
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert demo.run("overlap", "Shop", "Outlet", "--json").json["people"] == 150


def test_the_accounts_are_listed_with_their_last_sync(demo: Demo) -> None:
    demo.run("sync", "Shop")
    told = demo.run("accounts", "--check", "--json").json["accounts"]
    assert [(one["name"], one["last_sync_finished"], one["problem"]) for one in told] == [
        ("Shop", True, ""),
        ("Club", False, ""),
        ("Outlet", False, ""),
        ("Mini shop", False, ""),
    ]
    assert "never" in demo.run("accounts").out


def test_an_account_with_a_wrong_secret_is_said_and_fails(demo: Demo) -> None:
    (demo.config.parent / "secrets" / SHOP).write_text("wrong-secret", "utf-8")
    ran = demo.run("accounts", "--check")
    assert ran.code == 1
    assert "errcode 40125" in ran.err
    assert "wrong-secret" not in ran.err + ran.out


# -- logins ----------------------------------------------------------------------------------------


def test_a_code_is_exchanged_and_remembered(demo: Demo) -> None:
    told = demo.run("code", "Mini shop", "login-7", "--remember", "--json").json
    assert (told["openid"], told["unionid"]) == (made_id(MINI, 7), made_id("main", 7))
    assert (told["facts"], "session_key" in told) == (1, False)
    found = demo.ask("lookup", "$identity_mp_unionid", made_id("main", 7), "--json")
    assert found.code == 0
    assert "openid" in demo.run("code", MINI, "login-8").out


def test_a_session_key_is_printed_when_asked_for(demo: Demo) -> None:
    told = demo.run("code", MINI, "login-7", "--with-session-key", "--json").json
    assert told["session_key"] == "bW9jay1zZXNzaW9uLWtleQ=="


def test_a_code_can_come_from_stdin(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("login-9\n"))
    assert demo.run("code", MINI, "-", "--json").json["openid"] == made_id(MINI, 9)


def test_a_used_code_fails_with_the_platforms_errcode_and_what_to_do(demo: Demo) -> None:
    demo.run("code", MINI, "login-7")
    ran = demo.run("code", MINI, "login-7")
    assert ran.code == 1
    said = problem(ran)
    assert "errcode 40163" in said
    assert "rid" in said
    error = json.loads(demo.run("code", MINI, "login-7", "--json").err)["error"]
    assert error["code"] == "UNIONID_CODE_REFUSED"


def test_a_login_without_a_union_id_says_why(demo: Demo) -> None:
    ran = demo.run("code", "Shop", "login-7-base")
    assert "No union id: a login with snsapi_base" in ran.out


# -- decryption ------------------------------------------------------------------------------------


@pytest.fixture
def sample(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that open the official sample."""
    text = demo.config.read_text("utf-8").replace(MINI, APPID)
    demo.config.write_text(text, "utf-8")
    monkeypatch.setenv("KEY", SESSION_KEY)
    return ["decrypt", APPID, "--iv", VECTOR, "--data", ENCRYPTED, "--session-key-env", "KEY"]


def test_encrypted_data_is_opened(demo: Demo, sample: list[str]) -> None:
    told = demo.run(*sample, "--any-age", "--json").json
    assert told["unionId"] == "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
    assert "oGZUI0egBJY1zhBYw2KhdUfwVJJE" in demo.run(*sample, "--any-age").out


def test_old_encrypted_data_fails(demo: Demo, sample: list[str]) -> None:
    ran = demo.run(*sample)
    assert ran.code == 1
    assert "s old" in problem(ran)


def test_a_signature_that_does_not_fit_is_refused(demo: Demo, sample: list[str]) -> None:
    ran = demo.run(*sample, "--any-age", "--raw-data", "{}", "--signature", "00")
    assert ran.code == 2
    assert "signature" in problem(ran)


def test_a_session_key_comes_from_environment_or_file_only(
    demo: Demo, sample: list[str], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SESSION_KEY, "utf-8")
    words = sample[:-2]
    assert demo.run(*words, "--any-age", "--session-key-file", str(tmp_path / "key")).code == 0
    for extra in ([], ["--session-key-env", "UNSET"], ["--session-key-file", "missing"]):
        assert demo.run(*words, *extra).code == 2


# -- exit codes ------------------------------------------------------------------------------------


def test_a_quota_parks_the_sync_with_3_and_retry_now_goes_on(demo: Demo) -> None:
    demo.world.accounts[SHOP].quotas = {"user/info": 1}
    ran = demo.run("sync")
    assert ran.code == 3
    assert "Shop" in ran.err
    assert "quota" in ran.err
    told = demo.run("accounts", "--json").json["accounts"]
    assert told[0]["parked_until_ms"] > now_ms()
    assert "used up until" in demo.run("accounts").err
    assert demo.run("sync").code == 3
    demo.world.accounts[SHOP].quotas = {}
    told = demo.run("sync", "Shop", "--retry-now", "--json").json["accounts"]
    assert [(one["resumed"], one["finished"]) for one in told] == [(True, True)]


def test_a_refusal_of_the_platform_fails_and_the_other_accounts_are_synced(demo: Demo) -> None:
    refusal = {"errcode": 61003, "errmsg": "unauthorized rid: 6172-aaaa-bbbb"}
    demo.world.faults = [Fault("user/get", 1, 1, refusal)]
    ran = demo.run("sync")
    assert ran.code == 1
    assert "errcode 61003" in ran.err
    assert "100" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sync", "Shpo"], "No app is called 'Shpo'"),
        (["sync", "Mini shop"], "unionid code"),
        (["sync", "--migrated-from", "Shop"], "--migrated-from is about one app"),
        (["code", "nobody", "x"], "No app is called"),
        (["overlap", "--svg", "no/such/folder/x.svg"], "cannot be written"),
    ],
)
def test_a_wrong_argument_ends_with_2(demo: Demo, words: list[str], said: str) -> None:
    ran = demo.run(*words)
    assert ran.code == 2
    assert said in problem(ran)


def test_a_mistake_in_the_settings_names_its_place_and_ends_with_2(demo: Demo) -> None:
    demo.set("paralel = 4")
    ran = demo.run("accounts")
    assert ran.code == 2
    assert "unionid.paralel: It is not a setting." in problem(ran)
    assert "Did you mean 'parallel'?" in ran.err


def test_settings_without_the_table_say_how_to_begin(tmp_path: Path) -> None:
    path = tmp_path / "idweave.toml"
    path.write_text("", "utf-8")
    ran = idweave("unionid", "sync", "--config", str(path))
    assert ran.code == 2
    assert "unionid mock --write demo" in problem(ran)


def test_a_host_that_is_not_allowed_is_not_asked(demo: Demo) -> None:
    text = demo.config.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("allow_hosts")]
    demo.config.write_text("\n".join(lines), "utf-8")
    ran = demo.run("sync")
    assert ran.code == 2
    assert "allow_hosts" in problem(ran)
    assert demo.world.calls.total() == 0


def test_a_key_that_the_policy_does_not_declare_is_said_before_anything_is_sent(
    demo: Demo,
) -> None:
    two = '[[unionid.open_platforms]]\nname = "two"\nkey = "$identity_two_unionid"\n'
    text = demo.config.read_text("utf-8")
    demo.config.write_text(f"{text}\n{two}", "utf-8")
    ran = demo.run("sync")
    assert ran.code == 2
    assert "does not declare $identity_two_unionid" in problem(ran)
    assert demo.world.calls.total() == 0


def test_facts_can_go_to_a_collector_and_the_store_is_left_alone(demo: Demo) -> None:
    url = next(line for line in demo.config.read_text("utf-8").splitlines() if "base_url" in line)
    host = url.split('"')[1]
    demo.set(f'collector = "{host}/sa?project=default"')
    assert demo.run("sync").code == 0
    facts = sum(len(decode(body, "").records) for body in demo.world.collected)
    assert facts == 280
    assert not (demo.config.parent / "idweave.db").exists()


# -- union ids that changed, accounts that moved ---------------------------------------------------


def test_changed_union_ids_are_shown_and_bound_anew_only_with_yes(demo: Demo) -> None:
    demo.run("sync")
    before = demo.ask("lookup", f"$identity_mp_{SHOP}_openid", made_id(SHOP, 80), "--json").json
    for appid in (SHOP, CLUB, OUTLET):
        demo.world.rebind(appid, "sold")
    assert "union ids changed" in demo.run("sync").err
    shown = demo.run("rebind")
    assert shown.code == 0
    assert "280 would be bound anew with --yes" in shown.out
    done = demo.run("rebind", "--yes", "--json").json
    assert (done["repaired"], done["blocked"]) == (280, 0)
    after = demo.ask("lookup", "$identity_mp_unionid", made_id("sold", 80), "--json").json
    assert after["canonical_id"] == before["canonical_id"]
    assert "0 union ids changed" in demo.run("rebind").out


def test_a_rebind_that_would_be_wrong_is_blocked_and_fails(demo: Demo) -> None:
    demo.run("sync")
    demo.world.rebind(SHOP, "sold")
    demo.run("sync")
    ran = demo.run("rebind", "Shop", "--yes")
    assert ran.code == 1
    assert "still stands in" in ran.err


def test_followers_of_an_account_that_moved_are_bound_to_their_new_openids(demo: Demo) -> None:
    demo.run("sync", "Shop")
    demo.world.accounts[CLUB].migrated_from = (SHOP, now_ms())
    ran = demo.run("sync", "Club", "--migrated-from", "Shop", "--json")
    assert [(one["finished"], one["facts"]) for one in ran.json["accounts"]] == [
        (True, 100),
        (True, 120),
    ]


# -- the mock --------------------------------------------------------------------------------------


def test_the_scenarios_are_listed() -> None:
    told = idweave("unionid", "mock", "--list", "--json").json
    assert [row["name"] for row in told] == list(SCENARIOS)
    assert "brand" in idweave("unionid", "mock", "--list").out


def test_a_scenario_that_is_none_and_a_port_that_is_taken_end_with_2(demo: Demo) -> None:
    assert idweave("unionid", "mock", "--scenario", "x").code == 2
    taken = demo.config.read_text("utf-8").split("127.0.0.1:")[1].split('"')[0]
    ran = idweave("unionid", "mock", "--port", taken)
    assert ran.code == 2
    assert "--port" in problem(ran)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_mock_runs_until_it_is_asked_to_stop(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "idweave", "unionid", "mock", "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--write", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        started = b""
        while b"}" not in started:
            started += process.stdout.readline()
        ran = idweave("unionid", "sync", "--config", json.loads(started)["config"], "--json")
        assert ran.code == 0
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "name", ["empty", "one", "unbound", "leaving", "quota", "text", "forbidden"]
)
def test_every_scenario_can_be_synced_and_counted(name: str, tmp_path: Path) -> None:
    world = build(name, now_ms)
    with MockServer(world) as server:
        demo = Demo(world, server, tmp_path)
        codes: dict[str, int] = {"quota": 3, "forbidden": 1}
        ran = demo.run("sync", "--json")
        assert ran.code == codes.get(name, 0), ran.err
        told: Any = demo.run("overlap", "--json").json
        assert told["followers"] >= told["people"] >= 0


def test_help_has_an_example_for_every_command() -> None:
    for name in ("accounts", "sync", "overlap", "code", "decrypt", "rebind", "mock"):
        ran = idweave("unionid", name, "--help")
        assert ran.code == 0
        assert f"idweave unionid {name}" in ran.out
