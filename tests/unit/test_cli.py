"""The command line: who is who, in words and in JSON, and what every mistake is answered."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import idweave as package
from idweave.cli.exits import EXIT_OF, MEANINGS, Exit, exit_of
from idweave.cli.output import Output, time_text, visible
from idweave.cli.progress import progress
from idweave.core.errors import IdweaveError, StoreFull
from tests.command import T0, Ran, fill, idweave, record, store_of

PHONE = "13800000000"
RECORDS = [
    record(1, {"mp_id": "device-1"}),
    record(
        2,
        {"mp_id": "device-1", "login_id": "张三"},
        type="track_signup",
        original_id="device-1",
        distinct_id="张三",
    ),
    record(3, {"login_id": "张三", "mobile": PHONE}, type="track_id_bind"),
    record(4, {"login_id": "李四"}, type="profile_set", properties={"name": "李四"}),
    record(5, {"login_id": "李四", "mobile": PHONE}, type="track_id_bind"),
    record(6, {"loyalty": "L-1"}),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two users, a refusal and a rejection, in a folder of its own."""
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def name_of(store: Path, key: str, value: str) -> str:
    return str(ask(store, "lookup", key, value, "--json").json["canonical_id"])


# -- lookup, user, events --------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["mobile", "$identity_mobile", "mobi"])
def test_a_key_is_found_by_its_name_or_a_unique_part_of_it(store: Path, key: str) -> None:
    ran = ask(store, "lookup", key, f" {PHONE} ", "--json")
    assert ran.code == 0
    assert (ran.json["key"], ran.json["value"]) == ("$identity_mobile", PHONE)
    assert len(ran.json["user"]["identities"]) == 3


def test_a_templated_key_is_found_by_its_short_name(store: Path) -> None:
    ran = ask(store, "lookup", "mp_wx1_openid", "x", "--json")
    assert "$identity_mp_wx1_openid=x was never seen" in ran.err


def test_a_part_of_several_keys_is_refused_with_their_names(store: Path) -> None:
    ran = ask(store, "lookup", "unionid", "x")
    assert ran.code == 2
    assert "fix: Write one of: mp_unionid, ali_unionid" in ran.err


def test_an_undeclared_key_is_refused_with_the_nearest_one(store: Path) -> None:
    ran = ask(store, "lookup", "mobyle", "x")
    assert ran.code == 2
    assert "fix: Did you mean mobile?" in ran.err


def test_a_look_up_shows_every_identity_to_people(store: Path) -> None:
    ran = ask(store, "lookup", "mobile", PHONE)
    assert ran.code == 0
    assert "Identities (3)" in ran.out
    assert all(text in ran.out for text in ("张三", "device-1", "2023-11-14 22:13:20+00:00"))


def test_chinese_values_do_not_move_the_next_column(store: Path) -> None:
    lines = ask(store, "lookup", "mobile", PHONE).out.splitlines()
    rows = [line for line in lines if line.startswith("$identity_") and " 2023-" in line]
    columns = {_cells(line[: line.index("2023-")]) for line in rows}
    assert len(columns) == 1


def _cells(text: str) -> int:
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def test_a_user_is_shown_by_its_name(store: Path) -> None:
    name = name_of(store, "mobile", PHONE)
    assert ask(store, "user", name, "--json").json["canonical_id"] == name


def test_a_profile_comes_with_the_user_when_asked_for(store: Path) -> None:
    name = name_of(store, "login_id", "李四")
    found = ask(store, "user", name, "--profile", "--json").json
    assert found["profile"]["properties"] == {"name": "李四"}
    assert "李四" in ask(store, "user", name, "--profile").out


def test_events_come_newest_first_and_by_the_page(store: Path) -> None:
    name = name_of(store, "mobile", PHONE)
    first = ask(store, "events", name, "--limit", "2", "--json").json
    rest = ask(store, "events", name, "--cursor", first["next_cursor"], "--json").json
    times = [event["time_ms"] for event in first["events"] + rest["events"]]
    assert times == [T0 + 3, T0 + 2, T0 + 1]
    assert rest["next_cursor"] is None


def test_an_event_is_shown_with_what_was_sent(store: Path) -> None:
    out = ask(store, "events", name_of(store, "login_id", "李四")).out
    assert "profile_set" in out


# -- refusals, rejections, stats, export -----------------------------------------------------------


def test_a_refusal_is_shown_with_its_reason_and_meaning(store: Path) -> None:
    found = ask(store, "refusals", "--json").json["refusals"]
    assert [(one["value"], one["reason"]) for one in found] == [(PHONE, "taken")]
    assert found[0]["canonical_id"] == name_of(store, "login_id", "李四")
    assert "taken: another user holds it" in ask(store, "refusals").out


