"""``policy`` and ``config`` on the command line: shown, checked, compared, and mistakes named."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from idweave.core.policy_file import PRESETS, parse_policy, preset
from tests.command import idweave


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PRESETS)
def test_a_shown_preset_is_a_file_that_means_the_same(name: str) -> None:
    ran = idweave("policy", "show", name)
    assert ran.code == 0
    assert parse_policy(ran.out) == preset(name)


def test_the_policy_of_the_project_is_shown_where_none_is_named() -> None:
    Path("idweave.toml").write_text('[projects.shop]\npolicy = "global-static"', "utf-8")
    ran = idweave("policy", "show")
    assert tomllib.loads(ran.out)["unbind"] == "ignore"


def test_a_policy_in_json_has_every_field_filled_in() -> None:
    rows = {row["key"]: row for row in idweave("policy", "show", "sensors", "--json").json["keys"]}
    mobile = rows["$identity_mobile"]
    assert (mobile["rank"], mobile["values_max"], mobile["when_taken"]) == (20, 1, "keep")
    assert rows["$identity_mp_openid"]["parent"] == "$identity_mp_unionid"


def test_a_policy_as_a_table_has_its_keys_strongest_first() -> None:
    out = idweave("policy", "show", "sensors", "--table").out
    assert out.index("$identity_login_id") < out.index("$identity_mobile")
    assert out.index("$identity_mobile") < out.index("$identity_anonymous_id")


def test_a_sound_file_is_said_to_be() -> None:
    Path("p.toml").write_text('extends = "sensors"\n[[keys]]\nkey = "card"\n', "utf-8")
    ran = idweave("policy", "check", "p.toml")
    assert ran.code == 0
    assert ran.out.startswith("p.toml: sound.")


def test_a_mistake_in_a_policy_names_file_line_field_and_fix() -> None:
    Path("p.toml").write_text('[[keys]]\nkey = "card"\nwhen_fulll = "reject"\n', "utf-8")
    ran = idweave("policy", "check", "p.toml")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "idweave: p.toml:3: when_fulll: There is no such field.",
        "fix: Did you mean when_full?",
    ]


def test_a_mistake_in_json_is_one_object_on_stderr() -> None:
    Path("p.toml").write_text("merge = 'some'", "utf-8")
    ran = idweave("policy", "check", "p.toml", "--json")
    assert ran.code == 2
    assert '"code": "POLICY_INVALID"' in ran.err
    assert '"line": 1' in ran.err
    assert ran.out == ""


def test_policies_that_are_the_same_have_no_difference() -> None:
    ran = idweave("policy", "diff", "sensors", "sensors")
    assert (ran.code, ran.out) == (0, "They are the same rules.\n")


def test_a_difference_names_key_field_and_both_values() -> None:
    text = 'extends = "sensors"\nmerge = "never"\n[[keys]]\nkey = "card"\n'
    Path("p.toml").write_text(text, "utf-8")
    ran = idweave("policy", "diff", "sensors", "p.toml", "--json")
    assert ran.code == 1
    assert ran.json["differences"] == [
        {"key": "", "field": "merge", "one": "any", "other": "never"},
        {"key": "card", "field": "declared", "one": False, "other": True},
    ]


def test_every_setting_is_shown_with_where_it_came_from_and_no_secret() -> None:
    Path("idweave.toml").write_text('[projects.shop]\ntoken = "s3cret"', "utf-8")
    ran = idweave("config", "show", "--json")
    rows = {row["setting"]: row for row in ran.json["settings"]}
    assert rows["projects.shop.token"]["from"] == "idweave.toml:2"
    assert "s3cret" not in ran.out + idweave("config", "show").out


def test_a_slip_in_the_environment_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDWEAVE_STOR_URL", "x")
    ran = idweave("config", "check")
    assert ran.code == 0
    assert "IDWEAVE_STOR_URL is no setting" in ran.err


def test_a_new_key_comes_with_the_hash_that_the_settings_want() -> None:
    made = idweave("config", "new-key", "--json").json
    assert hashlib.sha256(made["key"].encode()).hexdigest() == made["sha256"]
    Path("idweave.toml").write_text(f"[server]\napi_key_hashes = ['{made['sha256']}']", "utf-8")
    assert idweave("config", "check").code == 0
