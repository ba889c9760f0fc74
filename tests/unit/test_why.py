"""Why, why not, how and what would separate, as a person or a program asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.server.api.explaining import decisions, separation, why
from idweave.server.api.handlers import Asked, Source
from idweave.server.api.openapi import document
from idweave.stores import open_store
from tests.command import T0, Ran, idweave, record, store_of

PHONE = ("mobile", "13800000000")
ALICE, BOB = ("login_id", "alice"), ("login_id", "bob")
DEVICE = ("mp_id", "device-1")


def login(nth: int, device: str, name: str) -> dict[str, Any]:
    given = {"mp_id": device, "login_id": name}
    return record(nth, given, type="track_signup", original_id=device, distinct_id=name)


RECORDS = [
    record(1, {"mp_id": "device-1"}, lib={"$lib": "MiniProgram", "$lib_version": "1.22.7"}),
    login(2, "device-1", "alice"),
    record(3, {"login_id": "alice", "mobile": PHONE[1]}, type="track_id_bind"),
    record(4, {"login_id": "bob"}),
    record(5, {"login_id": "bob", "mobile": PHONE[1]}, type="track_id_bind"),
    record(6, {"login_id": "bob", "mobile": PHONE[1]}, type="track_id_bind"),
    record(7, {"login_id": "carol", "email": "carol@x.com"}, type="track_id_bind"),
    record(8, {"email": "carol@x.com"}, type="track_id_unbind"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def test_two_identities_of_a_user_are_explained_by_the_fewest_events(store: Path) -> None:
    links = ask(store, "why", *PHONE, *DEVICE, "--json").json["links"]
    assert [link["by"]["time_ms"] - T0 for link in links] == [3, 2]
    assert [link["by"]["kind"] for link in links] == ["bind", "login"]
    assert links[0]["other"]["value"] == links[1]["one"]["value"] == "alice"


def test_the_chain_is_told_in_words(store: Path) -> None:
    ran = ask(store, "why", *PHONE, *DEVICE)
    assert "They are one user: 2 events tie them." in ran.out
    assert "$identity_mobile=13800000000" in ran.out


def test_an_identity_is_one_user_with_itself(store: Path) -> None:
    assert ask(store, "why", *PHONE, *PHONE, "--json").json["says"] == "It is the same identity."


def test_a_refusal_tells_rule_holder_since_when_how_often_and_what_would_allow_it(
    store: Path,
) -> None:
    (gap,) = ask(store, "why", *PHONE, *BOB, "--json").json["gaps"]
    (bar,) = gap["refused"]
    assert (bar["reason"], bar["count"], bar["held_since_ms"] - T0) == ("taken", 2, 3)
    holder = ask(store, "lookup", *ALICE, "--json").json["canonical_id"]
    assert bar["holder"] == holder
    assert "2 values of $identity_login_id, and one user may 1" in bar["rule"]
    assert 'when_taken = "move"' in bar["remedy"]


def test_what_left_since_is_told_with_the_event_by_which_it_did(store: Path) -> None:
    ran = ask(store, "why", "login_id", "carol", "email", "carol@x.com")
    assert "held by nobody now" in ran.out
    assert "by unbind 1700000000008-" in ran.out


def test_where_no_event_leads_from_one_to_the_other_that_is_said(store: Path) -> None:
    answer = ask(store, "why", *ALICE, "login_id", "carol", "--json").json
    assert (answer["same"], answer["links"], answer["gaps"]) == (False, [], [])
    assert "No event leads from one to the other" in answer["says"]


def test_the_making_of_a_user_is_told_in_order(store: Path) -> None:
    name = ask(store, "lookup", *ALICE, "--json").json["canonical_id"]
    page = ask(store, "how", name, "--json").json
    told = [[move["what"] for move in done["moves"]] for done in page["decisions"]]
    assert told == [["founded", "joined"], ["joined"], ["joined"]]
    assert page["decisions"][0]["by"]["sent_by"] == "MiniProgram 1.22.7"
    assert f"founded {name}" in ask(store, "how", name).out


def test_refused_asks_are_part_of_the_making(store: Path) -> None:
    name = ask(store, "lookup", *BOB, "--json").json["canonical_id"]
    ran = ask(store, "how", name, "--limit", "2")
    assert "$identity_mobile=13800000000 was refused: taken" in ran.out
    assert "more: --cursor 2" in ran.err


def test_the_event_that_would_separate_two_identities_is_named(store: Path) -> None:
    answer = ask(store, "separate", *PHONE, *DEVICE, "--json").json
    assert (answer["same"], answer["is_smallest"], answer["count"]) == (True, True, 1)
    assert answer["events"][0]["time_ms"] - T0 in (2, 3)
    assert "Retracting this event parts them." in ask(store, "separate", *PHONE, *DEVICE).out


def test_nothing_separates_what_is_apart(store: Path) -> None:
    answer = ask(store, "separate", *PHONE, *BOB, "--json").json
    assert (answer["same"], answer["events"]) == (False, [])


@pytest.mark.parametrize("command", ["why", "separate"])
def test_an_identity_that_was_never_seen_is_refused_by_name(store: Path, command: str) -> None:
    ran = ask(store, command, *ALICE, "login_id", "nobody")
    assert ran.code == 3
    assert "$identity_login_id=nobody was never seen" in ran.err


def test_an_unknown_user_has_no_making(store: Path) -> None:
    assert ask(store, "how", "12").code == 3


@contextmanager
def asked(store: Path, **values: str | int) -> Iterator[Asked]:
    opened = open_store(str(store), read_only=True)
    engine = Engine(opened, {"default": Project("default", preset("sensors"))}, clock=lambda: T0)
    source = Source(engine, cast("Any", None), cast("Any", None), 1)
    yield Asked(source, {"project": "default", **values})
    opened.close()


def test_the_api_gives_the_same_explanations(store: Path) -> None:
    pair = {
        "key": "$identity_mobile",
        "value": PHONE[1],
        "other_key": "$identity_mp_id",
        "other_value": "device-1",
    }
    with asked(store, **pair) as question:
        answer = why(question)
        assert (answer.same, len(answer.links)) == (True, 2)
        assert separation(question).count == 1
        name = answer.one.canonical_id
    assert name is not None
    with asked(store, canonical_id=name, cursor=0, limit=2) as question:
        assert decisions(question).next_cursor == "2"


def test_the_api_describes_its_explanations() -> None:
    paths = document()["paths"]
    for path in ("/why", "/separation", "/users/{canonical_id}/decisions"):
        assert f"/v1/projects/{{project}}{path}" in paths