def test_a_rejection_is_shown_with_its_reason_and_fix(store: Path) -> None:
    found = ask(store, "rejections", "list", "--json").json["rejections"]
    assert [(one["code"], one["field"]) for one in found] == [
        ("UNDEFINED_IDENTITY", "identities.$identity_loyalty")
    ]
    assert json.loads(found[0]["raw"])["_track_id"] == 6
    assert "Declare the key" in ask(store, "rejections", "list").out


def test_a_rejection_that_the_policy_now_admits_leaves_the_list(store: Path) -> None:
    text = 'extends = "sensors"\n[[keys]]\nkey = "$identity_loyalty"\n'
    Path("p.toml").write_text(text, "utf-8")
    Path("idweave.toml").write_text('[projects.default]\npolicy = "p.toml"', "utf-8")
    retried = ask(store, "rejections", "retry", "--json")
    assert (retried.code, retried.json["accepted"]) == (5, 0)
    assert "`idweave policy apply p.toml` puts it in force" in retried.err
    assert ask(store, "policy", "apply", "p.toml", "--reason", "loyalty cards").code == 0
    assert ask(store, "rejections", "retry", "--json").json["accepted"] == 1
    assert ask(store, "rejections", "list", "--json").json["rejections"] == []
    assert ask(store, "lookup", "loyalty", "L-1").code == 0


def test_a_retry_that_leaves_some_says_so_by_its_exit_code(store: Path) -> None:
    ran = ask(store, "rejections", "retry")
    assert ran.code == Exit.REJECTED
    assert ran.out == "1 tried: 0 accepted, 1 still rejected.\n"


def test_a_retry_makes_no_store(store: Path) -> None:
    ran = idweave("rejections", "retry", "--store", "other.db")
    assert ran.code == 2
    assert not Path("other.db").exists()


def test_counts_add_up(store: Path) -> None:
    (found,) = ask(store, "stats", "--json").json
    assert found["received"] == found["accepted"] + found["rejected"] + found["duplicates"] == 6
    assert "UNDEFINED_IDENTITY" in ask(store, "stats").out


def test_an_export_is_sorted_json_lines_on_stdout_or_in_a_file(store: Path) -> None:
    ran = ask(store, "export")
    users = [row for row in map(json.loads, ran.out.splitlines()) if "canonical_id" in row]
    assert [int(row["canonical_id"]) for row in users] == sorted(
        int(row["canonical_id"]) for row in users
    )
    assert ask(store, "export", "--out", "g.jsonl", "--json").json["lines"] == 3
    assert Path("g.jsonl").read_text("utf-8") == ran.out


def test_an_export_into_a_folder_that_is_not_there_is_one_sentence(store: Path) -> None:
    ran = ask(store, "export", "--out", "no/g.jsonl")
    assert ran.code == 2
    assert "cannot be written" in ran.err


# -- mistakes --------------------------------------------------------------------------------------


def test_an_unknown_identity_is_exit_code_3_and_a_fix(store: Path) -> None:
    ran = ask(store, "lookup", "mobile", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "was never seen" in ran.err
    assert "\nfix: " in ran.err


def test_an_error_in_json_is_one_object_on_stderr(store: Path) -> None:
    ran = ask(store, "lookup", "mobile", "1", "--json")
    assert json.loads(ran.err)["error"]["code"] == "NOT_FOUND"


def test_a_store_that_is_not_there_is_named_with_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = idweave("stats")
    assert ran.code == 2
    assert "There is no store at data/idweave.db." in ran.err
    assert "idweave serve" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_is_not_declared_is_not_found(store: Path) -> None:
    ran = ask(store, "refusals", "--project", "shop")
    assert ran.code == 3
    assert "There is no project 'shop'." in ran.err


def test_several_projects_without_a_default_must_be_told_apart(store: Path) -> None:
    Path("idweave.toml").write_text("[projects.a]\n[projects.b]\n", "utf-8")
    ran = ask(store, "refusals")
    assert ran.code == 2
    assert "--project with one of: a, b" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["lookup"],
        ["lookup", "mobile"],
        ["events", "1", "--limit", "0"],
        ["events", "1", "--limit", "many"],
        ["user", "not-a-number"],
        ["events", "1", "--cursor", "x"],
        ["refusals", "--cursor", "x"],
        ["events", "1", "--attribution", "mine"],
        ["replay"],
        ["import"],
        ["import", "none.jsonl"],
        ["--nonsense"],
        ["stats", "--store", "http://x"],
    ],
)
def test_bad_usage_is_exit_code_2_in_two_lines(store: Path, words: list[str]) -> None:
    ran = idweave(
        *words, *([] if "--store" in words or len(words) == 1 else ["--store", str(store)])
    )
    assert ran.code == 2
    problem, fix = ran.err.splitlines()
    assert problem.startswith("idweave: ")
    assert fix.startswith("fix: ")


