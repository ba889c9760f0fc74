"""What operators state, as they type it: previewed, done, listed, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from idweave.core.errors import InputError
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.server.api.handlers import Asked, Source
from idweave.server.api.operating import operators, remove, state
from idweave.stores import open_store
from tests.command import T0, Ran, fill, idweave, record, store_of

PHONE = ("mobile", "13800000000")
ALICE, BOB = ("login_id", "alice"), ("login_id", "bob")
KIOSK = ("mp_id", "kiosk")
WHY = ("--reason", "ticket 17", "--author", "ann")


def login(nth: int, device: str, name: str) -> dict[str, Any]:
    given = {"mp_id": device, "login_id": name}
    return record(nth, given, type="track_signup", original_id=device, distinct_id=name)


RECORDS = [
    record(1, {"mp_id": "kiosk"}),
    record(2, {"mp_id": "phone-2"}),
    login(3, "kiosk", "alice"),
    record(4, {"login_id": "alice", "mobile": PHONE[1]}, type="track_id_bind"),
    record(5, {"mp_id": "kiosk", "mobile": PHONE[1]}),
    record(6, {"login_id": "bob"}),
    record(7, {"login_id": "bob", "mobile": PHONE[1]}, type="track_id_bind"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def export(store: Path) -> str:
    return ask(store, "export").out


def name_of(store: Path, key: str, value: str) -> str | None:
    name = ask(store, "lookup", key, value, "--json").json["canonical_id"]
    return None if name is None else str(name)


def reference(store: Path, one: tuple[str, str], other: tuple[str, str]) -> str:
    """The event that ties two identities."""
    (link,) = ask(store, "why", *one, *other, "--json").json["links"]
    return str(link["by"]["reference"])


def verified(store: Path) -> bool:
    return ask(store, "replay", "--verify").code == 0


def test_a_wrong_merge_is_undone_in_one_command_and_a_replay_agrees(store: Path) -> None:
    before = export(store)
    joined = ask(store, "operator", "join", "mp_id", "phone-2", *KIOSK, *WHY, "--json").json
    assert joined["changes"]["counts"]["merged"] == 1
    (event,) = ask(store, "separate", "mp_id", "phone-2", *KIOSK, "--json").json["events"]
    assert event["reference"] == joined["fact"]["event"]
    ran = ask(store, "operator", "remove", "1", *WHY)
    assert ran.code == 0
    assert export(store) == before
    assert verified(store)


def test_retracting_the_evidence_of_a_merge_restores_both_users_names_and_events(
    store: Path,
) -> None:
    device, account = record(20, {"mp_id": "tablet"}), record(21, {"login_id": "carol"})
    fill(store, [device, account])
    names = [name_of(store, "mp_id", "tablet"), name_of(store, "login_id", "carol")]
    before = export(store)
    fill(store, [login(22, "tablet", "carol")])
    merged = name_of(store, "mp_id", "tablet")
    assert merged == name_of(store, "login_id", "carol") == names[0]
    event = reference(store, ("mp_id", "tablet"), ("login_id", "carol"))
    assert ask(store, "operator", "retract", event, *WHY).code == 0
    assert [name_of(store, "mp_id", "tablet"), name_of(store, "login_id", "carol")] == names
    assert export(store) == before
    page = ask(store, "events", str(names[1]), "--json").json
    assert [one["time_ms"] - T0 for one in page["events"]] == [21]
    assert verified(store)


def test_a_retract_is_previewed_and_the_preview_changes_nothing(store: Path) -> None:
    before = export(store)
    event = reference(store, KIOSK, ALICE)
    ran = ask(store, "operator", "retract", event, *WHY, "--dry-run")
    assert "would be stated" in ran.out
    assert (
        "block $identity_mp_id=kiosk would be stated"
        in ask(store, "operator", "block", *KIOSK, *WHY, "--dry-run").out
    )
    assert export(store) == before
    assert ask(store, "operator", "list").out == "No operator facts.\n"


def test_what_a_blocked_identity_tied_falls_apart_and_comes_back(store: Path) -> None:
    before = export(store)
    assert ask(store, "operator", "block", *KIOSK, *WHY).code == 0
    assert ask(store, "lookup", *KIOSK).code == 3
    assert name_of(store, *PHONE) == name_of(store, *ALICE)
    fill_blocked = ask(store, "operator", "block", *KIOSK, *WHY)
    assert fill_blocked.code == 3
    assert verified(store)
    assert ask(store, "operator", "remove", "1", *WHY).code == 0
    assert export(store) == before


def test_two_identities_are_kept_apart(store: Path) -> None:
    assert ask(store, "operator", "apart", *PHONE, *KIOSK, *WHY).code == 0
    assert name_of(store, *PHONE) != name_of(store, *KIOSK)
    assert verified(store)


def test_a_detached_identity_is_nobodys_until_it_is_seen_again(store: Path) -> None:
    ran = ask(store, "operator", "detach", *PHONE, *WHY, "--time", str(T0 + 100))
    assert "1 identity moved" in ran.out
    assert name_of(store, *PHONE) is None
    assert verified(store)


def test_operator_facts_are_listed_with_author_and_reason(store: Path) -> None:
    ask(store, "operator", "join", "mp_id", "phone-2", *KIOSK, *WHY)
    ask(store, "operator", "remove", "1", "--reason", "no", "--author", "bea")
    assert ask(store, "operator", "list", "--json").json == {"operators": []}
    (row,) = ask(store, "operator", "list", "--removed", "--json").json["operators"]
    said = (row["kind"], row["author"], row["reason"], row["removed_by"], row["removed_because"])
    assert said == ("join", "ann", "ticket 17", "bea", "no")
    assert "by bea" in ask(store, "operator", "list", "--removed").out


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "an unknown identity": (("join", *ALICE, "login_id", "nobody"), 3, "was never seen"),
    "an unknown event": (("retract", "12-abc"), 3, "No event '12-abc'"),
    "one identity to join": (("join", *ALICE), 2, "about 2 different identities"),
    "half an identity": (("block", "mobile"), 2, "An identity is two words"),
    "a join that the rules refuse": (("join", *BOB, *ALICE), 1, "The rules refuse this join"),
    "detaching what nobody holds": (("detach", *PHONE, "--time", "1"), 1, "nobody held it"),
    "a time that is none": (("release", *PHONE, "--time", "soon"), 2, "is not a time"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_and_changes_nothing(store: Path, case: str) -> None:
    words, code, message = BAD[case]
    before = export(store)
    ran = ask(store, "operator", *words, *WHY)
    assert (ran.code, export(store)) == (code, before)
    assert message in ran.err


def test_join_and_apart_of_the_same_two_contradict(store: Path) -> None:
    ask(store, "operator", "join", "mp_id", "phone-2", *KIOSK, *WHY)
    ran = ask(store, "operator", "apart", *KIOSK, "mp_id", "phone-2", *WHY)
    assert (ran.code, "This apart contradicts the join 1." in ran.err) == (1, True)
    ask(store, "operator", "remove", "1", *WHY)
    ask(store, "operator", "apart", *KIOSK, "mp_id", "phone-2", *WHY)
    ran = ask(store, "operator", "join", "mp_id", "phone-2", *KIOSK, *WHY)
    assert "This join contradicts the apart 2." in ran.err


def test_an_event_is_retracted_once_and_a_fact_removed_once(store: Path) -> None:
    event = reference(store, KIOSK, ALICE)
    ask(store, "operator", "retract", event, *WHY)
    assert "is retracted already" in ask(store, "operator", "retract", event, *WHY).err
    ask(store, "operator", "remove", "1", *WHY)
    assert "is removed already" in ask(store, "operator", "remove", "1", *WHY).err
    assert ask(store, "operator", "remove", "9", *WHY).code == 3


def test_an_old_name_leads_on_when_the_founding_event_is_retracted(store: Path) -> None:
    old = name_of(store, *KIOSK)
    (founding,) = (
        done["by"]["reference"]
        for done in ask(store, "how", str(old), "--json").json["decisions"]
        if any(move["what"] == "founded" for move in done["moves"])
    )
    ask(store, "operator", "retract", founding, *WHY)
    new = name_of(store, *KIOSK)
    assert new != old
    assert ask(store, "user", str(old), "--json").json["canonical_id"] == new


@contextmanager
def asked(store: Path, body: object = None, **values: str) -> Iterator[Asked]:
    opened = open_store(str(store))
    engine = Engine(opened, {"default": Project("default", preset("sensors"))}, clock=lambda: T0)
    source = Source(engine, cast("Any", None), cast("Any", None), 1)
    yield Asked(source, {"project": "default", **values}, json.dumps(body).encode())
    opened.close()


def test_the_api_states_previews_lists_and_takes_back(store: Path) -> None:
    names = [{"key": "$identity_mp_id", "value": one} for one in ("phone-2", "kiosk")]
    join = {"kind": "join", "identities": names, "time_ms": T0 + 9}
    said = {"statement": join, "author": "ann", "reason": "why"}
    with asked(store, said | {"dry_run": True}) as question:
        assert state(question).changes.counts["merged"] == 1
    with asked(store, said) as question:
        assert state(question).fact.operator_id == "1"
    with asked(store, {"author": "ann", "reason": "no"}, operator_id="1") as question:
        assert remove(question).changes.counts["split"] == 1
    with asked(store, None, removed="true") as question:
        assert [one.kind for one in operators(question).operators] == ["join"]


@pytest.mark.parametrize("body", [{"statement": {"kind": "marry"}}, [], {"author": "a"}])
def test_the_api_refuses_a_body_that_is_no_statement(store: Path, body: object) -> None:
    with asked(store, body) as question, pytest.raises(InputError, match="The body cannot be used"):
        state(question)
