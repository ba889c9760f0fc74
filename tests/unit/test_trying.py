"""Other rules seen before they hold: simulate a few events, try a policy on the real history."""

from __future__ import annotations

from pathlib import Path

import pytest

from idweave.core.errors import InputError
from idweave.core.identity import Identity, Kind
from idweave.core.policy_file import preset
from idweave.engine.simulating import STEPS_MAX, fact_typed, simulate
from tests.command import Ran, idweave, record, store_of

SENSORS = preset("sensors")
DEVICE = Identity("$identity_mp_id", "d1")
ALICE = Identity("$identity_login_id", "alice")

LOOSE = """
extends = "sensors"
name = "loose"
[[keys]]
key = "$identity_login_id"
rank = 0
values_max = 9
"""
WITHOUT_MOBILE = """
name = "narrow"
[[keys]]
key = "$identity_login_id"
rank = 0
"""
RECORDS = [
    record(1, {"login_id": "alice", "mp_id": "d1"}),
    record(2, {"login_id": "bob", "mp_id": "d1"}),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


# -- simulate --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "login login_id: alice, mp_id: d1",
        "track_signup  $identity_login_id:alice,mp_id : d1",
        '{"kind": "login", "identities": {"login_id": "alice", "$identity_mp_id": "d1"}}',
    ],
)
def test_an_event_is_typed_as_a_line_or_as_json(line: str) -> None:
    fact = fact_typed(line, 3, SENSORS)
    assert (fact.kind, fact.time_ms) == (Kind.LOGIN, 3)
    assert set(fact.identities) == {ALICE, DEVICE}
    assert SENSORS.named_by(fact.distinct_id) == ALICE


def test_without_a_kind_an_event_is_an_observe_and_a_value_may_hold_colons() -> None:
    fact = fact_typed("mp_id: a:b c", 1, SENSORS)
    assert (fact.kind, fact.identities) == (Kind.OBSERVE, (Identity("$identity_mp_id", "a:b c"),))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "mp_id d1",
        ": x",
        "{",
        "[]",
        "nokey: x",
        '{"kind": "marry", "identities": {"mp_id": "x"}}',
        '{"identities": {"mp_id": "x"}, "time": "soon"}',
        '{"identities": {"mp_id": 1.5}}',
    ],
)
def test_an_event_that_cannot_be_read_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(InputError, match="Event 7"):
        fact_typed(line, 7, SENSORS)


def test_a_simulation_is_bounded() -> None:
    with pytest.raises(InputError, match="at most"):
        simulate(["mp_id: d1"] * (STEPS_MAX + 1), SENSORS)


def test_a_simulation_shows_each_step_and_everybody_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = ("mp_id: d1", "login login_id: alice, mp_id: d1", "login login_id: bob, mp_id: d1")
    steps = idweave("simulate", *events, "--json").json["steps"]
    assert [len(step["users"]) for step in steps] == [1, 1, 2]
    assert [move["what"] for move in steps[2]["moves"]] == ["joined", "refused"]
    ran = idweave("simulate", *events, "--policy", "simple-many-to-one")
    assert (ran.code, ran.out) == (2, "")
    assert "was refused: taken" in idweave("simulate", *events).out


# -- try -------------------------------------------------------------------------------------------


def test_a_policy_is_tried_on_the_real_history_and_its_changes_are_explained(store: Path) -> None:
    Path("loose.toml").write_text(LOOSE, "utf-8")
    before = ask(store, "export").out
    found = ask(store, "policy", "try", "loose.toml", "--json").json
    assert (found["before"]["users"], found["after"]["users"]) == (2, 1)
    assert found["before"]["refusals"] == {"taken": 1}
    (change,) = found["largest"]
    assert (change["what"], change["identities"], len(change["users"])) == ("merged", 3, 2)
    assert change["why"]
    assert "is merged of" in ask(store, "policy", "try", "loose.toml").out
    assert ask(store, "export").out == before


def test_events_that_a_policy_would_orphan_are_counted_and_shown(store: Path) -> None:
    Path("narrow.toml").write_text(WITHOUT_MOBILE, "utf-8")
    found = ask(store, "policy", "try", "narrow.toml", "--json").json
    assert found["rejected"] == {"UNDEFINED_IDENTITY": 2}
    assert "No rule of the policy declares" in found["examples"][0]
    assert "2 events would be rejected" in ask(store, "policy", "try", "narrow.toml").err


def test_a_slice_of_the_history_is_tried(store: Path) -> None:
    found = ask(store, "policy", "try", "global-static", "--until", "1700000000001", "--json").json
    assert (found["events"], found["changes"]["says"]) == (1, "Nothing changes.")


def test_a_policy_that_is_none_is_refused(store: Path) -> None:
    assert ask(store, "policy", "try", "sensor").code == 2
