"""Everything that is held about one person, and nothing about another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Ran, fill, idweave, record

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
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.db"
    fill(path, RECORDS)
    return path


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


def test_whom_nobody_knows_has_nothing_to_export(store: Path) -> None:
    assert ask(store, "export-person", "login_id", "nobody").code == 3
