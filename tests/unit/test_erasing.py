"""An erasure takes every byte of a person out of the store, and nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.identity import Identity
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.answers import Receipt
from idweave.engine.engine import Engine
from idweave.engine.erased import Erasing
from idweave.engine.operators import Statement
from idweave.engine.past import Instant
from idweave.engine.ruling import OperatorKind
from idweave.stores import open_store
from idweave.wire import decode, encode_data_list
from tests.command import T0, record
from tests.remains import remains

P = "default"
PHONE, D1, MAIL = "13800000000", "device-alice-1", "alice@example.com"
HERS = (PHONE, D1, "alice-login", MAIL)
"""All of the values that are Alice's."""

BOB = '{"$identity_login_id": "bob-login"}'
NOW = T0 + 1_000_000
KEYS = {"mobile": PHONE, "mp_id": D1, "login_id": "alice-login"}


def alice(nth: int, **fields: Any) -> dict[str, Any]:
    return record(nth, {"login_id": "alice-login", "mp_id": D1}, **fields)


def bob(nth: int, **fields: Any) -> dict[str, Any]:
    """Bob, on Alice's phone: it stays hers."""
    ids = {"login_id": "bob-login", "mp_id": D1}
    return record(nth, ids, anonymous_id=D1, properties={"$device_id": D1, "n": nth}, **fields)


STORY = [
    [
        record(1, {"mp_id": D1}),
        alice(2, type="track_signup", original_id=D1, distinct_id="alice-login"),
        record(3, {"login_id": "carol"}, properties={"page": "home"}),
        record(4, {"login_id": "alice-login", "mobile": PHONE}, type="track_id_bind"),
        bob(5),
        alice(6) | {"identities": {"$identity_login_id": "alice-login", "undeclared": "x"}},
        record(7, {"login_id": "carol", "undeclared": "y"}),
    ],
    [bob(8), alice(2, type="track_signup", original_id=D1, distinct_id="alice-login")],
    [alice(9, type="profile_set", properties={"mail": MAIL})],
]


def engine_on(store: Any) -> Engine:
    return Engine(store, {P: Project(P, preset("sensors"))}, clock=lambda: NOW)


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = "memory:" if request.param == "memory" else f"sqlite:{tmp_path}/store.db"
    store = open_store(url)
    made = engine_on(store)
    for records in STORY:
        send(made, records)
    yield made
    store.close()


def send(engine: Engine, records: list[dict[str, Any]], *, live: bool = False) -> Receipt:
    decoded = decode(encode_data_list(records), "")
    return engine.accept([engine.parse(decoded, NOW, live=live)])[0]


def key(name: str) -> Identity:
    return Identity(f"$identity_{name}", KEYS[name])


def user_of(engine: Engine, identity: Identity) -> str:
    found = engine.lookup(P, identity).user
    assert found is not None
    return found.canonical_id


def of(engine: Engine, **asked: Any) -> Erasing:
    if "user" not in asked:
        asked["user"] = user_of(engine, key("login_id"))
    return Erasing("ann", "ticket 17", **asked)


def everything(engine: Engine) -> str:
    """All that an engine can be made to say of a project."""
    names = list(engine.user_names(P))
    events = [engine.events(P, name) for name in names]
    said: list[Any] = [engine.rejections(P), engine.operators(P, removed=True)]
    said += [engine.refusals(P)]
    said += [list(engine.export(P)), events, engine.changes(P, limit=1000).changes]
    return str([said, [engine.user(P, name) for name in names]])


def records_of(engine: Engine, login: str) -> list[dict[str, Any]]:
    name = user_of(engine, Identity("$identity_login_id", login))
    return [dict(one.record or {}) for one in engine.events(P, name).events]


def test_nobody_and_nothing_says_anything_of_who_was_erased(engine: Engine) -> None:
    engine.erase(P, of(engine))
    said = everything(engine)
    assert [value for value in HERS if value in said] == []
    for name in KEYS:
        with pytest.raises(NotFound, match="never seen"):
            engine.lookup(P, key(name))


