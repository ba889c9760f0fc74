"""A policy put in force: history is told again, it can be taken back, and nothing is mixed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import Conflict, NotFound, StoreError
from idweave.core.identity import Identity
from idweave.core.policy import FactsFrom, Normalise, Policy
from idweave.core.policy_file import PRESETS, parse_policy, preset
from idweave.core.policy_text import policy_digest, policy_text, same_rules
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.engine.operators import Statement
from idweave.engine.ruling import OperatorKind
from idweave.ports import Changes
from idweave.stores import OpenStore, open_store
from idweave.stores.sqlite.health import held_by
from idweave.stores.sqlite.lock import WriterLock
from idweave.wire import decode, encode_data_list
from tests.command import T0, Ran, fill, idweave, record

SENSORS = preset("sensors")
BY = ("ann", "families share devices")
LOOSE = """
extends = "sensors"
name = "loose"
[[keys]]
key = "$identity_login_id"
rank = 0
values_max = 9
"""
NARROW = """
name = "narrow"
[[keys]]
key = "$identity_login_id"
[[keys]]
key = "$identity_anonymous_id"
"""
RECORDS = [
    record(1, {"login_id": "alice", "mp_id": "d1"}),
    record(2, {"login_id": "bob", "mp_id": "d1"}),
    record(3, {"login_id": "carl", "mp_id": "d2"}),
]
D1 = Identity("$identity_mp_id", "d1")
ALICE, BOB, CARL = (Identity("$identity_login_id", one) for one in ("alice", "bob", "carl"))


def engine_on(store: OpenStore, policy: Policy = SENSORS) -> Engine:
    return Engine(store, {"default": Project("default", policy)}, clock=lambda: T0)


def delivery(engine: Engine, *records: dict[str, Any]) -> Any:
    return engine.parse(decode(encode_data_list(list(records)), ""), T0, live=False)


def told(*records: dict[str, Any], policy: Policy = SENSORS) -> Engine:
    engine = engine_on(open_store("memory:"), policy)
    engine.accept([delivery(engine, *records)])
    return engine


def export(engine: Engine) -> list[str]:
    return list(engine.export("default"))


def holder(engine: Engine, identity: Identity) -> str | None:
    user = engine.lookup("default", identity).user
    return None if user is None else user.canonical_id


def with_rule(key: str, **fields: Any) -> Policy:
    keys = tuple(replace(r, **fields) if r.key == key else r for r in SENSORS.keys)
    return replace(SENSORS, keys=keys)


# -- the engine ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_written_down_is_read_as_the_same(name: str) -> None:
    assert parse_policy(policy_text(preset(name))) == preset(name)


def test_a_policy_with_odd_texts_written_down_is_read_as_the_same() -> None:
    pair = (Identity("$identity_login_id", 'a"\\\n\x7f'), Identity("$identity_mobile", "é"))
    policy = replace(with_rule("$identity_mobile", blocked=frozenset({"\t", "x"})), apart=(pair,))
    assert parse_policy(policy_text(policy)) == policy


def test_a_policy_under_another_name_is_the_same_rules() -> None:
    other = replace(SENSORS, name="ours")
    assert same_rules(SENSORS, other)
    assert policy_digest(SENSORS) == policy_digest(other)


@pytest.mark.parametrize(
    "policy",
    [
        parse_policy(LOOSE),
        with_rule("$identity_mp_id", enabled=False),
        with_rule("$identity_mp_id", blocked=frozenset({"d1"})),
        with_rule("$identity_login_id", normalise=Normalise.EMAIL),
        with_rule("$identity_login_id", rank=99),
        replace(SENSORS, facts_from=FactsFrom.DISTINCT_ID),
        preset("simple-one-to-one"),
    ],
    ids=["values", "disabled", "blocked", "normalised", "ranked", "distinct_id", "simple"],
)
def test_records_are_read_again_under_the_policy_that_is_applied(policy: Policy) -> None:
    records = [*RECORDS, record(4, {"login_id": "Alice", "mp_id": "d2"})]
    engine = told(*records)
    before = export(engine)
    engine.apply_policy("default", policy, BY)
    assert export(engine) == export(told(*records, policy=policy))
    assert export(engine.replay(open_store("memory:"))) == export(engine)
    engine.policy_back("default", BY)
    assert export(engine) == before


def test_groups_that_are_the_same_under_both_are_left_alone() -> None:
    done = told(*RECORDS).apply_policy("default", parse_policy(LOOSE), BY)
    assert (done.groups, done.told_again) == (2, 1)


def test_the_same_rules_again_change_nothing() -> None:
    engine = told(*RECORDS)
    done = engine.apply_policy("default", replace(SENSORS, name="again"), BY)
    assert not done.changed
    assert len(engine.policies("default").policies) == 1


def test_a_policy_that_would_orphan_events_is_refused_and_nothing_changes() -> None:
    engine = told(*RECORDS)
    before = export(engine)
    with pytest.raises(Conflict, match=r"would not believe 3 events .*UNDEFINED_IDENTITY 3"):
        engine.apply_policy("default", parse_policy(NARROW), BY)
    assert export(engine) == before
    assert len(engine.policies("default").policies) == 1


def test_records_that_were_checked_before_a_change_are_checked_again() -> None:
    engine = told(*RECORDS)
    waiting = delivery(engine, record(5, {"login_id": "dora", "mp_id": "d1"}))
    engine.apply_policy("default", with_rule("$identity_mp_id", blocked=frozenset({"d1"})), BY)
    engine.accept([waiting])
    again = engine.replay(open_store("memory:"))
    assert export(again) == export(engine)


def test_a_record_that_the_new_policy_does_not_know_is_rejected_though_it_was_checked() -> None:
    card = parse_policy('extends = "sensors"\n[[keys]]\nkey = "card"\n')
    engine = told(*RECORDS, policy=card)
    waiting = delivery(engine, {**record(5, {"login_id": "dora"}), "identities": {"card": "7"}})
    engine.apply_policy("default", SENSORS, BY)
    assert engine.accept([waiting])[0].rejected == 1


def test_going_back_needs_a_policy_before() -> None:
    engine = told(*RECORDS)
    with pytest.raises(Conflict, match="No other policy"):
        engine.policy_back("default", BY)
    with pytest.raises(NotFound, match="no policy 9"):
        engine.policy_back("default", BY, number=9)


def test_any_policy_of_the_history_can_be_put_in_force_again() -> None:
    engine = told(*RECORDS)
    first = export(engine)
    engine.apply_policy("default", parse_policy(LOOSE), BY)
    engine.apply_policy("default", preset("global-static"), BY)
    done = engine.policy_back("default", ("bob", "as it was"), number=1)
    assert export(engine) == first
    found = engine.policies("default").policies
    assert [one.name for one in found] == ["sensors", "loose", "global-static", "sensors"]
    assert found[-1] == done.policy
    assert (done.policy.author, done.policy.reason) == ("bob", "as it was")


def test_what_an_operator_stated_holds_under_every_policy() -> None:
    engine = told(*RECORDS)
    engine.operate("default", Statement(OperatorKind.BLOCK, *BY, (D1,)))
    engine.apply_policy("default", parse_policy(LOOSE), BY)
    assert holder(engine, ALICE) != holder(engine, BOB)


def test_a_restart_under_another_configuration_keeps_the_policy_in_force(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "s.db"))
    engine = engine_on(store)
    engine.accept([delivery(engine, *RECORDS)])
    engine.apply_policy("default", parse_policy(LOOSE), BY)
    store.close()
    store = open_store(str(tmp_path / "s.db"))
    engine = engine_on(store, SENSORS)
    engine.accept([delivery(engine, record(7, {"login_id": "eve", "mp_id": "d1"}))])
    assert holder(engine, Identity("$identity_login_id", "eve")) == holder(engine, BOB)
    assert engine.unapplied() == ["default"]
    assert export(engine.replay(open_store("memory:"))) == export(engine)
    store.close()


class Failing:
    """A store whose commit fails after so many parts were written."""

    def __init__(self, store: OpenStore, parts: int) -> None:
        self._store = store
        self._parts = parts

    def commit(self, changes: Any) -> None:
        def some() -> Any:
            for number, part in enumerate([changes] if isinstance(changes, Changes) else changes):
                if number == self._parts:
                    raise StoreError("The disk is gone.")
                yield part

        self._store.commit(some())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("url", ["memory:", "s.db"])
@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_change_that_fails_anywhere_changes_nothing(url: str, parts: int, tmp_path: Path) -> None:
    store = open_store(url if url == "memory:" else str(tmp_path / url))
    engine = engine_on(store)
    engine.accept([delivery(engine, *RECORDS, record(4, {"login_id": "dan", "mp_id": "d2"}))])
    before = export(engine)
    failing: Any = Failing(store, parts)
    with pytest.raises(StoreError):
        Engine(failing, engine.projects, clock=lambda: T0).apply_policy(
            "default", parse_policy(LOOSE), BY
        )
    assert export(engine_on(store)) == before
    assert [one.name for one in engine_on(store).policies("default").policies] == ["sensors"]
    store.close()


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("loose.toml").write_text(LOOSE, "utf-8")
    Path("narrow.toml").write_text(NARROW, "utf-8")
    path = tmp_path / "s.db"
    fill(path, RECORDS)
    return path


def ask(store: Path, *words: str) -> Ran:
    return idweave("policy", *words, "--store", str(store))


def test_a_policy_is_tried_applied_and_taken_back(store: Path) -> None:
    tried = ask(store, "apply", "loose.toml", "--reason", "look", "--dry-run", "--json").json
    assert ask(store, "history", "--json").json["policies"][-1]["name"] == "sensors"
    done = ask(store, "apply", "loose.toml", "--reason", "shared", "--author", "ann", "--json").json
    assert done["changes"] == tried["changes"]
    assert (done["policy"]["author"], done["policy"]["reason"]) == ("ann", "shared")
    assert idweave("replay", "--verify", "--store", str(store)).code == 0
    assert "loose" in ask(store, "history").out
    back = ask(store, "back", "--reason", "too many merges")
    assert "sensors" in back.out
    assert idweave("replay", "--verify", "--store", str(store)).code == 0


def test_going_back_can_be_tried(store: Path) -> None:
    ask(store, "apply", "loose.toml", "--reason", "x")
    ran = ask(store, "back", "--reason", "x", "--dry-run", "--json")
    assert ran.json["changes"]["counts"]["split"] == 1
    assert ask(store, "history", "--json").json["policies"][-1]["name"] == "loose"


def test_applying_what_is_in_force_says_that_nothing_changes(store: Path) -> None:
    ran = ask(store, "apply", "sensors", "--reason", "x")
    assert (ran.code, ran.out.strip().endswith("Nothing changes.")) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("apply", "missing.toml", "--reason", "x"), 2, "cannot be read"),
        (("apply", "sensor", "--reason", "x"), 2, "neither a file nor a preset"),
        (("apply", "loose.toml", "--reason", " "), 2, "reason is missing"),
        (("apply", "loose.toml"), 2, "Missing option '--reason'"),
        (("apply", "loose.toml", "--reason", "x", "--project", "shop"), 3, "shop"),
        (("apply", "narrow.toml", "--reason", "x"), 1, "would not believe 3 events"),
        (("back", "--reason", "x"), 1, "No other policy was ever in force"),
        (("back", "--reason", "x", "--to", "7"), 3, "There is no policy 7"),
        (("back", "--reason", "x", "--to", "one"), 2, "'one' is not a number"),
    ],
)
def test_what_cannot_be_applied_is_said_and_nothing_changes(
    store: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = ask(store, *words)
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert len(ask(store, "history", "--json").json["policies"]) == 1


def test_the_policy_in_force_is_shown_and_the_configuration_that_differs_is_told(
    store: Path,
) -> None:
    applied = ask(store, "apply", "loose.toml", "--reason", "x")
    assert "the configuration names sensors" in applied.err
    shown = parse_policy(ask(store, "show").out)
    assert same_rules(shown, parse_policy(LOOSE))
    doctor = idweave("doctor", "--quick", "--store", str(store))
    assert "names another policy than the one in force" in doctor.out
    Path("idweave.toml").write_text('[projects.default]\npolicy = "loose.toml"', "utf-8")
    again = ask(store, "apply", "loose.toml", "--reason", "x")
    assert again.err == ""
    assert ask(store, "show").out == LOOSE


def test_a_policy_is_not_applied_beside_a_process_that_writes(store: Path) -> None:
    holding = open_store(str(store))
    try:
        ran = ask(store, "apply", "loose.toml", "--reason", "x")
    finally:
        holding.close()
    assert (ran.code, "ask its API" in ran.err) == (4, True), (ran.code, ran.err)


def test_a_store_from_before_policies_begins_with_the_configured_one(store: Path) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("DELETE FROM policy")
    connection.close()
    assert ask(store, "history", "--json").json["policies"][0]["number"] is None
    ask(store, "apply", "loose.toml", "--reason", "x")
    found = ask(store, "history", "--json").json["policies"]
    assert [(one["number"], one["name"]) for one in found] == [("1", "sensors"), ("2", "loose")]


def test_rejections_are_listed_where_no_command_is_named(store: Path) -> None:
    words = ("--store", str(store), "--json")
    ran = idweave("rejections", *words)
    assert (ran.code, ran.json) == (0, idweave("rejections", "list", *words).json)


def test_doctor_says_who_writes_and_takes_no_lock(store: Path) -> None:
    assert held_by(store) is None
    lock = WriterLock(store)
    assert held_by(store) is not None
    lock.release()
    assert held_by(store) is None