def test_control_characters_of_values_never_reach_the_terminal(store: Path) -> None:
    fill(store, [record(9, {"login_id": "a\x1b[31mb\u202ec"})])
    ran = ask(store, "lookup", "login_id", "a\x1b[31mb\u202ec")
    assert ran.code == 0
    assert "a\\x1b[31mb\\u{202e}c" in ran.out
    assert "\x1b" not in ran.out + ask(store, "lookup", "login_id", "no\x1b[31m").err


@pytest.mark.parametrize("words", [["lookup", "mobile", "\udcff"], ["lookup", "\udcff", "1"]])
def test_words_that_are_no_utf_8_are_refused(store: Path, words: list[str]) -> None:
    ran = ask(store, *words)
    assert ran.code == 2
    assert "is not UTF-8 text" in ran.err
    assert ask(store, "stats", "--project", "\udcff").code == 2


def test_a_terminal_of_another_language_gets_codes_and_a_machine_utf_8(store: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "idweave", "lookup", "mobile", PHONE, "--store", str(store)]
    shown = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"\\u5f20\\u4e09" in shown.stdout
    told = subprocess.run([*command, "--json"], env=environment, capture_output=True, check=True)
    assert "张三".encode() in told.stdout


def test_every_error_has_an_exit_code_of_the_table() -> None:
    def below(kind: type[IdweaveError]) -> list[type[IdweaveError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in below(child))]

    assert set(below(IdweaveError)) == set(EXIT_OF)
    assert set(MEANINGS) == set(Exit)
    assert exit_of(StoreFull("full")) is Exit.STORE


def test_an_unexpected_error_is_called_a_bug_and_written_down(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1];"
        "from idweave.engine.engine import Engine;"
        "Engine.stats = lambda *_: 1 / 0;"
        "from idweave.cli import main; sys.exit(main(['stats', '--store', sys.argv[2]]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(store)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == Exit.BUG
    assert "Traceback" not in ran.stderr
    (report,) = tmp_path.glob("idweave-bug-*.txt")
    assert str(report) in ran.stderr
    assert "ZeroDivisionError" in report.read_text("utf-8")


def test_a_reader_that_leaves_early_ends_the_command_quietly(store: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "idweave", "export", "--store", str(store)]
    with os.fdopen(write, "wb") as pipe:
        ran = subprocess.run(words, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


# -- the frame -------------------------------------------------------------------------------------


def test_the_version_is_the_packages() -> None:
    assert idweave("--version").out == f"idweave {package.__version__}\n"


def test_without_words_the_help_is_shown() -> None:
    assert re.search(r"lookup +Who holds an identity", idweave("--help").out)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain 中文 😀", "plain 中文 😀"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\u200b\u2028", "\\u{200b}\\u{2028}"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_its_code(value: str, shown: str) -> None:
    assert visible(value) == shown


def test_times_that_no_calendar_has_are_still_shown() -> None:
    assert time_text(None) == "-"
    assert time_text(253_402_300_799_999).startswith(("9999-12-31", "10000"))


def test_a_narrow_screen_gets_a_list_where_a_table_would_break_values(store: Path) -> None:
    output = Output(json=False)
    stream = io.StringIO()
    output.console = Console(file=stream, width=40)
    output.table(("key", "value", "seen", "left"), [("k" * 20, "v" * 30, "today", "")])
    assert stream.getvalue().splitlines() == ["k" * 20 + "  " + "v" * 30, "    seen today"]


@pytest.mark.parametrize(("missing", "words"), [("typer", ["stats"]), ("uvicorn", ["serve"])])
def test_a_package_that_is_not_installed_is_named_with_what_brings_it(
    store: Path, missing: str, words: list[str]
) -> None:
    code = (
        "import sys; sys.modules[sys.argv[1]] = None;"
        "from idweave.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", code, missing, *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"idweave: this needs {missing}, which is not installed.",
        "fix: Install idweave with its extras: pip install 'idweave[all]'",
    ]


def test_progress_is_shown_at_a_terminal_and_to_nobody_else() -> None:
    terminal, pipe = io.StringIO(), io.StringIO()
    for stream in (terminal, pipe):
        output = Output(json=False)
        output.errors = Console(file=stream, force_terminal=stream is terminal, width=100)
        with progress(output, "a.jsonl", 10, things="records") as bar:
            bar.show(5, 1234)
    assert "1,234 records" in terminal.getvalue()
    assert pipe.getvalue() == ""
