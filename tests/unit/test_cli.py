"""The command line: who is who, in words and in JSON, and what every mistake is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Ran, fill, idweave, record

PHONE = "13800000000"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one user of three identities, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.db"
    fill(
        path,
        [
            record(1, {"mp_id": "device-1"}),
            record(2, {"mp_id": "device-1", "login_id": "张三"}, type="track_signup",
                   original_id="device-1", distinct_id="张三"),
            record(3, {"login_id": "张三", "mobile": PHONE}, type="track_id_bind"),
        ],
    )  # fmt: skip
    return path


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


@pytest.mark.parametrize("key", ["mobile", "$identity_mobile", "mobi"])
def test_a_key_is_found_by_its_name_or_a_unique_part_of_it(store: Path, key: str) -> None:
    ran = ask(store, "lookup", key, PHONE, "--json")
    assert ran.code == 0
    assert (ran.json["key"], ran.json["value"]) == ("$identity_mobile", PHONE)
    assert len(ran.json["user"]["identities"]) == 3


def test_a_look_up_shows_every_identity_to_people(store: Path) -> None:
    ran = ask(store, "lookup", "mobile", PHONE)
    assert ran.code == 0
    assert "张三" in ran.out
    assert "device-1" in ran.out


def test_an_unknown_identity_is_exit_code_3_and_a_fix(store: Path) -> None:
    ran = ask(store, "lookup", "mobile", "1")
    assert ran.code == 3
    assert ran.out == ""
    assert "was never seen" in ran.err
    assert "\nfix: " in ran.err
