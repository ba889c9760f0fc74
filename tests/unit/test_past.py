"""Who was who at an instant, as a person asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from idweave.cli.times import time_typed
from idweave.core.errors import InputError
from tests.command import T0, Ran, fill, idweave, record, store_of

PHONE = ("mobile", "13800000000")
RECORDS = [
    record(1, {"mp_id": "device"}),
    record(2, {"login_id": "alice"}),
    record(
        10,
        {"mp_id": "device", "login_id": "alice"},
        type="track_signup",
        original_id="device",
        distinct_id="alice",
    ),
    record(20, {"login_id": "alice", "mobile": PHONE[1]}, type="track_id_bind"),
    record(30, {"mobile": PHONE[1]}, type="track_id_unbind"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def at(nth: int) -> tuple[str, str]:
    return "--at", str(T0 + nth)


def test_an_identity_is_looked_up_as_of_an_instant(store: Path) -> None:
    held = ask(store, "past", "lookup", *PHONE, *at(25), "--json").json
    assert {one["value"] for one in held["user"]["identities"]} == {"device", "alice", PHONE[1]}
    left = ask(store, "past", "lookup", *PHONE, *at(30), "--json").json
    assert (left["user"], left["unbound_at_ms"]) == (None, T0 + 30)
    assert "Nobody held it then." in ask(store, "past", "lookup", *PHONE, *at(30)).out


def test_before_the_first_event_nothing_was_known_and_the_first_is_named(store: Path) -> None:
    ran = ask(store, "past", "lookup", *PHONE, *at(19))
    assert ran.code == 3
    assert f"fix: The first event that has to do with it is of {T0 + 1} ms." in ran.err


def test_a_user_is_shown_by_a_name_that_it_had_before_a_merge(store: Path) -> None:
    alice = ask(store, "past", "lookup", "login_id", "alice", *at(5), "--json").json
    name = alice["user"]["canonical_id"]
    then = ask(store, "past", "user", name, *at(5), "--json").json
    assert [one["value"] for one in then["identities"]] == ["alice"]
    merged = ask(store, "past", "user", name, *at(10), "--json").json
    assert (merged["canonical_id"] != name, merged["events"]) == (True, 3)
    assert ask(store, "past", "user", name, *at(1)).code == 3


def test_whose_an_event_was_depends_on_when_one_looks(store: Path) -> None:
    decided = ask(store, "why", "login_id", "alice", "mp_id", "device", "--json").json["links"]
    name = decided[0]["one"]["canonical_id"]
    page = ask(store, "events", name, "--json").json["events"]
    (second,) = (one["reference"] for one in page if one["time_ms"] == T0 + 2)
    early = ask(store, "past", "event", second, *at(5), "--json").json
    late = ask(store, "past", "event", second, *at(10), "--json").json
    assert early["value"] == late["value"] == "alice"
    assert (early["canonical_id"] == name, late["canonical_id"] == name) == (False, True)
    assert f"was of {name}" in ask(store, "past", "event", second, *at(10)).out


def test_two_instants_are_compared(store: Path) -> None:
    words = ("past", "diff", "--from", str(T0 + 5), "--to", str(T0 + 20))
    found = ask(store, *words, "--json").json
    assert found["counts"] == {
        "made": 0,
        "gone": 0,
        "merged": 1,
        "split": 0,
        "renamed": 0,
        "moved": 1,
    }
    assert "1 merge, 1 identity moved." in ask(store, *words).out


def test_everybody_is_listed_as_of_an_instant(store: Path) -> None:
    lines = ask(store, "past", "users", *at(5)).out.splitlines()
    assert len(lines) == 2
    assert len(ask(store, "past", "users", *at(10)).out.splitlines()) == 1


def test_what_was_known_is_asked_for_by_log_position(store: Path) -> None:
    fill(store, [record(3, {"login_id": "alice", "email": "a@x.com"}, type="track_id_bind")])
    words = ("past", "lookup", "login_id", "alice", "--json")
    first = ask(store, *words, "--position", "1").json["user"]["identities"]
    second = ask(store, *words, "--position", "2").json["user"]["identities"]
    assert len(second) == len(first) + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lookup", *PHONE), "No instant is named"),
        (("lookup", *PHONE, "--at", "soon"), "'soon' is not a time"),
        (("diff", "--from", "1700000000005", "--to", "1700000000004"), "is before the first"),
        (("event", "12-ab", "--at", "1700000000000"), "No event '12-ab'"),
        (("user", "12", "--at", "1700000000000"), "was ever called 12"),
    ],
)
def test_an_instant_or_thing_that_cannot_be_asked_for_is_refused(
    store: Path, words: tuple[str, ...], message: str
) -> None:
    ran = ask(store, "past", *words)
    assert (ran.code != 0, message in ran.err) == (True, True)


@pytest.mark.parametrize(
    ("word", "time_ms"),
    [
        ("1700000000", 1_700_000_000_000),
        ("1700000000001", 1_700_000_000_001),
        ("2026-11-25T08:30:00Z", 1_795_595_400_000),
        ("2026-11-25T08:30:00.5+01:00", 1_795_591_800_500),
    ],
)
def test_times_are_typed_in_several_ways(word: str, time_ms: int) -> None:
    assert time_typed(word) == time_ms


@pytest.mark.parametrize("word", ["", "yesterday", "1969-01-01T00:00Z", "9" * 20])
def test_what_is_no_time_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="is not a time"):
        time_typed(word)
