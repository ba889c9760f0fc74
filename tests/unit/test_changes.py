"""The change feed tells what a commit changed of who is who, and why: kinds, causes, words."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import Conflict, NotFound
from idweave.core.identity import Fact, Identity, Kind, Order
from idweave.core.policy import KeyRule, Policy, WhenCrowded, WhenFull
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.engine.feed import Held, Named, Turn, Why, changes_of
from idweave.engine.following import ChangeAnswer
from idweave.engine.operators import Statement
from idweave.engine.ruling import OperatorKind
from idweave.ports import Change, ChangeKind, Store, UserRow
from idweave.stores import open_store
from tests.command import T0, Ran, fill, idweave, record, store_of

LOGIN, DEVICE, PHONE, PAGE = "$identity_login_id", "device", "phone", "page"
POLICY = Policy(
    (
        KeyRule(LOGIN, rank=0),
        KeyRule(PHONE, rank=10, when_full=WhenFull.REPLACE),
        KeyRule(
            DEVICE, rank=50, values_max=5, conflicts_max=2, when_crowded=WhenCrowded.QUARANTINE
        ),
        KeyRule(PAGE, rank=60, values_max=5, parent=PHONE),
    )
)
P = "shop"
SEEN, LOG_IN, BIND, UNBIND = Kind.OBSERVE, Kind.LOGIN, Kind.BIND, Kind.UNBIND


def engine_on(store: Store) -> Engine:
    return Engine(store, {P: Project(P, POLICY)}, clock=lambda: 9_000)


@pytest.fixture
def engine() -> Engine:
    return engine_on(open_store("memory:"))


def fact(number: int, kind: Kind, *identities: str, by: str | None = None) -> Fact:
    """A fact at a time; identities as ``key=value``."""
    said = tuple(Identity(*one.split("=")) for one in identities)
    return Fact(number, f"e{number}", kind, said, by)


def told(engine: Engine, *facts: Fact) -> list[ChangeAnswer]:
    """What a commit of these facts adds to the feed."""
    after = int(engine.changes(P, limit=1).last_cursor) if engine.project_names() else 0
    engine.state(P, facts)
    return list(engine.changes(P, after=after).changes)


def name(engine: Engine, identity: str) -> str:
    user = engine.lookup(P, Identity(*identity.split("="))).user
    assert user is not None
    return user.canonical_id


def rows(changes: list[ChangeAnswer]) -> list[tuple[str, ...]]:
    """Changes without what all have: kind, identity, reason, event."""
    said = [(one.kind.value, one.value or "", one.reason or "", one.event or "") for one in changes]
    return [tuple(part for part in row if part) for row in said]


# -- kinds and causes ------------------------------------------------------------------------------


def test_a_new_user_is_created_by_its_founding_event_and_each_identity_joins(
    engine: Engine,
) -> None:
    found = told(engine, fact(2, SEEN, "device=d"), fact(1, SEEN, "device=d", "phone=1"))
    assert rows(found) == [
        ("created", "1-e1"),
        ("joined", "d", "2-e2"),
        ("joined", "1", "1-e1"),
    ]
    assert {one.canonical_id for one in found} == {name(engine, "device=d")}
    assert [one.cursor for one in found] == ["1", "2", "3"]
    assert {one.recorded_at_ms for one in found} == {9_000}


def test_what_only_repeats_what_is_known_is_not_told(engine: Engine) -> None:
    told(engine, fact(1, SEEN, "device=d", "phone=1"))
    assert told(engine, fact(1, SEEN, "device=d", "phone=1")) == []
    assert told(engine, fact(2, SEEN, "device=d")) == []
    assert told(engine, fact(3, SEEN, "phone=1", "device=d")) == []


def test_a_merge_is_one_row_however_much_the_older_name_held(engine: Engine) -> None:
    told(engine, *(fact(10 + n, SEEN, "phone=1", f"page=p{n}") for n in range(5)))
    young = name(engine, "phone=1")
    told(engine, fact(1, SEEN, "device=d"))
    (merge,) = told(engine, fact(20, SEEN, "device=d", "phone=1"))
    assert rows([merge]) == [("merged", "20-e20")]
    assert (merge.canonical_id, merge.other_id) == (name(engine, "device=d"), young)


def test_an_older_founder_that_comes_late_renames_a_user(engine: Engine) -> None:
    told(engine, fact(5, SEEN, "device=d"))
    before = name(engine, "device=d")
    (renamed,) = told(engine, fact(4, SEEN, "device=d"))
    assert rows([renamed]) == [("renamed", "4-e4")]
    assert (renamed.canonical_id, renamed.other_id) == (name(engine, "device=d"), before)


def test_an_identity_leaves_with_its_reason(engine: Engine) -> None:
    told(
        engine,
        fact(1, LOG_IN, f"{LOGIN}=ann", "phone=1", by="ann"),
        fact(2, SEEN, "phone=1", "page=p"),
    )
    assert rows(told(engine, fact(3, UNBIND, "phone=1"))) == [
        ("left", "p", "parent", "3-e3"),
        ("left", "1", "unbind", "3-e3"),
    ]
    told(engine, fact(4, BIND, f"{LOGIN}=ann", "phone=2"))
    assert rows(told(engine, fact(5, BIND, f"{LOGIN}=ann", "phone=3"))) == [
        ("left", "2", "evicted", "5-e5"),
        ("joined", "3", "5-e5"),
    ]


def test_what_too_many_ask_for_leaves_as_crowded(engine: Engine) -> None:
    told(engine, *(fact(n, SEEN, f"{LOGIN}={who}") for n, who in enumerate("abc", 1)))
    told(engine, fact(4, SEEN, f"{LOGIN}=a", "device=d"), fact(5, SEEN, f"{LOGIN}=b", "device=d"))
    assert rows(told(engine, fact(6, SEEN, f"{LOGIN}=c", "device=d"))) == [
        ("left", "d", "crowded", "6-e6")
    ]


def test_a_late_event_that_takes_a_user_apart_is_the_cause_of_a_split(engine: Engine) -> None:
    told(engine, fact(1, SEEN, "device=d"), fact(2, LOG_IN, f"{LOGIN}=ann", by="ann"))
    told(engine, fact(5, SEEN, f"{LOGIN}=ann", "device=d"))
    one = name(engine, "device=d")
    assert one == name(engine, f"{LOGIN}=ann")
    split, joined = told(engine, fact(3, BIND, f"{LOGIN}=bob", "device=d"))[:2]
    assert rows([split]) == [("split", "3-e3")]
    assert (split.other_id, split.canonical_id) == (one, name(engine, f"{LOGIN}=ann"))
    assert (joined.kind, joined.value) == ("joined", "ann")
    assert (joined.canonical_id, joined.other_id) == (split.canonical_id, one)


def test_what_an_operator_states_and_takes_back_is_told_with_its_number(engine: Engine) -> None:
    told(engine, fact(1, SEEN, f"{LOGIN}=ann"), fact(2, SEEN, "device=d"))
    told(engine, fact(3, SEEN, f"{LOGIN}=ann", "device=d"))
    after = int(engine.changes(P).last_cursor)
    said = Statement(OperatorKind.RETRACT, "bea", "a slip", event="3-e3")
    number = engine.operate(P, said).fact.operator_id
    engine.take_back(P, int(number), ("bea", "no slip"))
    found = engine.changes(P, after=after).changes
    assert [one.kind for one in found] == ["split", "joined", "merged"]
    assert {one.operator_id for one in found} == {number}
    assert found[1].other_id == found[0].other_id == name(engine, f"{LOGIN}=ann")


def test_a_join_by_an_operator_has_event_and_number(engine: Engine) -> None:
    told(engine, fact(1, SEEN, f"{LOGIN}=ann"), fact(2, SEEN, "device=d"))
    both = (Identity(LOGIN, "ann"), Identity(DEVICE, "d"))
    answer = engine.operate(P, Statement(OperatorKind.JOIN, "bea", "twins", both))
    last = engine.changes(P, after=4).changes[-1]
    assert (last.kind, last.operator_id, last.event) == ("merged", "1", answer.fact.event)


def test_a_user_of_whom_nothing_is_left_is_gone(engine: Engine) -> None:
    told(engine, fact(1, SEEN, "device=d"))
    lonely = name(engine, "device=d")
    engine.operate(P, Statement(OperatorKind.RETRACT, "bea", "a test", event="1-e1"))
    last = engine.changes(P, after=2).changes[-1]
    assert (last.kind, last.canonical_id, last.other_id) == ("gone", lonely, None)


def row(name: int, *, gone: bool = False) -> UserRow:
    return UserRow(name, Order(name, Kind.OBSERVE, f"e{name}"), 1, None, gone)


def test_erasing_a_person_names_nobody_and_tells_again_what_is_left() -> None:
    secret, shared, other = (Identity("phone", value) for value in ("1", "2", "3"))
    turn = Turn(
        {secret: Held(7, None), shared: Held(7, 7), other: Held(8, 8)},
        {7: Named(row(7), row(7)), 8: Named(row(8), row(8))},
        Why("", 5),
        frozenset({secret}),
    )
    assert changes_of(turn) == [
        Change(ChangeKind.ERASED, 7, operator_id=5),
        Change(ChangeKind.CREATED, 7, operator_id=5),
        Change(ChangeKind.JOINED, 7, None, shared, operator_id=5),
    ]


def test_a_person_of_whom_nothing_is_left_is_erased_and_not_gone_as_well() -> None:
    secret = Identity("phone", "1")
    users = {7: Named(row(7), row(7, gone=True))}
    turn = Turn({secret: Held(7, None)}, users, Why(), frozenset({secret}))
    assert changes_of(turn) == [Change(ChangeKind.ERASED, 7)]


# -- pages -----------------------------------------------------------------------------------------


def test_a_page_names_the_cursor_to_go_on_from_also_at_the_end(engine: Engine) -> None:
    told(engine, *(fact(n, SEEN, f"device=d{n}") for n in range(3)))
    first = engine.changes(P, limit=4)
    assert (first.next_cursor, first.last_cursor, len(first.changes)) == ("4", "6", 4)
    assert engine.changes(P, after=4).next_cursor == "6"
    assert engine.changes(P, after=6) == type(first)((), "6", "6")


def test_a_cursor_that_nobody_was_given_is_refused(engine: Engine) -> None:
    told(engine, fact(1, SEEN, "device=d"))
    with pytest.raises(Conflict, match="no change 3") as caught:
        engine.changes(P, after=3)
    assert "another" in caught.value.fix
    with pytest.raises(NotFound):
        engine.changes("nobody's")


def test_a_store_that_was_used_before_it_had_a_feed_tells_first_how_things_stand(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.db"
    store = open_store(str(path))
    told(engine_on(store), fact(2, SEEN, "phone=1"), fact(1, SEEN, "device=d"))
    told(engine_on(store), fact(3, SEEN, "device=d", "phone=1"))
    store.close()
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM feed")
    file.close()
    store = open_store(str(path))
    found = told(engine_on(store), fact(4, SEEN, "device=x"))
    assert rows(found) == [
        ("created", "1-e1"),
        ("joined", "d"),
        ("joined", "1"),
        ("merged",),
        ("created", "4-e4"),
        ("joined", "x", "4-e4"),
    ]
    store.close()


def test_who_watches_is_called_after_a_commit_that_changes_something(engine: Engine) -> None:
    seen: list[str] = []
    engine.watch(lambda: seen.append(engine.changes(P).last_cursor))
    told(engine, fact(1, SEEN, "device=d"))
    told(engine, fact(2, SEEN, "device=d"))
    engine.operate(P, Statement(OperatorKind.RETRACT, "bea", "a test", event="1-e1"))
    assert seen == ["2", "3"]


# -- the command -----------------------------------------------------------------------------------

RECORDS = [
    record(1, {"mp_id": "device-1"}),
    record(
        2,
        {"mp_id": "device-1", "login_id": "张三"},
        type="track_signup",
        original_id="device-1",
        distinct_id="张三",
    ),
    record(3, {"login_id": "李\x1b[2J四"}),
]
LEFT = [record(9, {"mp_id": "device-1"}, type="track_id_unbind")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave("changes", *words, "--store", str(store))


def lines(ran: Ran) -> list[Any]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_changes_are_sentences_for_people(store: Path) -> None:
    fill(store, LEFT)
    ran = ask(store)
    shown = [re.sub(r"\d{15,}", "N", line.split("+00:00  ")[1]) for line in ran.out.splitlines()]
    assert [line.partition("  (")[0] for line in shown] == [
        "N is a new user",
        "$identity_mp_id=device-1 joined N",
        "$identity_login_id=张三 joined N",
        "N is a new user",
        "$identity_login_id=李\\x1b[2J四 joined N",
        "$identity_mp_id=device-1 left N: it was unbound",
    ]
    assert f"({T0 + 9}-" in ran.out.splitlines()[-1]
    assert "go on with --after 6" in ran.err


def test_machines_get_a_json_object_a_line_as_the_api_gives_it(store: Path) -> None:
    first, second = lines(ask(store, "--json", "--after", "0", "--limit", "2"))
    assert (first["kind"], first["cursor"], first["key"]) == ("created", "1", None)
    assert (second["key"], second["value"]) == ("$identity_mp_id", "device-1")
    assert second["event"].startswith(f"{T0 + 1}-")


def test_without_a_cursor_the_last_changes_are_shown(store: Path) -> None:
    assert [one["cursor"] for one in lines(ask(store, "--json", "--limit", "2"))] == ["4", "5"]
    wanted = lines(ask(store, "--json", "--limit", "2", "--kind", "created"))
    assert [one["cursor"] for one in wanted] == ["1", "4"]


def test_the_cursor_after_a_page_goes_on_where_it_ended(store: Path) -> None:
    ran = ask(store, "--json", "--after", "0", "--limit", "2", "--kind", "joined")
    assert [one["cursor"] for one in lines(ran)] == ["2", "3"]
    assert "--after 3" in ran.err
    ran = ask(store, "--json", "--after", "3", "--kind", "merged")
    assert (ran.out, "--after 5" in ran.err) == ("", True)


def test_a_user_is_meant_by_any_of_its_names(store: Path) -> None:
    fill(store, [record(0, {"mp_id": "device-1"})])
    last = lines(ask(store, "--json", "--limit", "1"))[0]
    assert last["kind"] == "renamed"
    for name in (last["canonical_id"], last["other_id"]):
        assert [one["cursor"] for one in lines(ask(store, "--json", "--user", name))] == [*"1236"]
    assert "No changes." in ask(store, "--user", "1").out


def test_a_wrong_cursor_is_explained(store: Path) -> None:
    assert (ask(store, "--after", "99").code, ask(store, "--after", "x").code) == (1, 2)
    assert "no change 99" in ask(store, "--after", "99").err


def following(store: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "idweave", "changes", "--follow", "--store", str(store)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [*command, *words], stdout=pipe, stderr=pipe, text=True, encoding="utf-8", env=environment
    )


def read(process: subprocess.Popen[str], count: int) -> Iterator[Any]:
    assert process.stdout is not None
    for _ in range(count):
        yield json.loads(process.stdout.readline())


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_follow_goes_on_with_what_another_process_writes_until_ctrl_c(store: Path) -> None:
    with following(store, "--after", "0", "--json") as process:
        assert [one["cursor"] for one in read(process, 5)] == [*"12345"]
        fill(store, LEFT)
        (left,) = read(process, 1)
        assert (left["cursor"], left["kind"], left["reason"]) == ("6", "left", "unbind")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "go on with --after 6" in err
