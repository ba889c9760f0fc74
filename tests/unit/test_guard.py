"""The collapse guard finds what looks like many people taken for one, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import Ran, fill, idweave, record

DAY = 24 * 3600 * 1000


def login(nth: int, name: str, device: str) -> dict[str, Any]:
    given = {"login_id": name, "mp_id": device}
    return record(nth, given, type="track_signup", original_id=device, distinct_id=name)


KIOSK = [login(10 + nth, f"guest-{nth}", "kiosk") for nth in range(4)]
BOB = {"login_id": "bob", "mobile": "13800000001", "email": "bob@x.com"}
TABLET = {"mp_id": "t1", "cookie_id": "t2", "android_id": "t3"}
BRIDGE = [
    record(1, TABLET),
    record(2, BOB, type="track_id_bind"),
    record(3 * DAY, {"mp_id": "t1", "login_id": "bob"}, type="track_id_bind"),
    record(9 * DAY, {"login_id": "bob", "mp_id": "t4"}),
]
LONELY = [record(100 + nth, {"cookie_id": f"c{nth}"}) for nth in range(5)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.db"
    fill(path, KIOSK + BRIDGE + LONELY)
    return path


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def report(store: Path) -> Any:
    return ask(store, "guard", "--json").json


def test_the_largest_users_come_first_with_what_joined_in_the_last_week(store: Path) -> None:
    bob = ask(store, "lookup", "login_id", "bob", "--json").json["canonical_id"]
    first = report(store)["largest"][0]
    assert (first["canonical_id"], first["identities"], first["people"]) == (bob, 7, 1)
    assert first["joined_lately"] == 1
    assert report(store)["growing"][0]["canonical_id"] == bob


def test_an_identity_of_several_people_is_shared(store: Path) -> None:
    (shared,) = report(store)["shared"]
    assert (shared["value"], shared["people"], shared["events"]) == ("kiosk", 4, 4)
    assert "conflicts_max" in shared["fix"]


def test_an_event_that_makes_one_of_two_grown_users_is_a_bridge(store: Path) -> None:
    (bridge,) = report(store)["bridges"]
    assert (bridge["survivor_identities"], bridge["absorbed_identities"]) == (3, 3)
    ran = ask(store, "operator", "retract", bridge["reference"], "--reason", "x", "--dry-run")
    assert "1 split" in ran.out


def test_a_key_mostly_without_a_person_is_told(store: Path) -> None:
    (key,) = report(store)["without_person"]
    told = (key["key"], key["identities"], key["without_person"])
    assert told == ("$identity_cookie_id", 6, 5)
    assert "$identity_login_id" in key["fix"]


def test_crowded_identities_are_listed_with_who_asked_and_can_be_released(store: Path) -> None:
    rule = 'key = "$identity_mp_id"\nrank = 40\nvalues_max = 100\nconflicts_max = 2\n'
    Path("p.toml").write_text(f'extends = "sensors"\n[[keys]]\n{rule}', "utf-8")
    Path("idweave.toml").write_text('[projects.default]\npolicy = "p.toml"\n', "utf-8")
    other = store.with_name("other.db")
    lines = "\n".join(map(json.dumps, KIOSK))
    Path("in.jsonl").write_text(lines, "utf-8")
    assert ask(other, "import", "in.jsonl").code == 0
    (crowded,) = report(other)["crowded"]
    assert (crowded["value"], len(crowded["askers"])) == ("kiosk", 2)
    assert crowded["holder"] not in crowded["askers"]
    assert ask(other, "operator", "release", "mp_id", "kiosk", "--reason", "sold").code == 0
    assert report(other)["crowded"] == []


def test_the_report_is_told_in_tables_each_with_what_to_do(store: Path) -> None:
    out = ask(store, "guard").out
    for title in ("Largest users", "Shared by several people (1)", "Bridges (1)", "Crowded: none."):
        assert title in out
    assert out.count("What to do:") == 4


def test_an_empty_project_has_nothing_suspicious(tmp_path: Path) -> None:
    fill(tmp_path / "e.db", [])
    found = report(tmp_path / "e.db")
    assert (found["largest"], found["shared"], found["bridges"]) == ([], [], [])
