"""Settings: file, environment and flags in rising precedence, and every mistake named by place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from textwrap import dedent

import pytest

from idweave.config import SETTINGS, load_projects, load_settings, server_settings, variable
from idweave.core.errors import ConfigError, NotFound, PolicyError
from idweave.core.identity import LOGIN_KEY
from idweave.server.settings import ServerSettings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "idweave.toml") -> str:
    Path(name).write_text(dedent(text).lstrip(), "utf-8")
    return name


# -- where values come from ------------------------------------------------------------------------


def test_without_a_file_there_is_one_project_with_the_sensors_preset() -> None:
    found = load_settings(None, {})
    assert found.file is None
    assert [(one.name, one.policy, one.token) for one in found.projects] == [
        ("default", "sensors", None)
    ]
    assert found.store_url == "data/idweave.db"
    assert set(found.origins.values()) == {"default"}


def test_a_flag_wins_over_the_environment_and_that_over_the_file() -> None:
    write("""
        [server]
        collector_port = 1
        api_port = 1
        grace_s = 1
    """)
    environment = {variable("server.collector_port"): "2", variable("server.api_port"): "2"}
    found = load_settings(None, environment, {"server.collector_port": 3})
    names = ("server.collector_port", "server.api_port", "server.grace_s", "server.keep_alive_s")
    assert [found.values[name] for name in names] == [3, 2, 1, 15]
    assert [found.origins[name] for name in names] == [
        "flag",
        "environment IDWEAVE_SERVER_API_PORT",
        "idweave.toml:4",
        "default",
    ]


def test_the_file_named_by_flag_wins_over_the_one_named_by_the_environment() -> None:
    write('[store]\nurl = "a.db"', "a.toml")
    write('[store]\nurl = "b.db"', "b.toml")
    environment = {"IDWEAVE_CONFIG": "b.toml"}
    assert load_settings("a.toml", environment).store_url == "a.db"
    assert load_settings(None, environment).store_url == "b.db"


def test_paths_in_a_file_are_relative_to_it_and_others_to_where_we_are() -> None:
    Path("conf").mkdir()
    write(
        """
        [store]
        url = "sqlite:s.db"
        [projects.shop]
        policy = "rules/shop.toml"
        """,
        "conf/i.toml",
    )
    found = load_settings("conf/i.toml", {})
    assert Path(found.store_url) == Path("conf/s.db")
    assert Path(found.project("shop").policy) == Path("conf/rules/shop.toml")
    moved = load_settings("conf/i.toml", {"IDWEAVE_STORE_URL": "s.db"}, {})
    assert moved.store_url == "s.db"


def test_the_memory_store_is_no_path() -> None:
    write('[store]\nurl = "memory:"', "conf.toml")
    assert load_settings("conf.toml", {}).store_url == "memory:"


def test_a_secret_can_come_from_the_environment_alone() -> None:
    write("[projects.my-shop]")
    found = load_settings(None, {"IDWEAVE_PROJECTS_MY_SHOP_TOKEN": "s3cret"})
    assert found.project("my-shop").token == "s3cret"
    assert "s3cret" not in repr(found)


def test_variables_that_nobody_reads_are_told() -> None:
    found = load_settings(None, {"IDWEAVE_STOER_URL": "x", "IDWEAVE_PROJECT": "p", "PATH": "/"})
    assert found.unread == ("IDWEAVE_STOER_URL",)


# -- projects --------------------------------------------------------------------------------------


def test_a_project_becomes_what_the_engine_needs() -> None:
    write('extends = "sensors"\nname = "shop"', "shop.toml")
    write("""
        [projects.shop]
        policy = "shop.toml"
        token = "t"
        time_window = "off"
        clock_correction = true
        bare_distinct_id = "login"
    """)
    found = load_projects(load_settings(None, {}))["shop"]
    assert (found.name, found.policy.name, found.token) == ("shop", "shop", "t")
    assert (found.time_window, found.clock_correction) == (False, True)
    assert found.bare_distinct_id == LOGIN_KEY


def test_a_policy_that_is_neither_file_nor_preset_is_refused_with_a_suggestion() -> None:
    write('[projects.shop]\npolicy = "sensor"')
    with pytest.raises(PolicyError, match="neither a file nor a preset"):
        load_projects(load_settings(None, {}))


def test_a_bare_distinct_id_must_be_a_key_of_the_policy() -> None:
    write('[projects.shop]\nbare_distinct_id = "nickname"')
    with pytest.raises(ConfigError, match="no key nickname"):
        load_projects(load_settings(None, {}))


def test_a_project_that_is_not_declared_is_not_found() -> None:
    with pytest.raises(NotFound, match="default"):
        load_settings(None, {}).project("defualt")


def test_the_server_gets_every_setting_of_its_table() -> None:
    found = server_settings(load_settings(None, {"IDWEAVE_SERVER_GRACE_S": "3"}))
    assert found.grace_s == 3
    assert found.collector_port == 8106


def test_every_setting_of_the_server_has_a_row_with_its_default() -> None:
    rows = {row.name: row.default for row in SETTINGS}
    for one in dataclasses.fields(ServerSettings):
        assert rows[f"server.{one.name}"] == one.default


# -- mistakes --------------------------------------------------------------------------------------

MISTAKES = [
    ("[store]\nurl = 3", 2, "url", "quotes"),
    ("[store]\nurll = 'x'", 2, "urll", "Did you mean url"),
    ("\n[stor]\nurl = 'x'", 2, "stor", "Did you mean store"),
    ("store = 'x'", 1, "store", "[store]"),
    ("[server]\n\ncollector_port = 65536", 3, "collector_port", "1 to 65535"),
    ("[server]\napi_port = true", 2, "api_port", "whole number"),
    ("[server]\napi_key_hashes = ['abc']", 2, "api_key_hashes", "config new-key"),
    ("[server]\nallowed_hosts = 'a'\ngrace_s = 0", 3, "grace_s", "1 or more"),
    ("[projects.shop]\ntime_window = 'maybe'", 2, "time_window", "true or false"),
    ("[projects.a]\n[projects.shop]\ntokn = 'x'", 3, "tokn", "Did you mean token"),
    ("[projects.'a b']", 1, "a b", "letters"),
    ("[projects]\nshop = 1", 2, "shop", "[projects.shop]"),
    ("[projects.a-b]\n[projects.a_b]", 2, "a_b", "Rename"),
    ("[store\nurl = 1", 1, "", "syntax"),
]


@pytest.mark.parametrize(("text", "line", "field", "fix"), MISTAKES)
def test_a_mistake_in_the_file_names_file_line_field_and_fix(
    text: str, line: int, field: str, fix: str
) -> None:
    Path("idweave.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(None, {})
    error = raised.value
    assert (error.file, error.line, error.field) == ("idweave.toml", line, field)
    assert fix in error.fix


def test_a_mistake_in_a_variable_names_it() -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(None, {"IDWEAVE_SERVER_API_PORT": "eighty"})
    assert raised.value.field == "IDWEAVE_SERVER_API_PORT"


def test_a_file_that_is_missing_or_no_text_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings("none.toml", {})
    Path("bad.toml").write_bytes(b"a = 1\n\xff")
    with pytest.raises(ConfigError, match="UTF-8") as raised:
        load_settings("bad.toml", {})
    assert raised.value.line == 2


def test_a_file_that_is_far_too_large_is_not_read() -> None:
    Path("big.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="1 MiB"):
        load_settings("big.toml", {})


def test_every_default_passes_its_own_check() -> None:
    found = load_settings(None, {})
    lines = ["[store]", f'url = "{found.store_url}"', "[server]"]
    for row in SETTINGS:
        section, _, name = row.name.partition(".")
        if section == "server":
            shown = list(row.default) if isinstance(row.default, tuple) else row.default
            lines.append(f"{name} = {shown!r}")
    Path("idweave.toml").write_text("\n".join(lines), "utf-8")
    again = load_settings(None, {})
    assert again.values == found.values
