"""Everything that is held about one person, and nothing about another."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.command import Ran, fill, idweave, record, store_of

PHONE = "13800000000"
RECORDS = [
    record(1, {"mp_id": "d1"}, properties={"page": "home"}),
    record(
        2,
        {"mp_id": "d1", "login_id": "alice"},
        type="track_signup",
        original_id="d1",
        distinct_id="alice",
    ),
    record(3, {"login_id": "alice"}, type="profile_set", properties={"name": "Alice"}),
    record(4, {"login_id": "bob", "mobile": PHONE}, type="track_id_bind"),
    record(5, {"login_id": "alice", "mobile": PHONE}, type="track_id_bind"),
    record(6, {"login_id": "alice", "nonsense": "x"}),
    record(7, {"login_id": "bob", "nonsense": "x"}),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def test_a_person_gets_everything_that_is_held_about_it_and_nothing_of_others(
    store: Path,
) -> None:
    why = ("--reason", "a test", "--author", "ann")
    assert ask(store, "operator", "release", "login_id", "alice", *why).code == 0
    found = ask(store, "export-person", "login_id", "alice").json
    assert {one["value"] for one in found["user"]["identities"]} == {"d1", "alice"}
    assert found["profile"]["properties"] == {"name": "Alice"}
    sent = [one["record"]["_track_id"] for one in found["events"] if "_track_id" in one["record"]]
    assert sorted(sent) == [1, 2, 3, 5]
    assert [one["reason"] for one in found["refusals"]] == ["taken"]
    assert [one["kind"] for one in found["operators"]] == ["release"]
    (rejected,) = found["rejections"]
    assert "alice" in rejected["raw"]
    moves = [move["what"] for done in found["decisions"] for move in done["moves"]]
    assert moves == ["founded", "joined", "joined", "refused"]


def test_events_that_operators_took_out_are_still_held_and_given(store: Path) -> None:
    (bind,) = [
        one
        for one in ask(store, "export-person", "login_id", "alice").json["events"]
        if one["record"]["_track_id"] == 5
    ]
    event = f"{bind['time_ms']}-{bind['event_id']}"
    why = ("--reason", "a slip", "--author", "ann")
    assert ask(store, "operator", "retract", event, *why).code == 0
    found = ask(store, "export-person", "login_id", "alice").json
    assert [one["record"]["_track_id"] for one in found["retracted"]] == [5]
    assert [one["kind"] for one in found["operators"]] == ["retract"]
    assert ask(store, "export-person", "mobile", PHONE).json["retracted"] != []


def test_a_person_as_csv_is_a_file_for_each_list_that_holds_anything(store: Path) -> None:
    fill(store, [record(9, {"login_id": "alice"}, properties={"note": '=1+1,"x"\nand more'})])
    done = ask(store, "export-person", "login_id", "alice", "--format", "csv", "--out", "person")
    assert done.code == 0, done.err
    folder = Path("person")
    assert {path.name for path in folder.iterdir()} == {
        "decisions.csv",
        "events.csv",
        "identities.csv",
        "profile.csv",
        "refusals.csv",
        "rejections.csv",
        "user.csv",
    }
    with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
        events = list(csv.DictReader(file))
    told = ask(store, "export-person", "login_id", "alice").json["events"]
    assert [json.loads(one["record"]) for one in events] == [one["record"] for one in told]
    with (folder / "identities.csv").open(encoding="utf-8", newline="") as file:
        assert {one["value"] for one in csv.DictReader(file)} == {"alice", "d1"}


def test_what_a_spreadsheet_would_run_is_marked_as_text(store: Path) -> None:
    fill(store, [record(9, {"login_id": "alice", "mp_id": "=1+1"})])
    done = ask(store, "export-person", "login_id", "alice", "--format", "csv", "--out", "person")
    assert done.code == 0, done.err
    text = Path("person", "identities.csv").read_text("utf-8")
    assert "'=1+1" in text


@pytest.mark.parametrize("words", [("--format", "csv"), ("--out", "x"), ("--format", "xml")])
def test_a_format_without_its_place_is_told(store: Path, words: tuple[str, ...]) -> None:
    ran = ask(store, "export-person", "login_id", "alice", *words)
    assert ran.code == 2
    assert "Use --format csv with --out DIR" in ran.err


def test_whom_nobody_knows_has_nothing_to_export(store: Path) -> None:
    assert ask(store, "export-person", "login_id", "nobody").code == 3