def test_no_byte_of_who_was_erased_is_left_in_the_data_directory(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/store.db")
    engine = engine_on(store)
    for records in STORY:
        send(engine, records)
    assert remains(tmp_path, HERS) == set(HERS)
    assert engine.erase(P, of(engine)).is_scrubbed
    assert remains(tmp_path, HERS) == set()
    assert "carol" in remains(tmp_path, ["carol"])
    store.close()
    assert remains(tmp_path, HERS) == set()


def test_a_preview_says_what_would_go_and_changes_nothing(engine: Engine) -> None:
    before = everything(engine)
    seen = engine.erase(P, of(engine), dry_run=True)
    assert everything(engine) == before
    done = engine.erase(P, of(engine))
    assert (seen.counts, seen.identities, seen.names) == (done.counts, done.identities, done.names)
    assert done.counts == {
        "events": 4,
        "events_of_others": 0,
        "events_stripped": 2,
        "identities": 3,
        "names": 1,
        "rejections": 1,
        "operator_facts": 0,
        "mentions": 0,
    }


def test_a_policy_that_lists_a_value_is_counted_and_stays(engine: Engine) -> None:
    (mobile,) = [rule for rule in preset("sensors").keys if rule.key == "$identity_mobile"]
    rules = (replace(mobile, blocked=frozenset({PHONE})),)
    others = tuple(rule for rule in preset("sensors").keys if rule.key != mobile.key)
    engine.apply_policy(P, replace(preset("sensors"), keys=rules + others), ("ann", "junk"))
    assert (
        engine.erase(P, of(engine, user=None, identities=(key("mobile"),))).counts["mentions"] == 1
    )


def test_others_keep_their_events_without_what_was_erased(engine: Engine) -> None:
    before = records_of(engine, "carol")
    engine.erase(P, of(engine))
    assert records_of(engine, "carol") == before
    kept = records_of(engine, "bob-login")
    assert [one["_track_id"] for one in kept] == [8, 5]
    assert [one["properties"] for one in kept] == [{"n": 8}, {"n": 5}]
    assert {json.dumps(one["identities"]) for one in kept} == {BOB}
    (rejected,) = engine.rejections(P)
    assert "carol" in rejected.raw


def test_what_arrives_again_is_refused_or_known_and_brings_nothing_back(engine: Engine) -> None:
    engine.erase(P, of(engine))
    before = list(engine.export(P))
    receipts = [send(engine, records) for records in STORY]
    assert receipts == [Receipt(7, 0, 5, 2), Receipt(2, 0, 1, 1), Receipt(1, 0, 1, 0)]
    stats = engine.stats(P)
    assert stats.rejections_by_code["ERASED"] == 6
    assert stats.received == stats.accepted + stats.rejected + stats.duplicates
    again = everything(engine)
    assert [value for value in HERS if value in again] == []
    assert len(engine.rejections(P)) == 2, "Carol's was rejected once more"
    assert list(engine.export(P)) == before


def test_what_arrives_late_is_stored_without_what_was_erased(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/store.db")
    engine = engine_on(store)
    for records in STORY:
        send(engine, records)
    engine.erase(P, of(engine))
    late = [alice(20), bob(21), record(22, {"login_id": "carol"}), alice(23, time=1, event="1")]
    assert send(engine, late) == Receipt(4, 2, 2, 0)
    assert send(engine, late) == Receipt(4, 0, 2, 2)
    assert [one["_track_id"] for one in records_of(engine, "bob-login")] == [21, 8, 5]
    assert remains(tmp_path, HERS) == set()
    store.close()


def test_what_is_younger_is_a_new_person_with_another_name(engine: Engine) -> None:
    name = user_of(engine, key("login_id"))
    engine.erase(P, of(engine))
    send(engine, [alice(1_000_001, time=NOW + 1)])
    new = user_of(engine, key("login_id"))
    assert new != name
    assert len(engine.events(P, new).events) == 1
    with pytest.raises(NotFound, match=f"The user called {name} was erased"):
        engine.user(P, name)


def test_who_is_erased_for_ever_stays_out(engine: Engine) -> None:
    engine.erase(P, of(engine, forever=True))
    assert send(engine, [alice(1_000_001, time=NOW + 1)]) == Receipt(1, 0, 1, 0)
    engine.erase(P, of(engine, user=None, identities=(key("login_id"),)))
    assert send(engine, [alice(1_000_002, time=NOW + 2)]) == Receipt(1, 0, 1, 0)


def test_an_identity_by_itself_takes_all_that_carries_it(engine: Engine) -> None:
    seen = engine.erase(P, of(engine, user=None, identities=(key("mobile"),)))
    assert seen.counts["events"] == 1
    assert user_of(engine, key("login_id")) == user_of(engine, key("mp_id"))
    assert PHONE not in everything(engine)


def test_a_shared_identity_stays_with_the_events_of_those_who_had_it_too(engine: Engine) -> None:
    release = record(30, {"login_id": "alice-login", "mp_id": D1}, type="track_id_unbind")
    release |= {"identities": {"$identity_mp_id": D1}, "distinct_id": "alice-login"}
    dave = record(31, {"login_id": "dave"}, type="track_id_bind")
    dave |= {"identities": {"$identity_login_id": "dave", "$identity_mp_id": D1}}
    send(engine, [release, dave, record(32, {"mp_id": D1})])
    done = engine.erase(P, of(engine))
    assert [one.value for one in done.shared] == [D1]
    assert [one["_track_id"] for one in records_of(engine, "dave")] == [31]
    assert [one["_track_id"] for one in records_of(engine, "bob-login")] == [32, 8, 5]
    send(engine, STORY[0])
    assert [one["_track_id"] for one in records_of(engine, "bob-login")] == [32, 8, 5]


def test_operator_facts_that_mention_who_was_erased_go_and_the_erasure_is_listed(
    engine: Engine,
) -> None:
    carol = Identity("$identity_login_id", "carol")
    say = Statement(OperatorKind.RELEASE, "bea", f"asked by {PHONE}", (carol,))
    engine.operate(P, say)
    engine.operate(P, Statement(OperatorKind.APART, "bea", "twins", (carol, key("login_id"))))
    engine.erase(P, of(engine))
    kept = engine.operators(P, removed=True)
    assert [(one.operator_id, one.kind, one.author) for one in kept] == [
        ("1", "release", "bea"),
        ("3", "erase", "ann"),
    ]
    assert kept[0].reason == "asked by …"
    assert kept[1].counts is not None
    assert kept[1].counts["operator_facts"] == 1
    assert kept[1].identities == ()
    with pytest.raises(Conflict, match="cannot be taken back"):
        engine.take_back(P, 3, ("ann", "no"))
    assert PHONE not in everything(engine)
    assert list(engine.replay(open_store("memory:")).export(P)) == list(engine.export(P))


def test_a_retracted_event_of_who_was_erased_goes_with_its_retraction(engine: Engine) -> None:
    name = user_of(engine, key("login_id"))
    (event,) = [one for one in engine.events(P, name).events if one.type == "track_id_bind"]
    engine.operate(P, Statement(OperatorKind.RETRACT, "bea", "a slip", event=event.reference))
    engine.erase(P, of(engine))
    assert [one.kind for one in engine.operators(P, removed=True)] == ["erase"]
    assert [value for value in HERS if value in everything(engine)] == []
    assert send(engine, STORY[0]).accepted == 0


def test_nothing_is_stated_of_the_time_before_somebody_was_erased(engine: Engine) -> None:
    engine.erase(P, of(engine))
    send(engine, [alice(1_000_001, time=NOW + 1)])
    before = everything(engine)
    said = Statement(OperatorKind.RELEASE, "ann", "why", (key("login_id"),), time_ms=NOW)
    with pytest.raises(Conflict, match="was erased"):
        engine.operate(P, said)
    assert everything(engine) == before


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"user": None}, InputError, "Nothing is to be erased"),
        ({"user": "12345"}, NotFound, "was ever called"),
        ({"user": None, "identities": (Identity("$identity_mobile", "139"),)}, NotFound, "never"),
        ({"user": "x"}, InputError, "canonical_id"),
    ],
)
def test_what_cannot_be_erased_is_said_and_changes_nothing(
    engine: Engine, asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    before = everything(engine)
    with pytest.raises(error, match=says):
        engine.erase(P, of(engine, **asked))
    assert everything(engine) == before


def test_a_reason_that_names_who_is_erased_is_not_taken(engine: Engine) -> None:
    user = user_of(engine, key("login_id"))
    with pytest.raises(InputError, match="names what is to be erased"):
        engine.erase(P, Erasing("ann", f"{PHONE} called", user=user))


def test_the_past_does_not_know_who_was_erased(engine: Engine) -> None:
    name = user_of(engine, key("login_id"))
    engine.erase(P, of(engine))
    for at in (Instant(time_ms=T0 + 9), Instant(position=1)):
        with pytest.raises(NotFound):
            engine.past_lookup(P, key("login_id"), at)
        with pytest.raises(NotFound, match="was erased"):
            engine.past_user(P, name, at)


def test_a_request_refused_as_a_whole_that_names_somebody_goes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/store.db")
    engine = engine_on(store)
    send(engine, STORY[0])
    broken = decode(f"data=%7B{PHONE}&x={PHONE}".encode(), "")
    assert broken.rejection is not None
    engine.accept([engine.parse(broken, NOW)])
    engine.erase(P, of(engine))
    assert remains(tmp_path, HERS) == set()
    assert len(engine.rejections(P)) == 1
    store.close()
