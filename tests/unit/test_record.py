"""Every rule of the door for one record: what passes, what not, what the sender is told."""

from __future__ import annotations

from typing import Any

import pytest

from idweave.core.evidence import RESERVED_PREFIXES, RESERVED_WORDS
from idweave.core.identity import ANONYMOUS_KEY, KIND_OF_TYPE, LOGIN_KEY, Fact, Identity, Kind
from idweave.core.policy import KeyRule, Normalise, Policy
from idweave.core.policy_file import preset
from idweave.core.record import (
    TIME_MAX_MS,
    TYPES,
    WINDOW_AHEAD_MS,
    WINDOW_BACK_MS,
    Code,
    Project,
    Record,
    Rejection,
    event_id,
    parse_record,
    project_of,
    token_of,
)
from idweave.core.soundness import NESTING_MAX, find_flaw

NOW_MS = 1_700_000_100_000
SENSORS = Project("default", preset("sensors"))
SIMPLE = Project("default", preset("simple-many-to-one"))

OWN_KEYS = (
    KeyRule("card"),
    KeyRule("mail", normalise=Normalise.EMAIL),
    KeyRule("phone", normalise=Normalise.PHONE),
    KeyRule("user_id"),
    KeyRule("user_tag_x"),
    KeyRule("wx_{appid}_id"),
    KeyRule(LOGIN_KEY, normalise=Normalise.EMAIL),
)
OWN = Project("default", Policy(OWN_KEYS))


def track(**fields: Any) -> dict[str, Any]:
    base = {"type": "track", "event": "Buy", "distinct_id": "d1", "time": NOW_MS, "_track_id": 1}
    return {**base, "identities": {"$identity_mp_id": "d1"}, **fields}


def old(**fields: Any) -> dict[str, Any]:
    return track(**fields, identities={})


def accepted(raw: Any, project: Project = SENSORS, *, live: bool = True) -> Record:
    parsed = parse_record(raw, project, NOW_MS, live=live)
    assert isinstance(parsed, Record), parsed
    return parsed


def fact(raw: Any, project: Project = SENSORS) -> Fact:
    found = accepted(raw, project).fact
    assert found is not None
    return found


def pairs(raw: Any, project: Project = SENSORS) -> list[tuple[str, str]]:
    return [(identity.key, identity.value) for identity in fact(raw, project).identities]


def rejected(raw: Any, project: Project = SENSORS) -> Rejection:
    parsed = parse_record(raw, project, NOW_MS)
    assert isinstance(parsed, Rejection), parsed
    assert parsed.reason
    assert parsed.fix
    return parsed


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


# -- the record as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [None, True, 1, 1.5, "x", [], [{}], (), b"x", nested(5000)])
def test_what_is_no_object_is_no_record(raw: Any) -> None:
    assert rejected(raw).code is Code.INVALID_JSON


FLAWS = [
    ({"a": "x\0"}, "properties.a", "NUL"),
    ({"a\0b": 1}, r"properties.'a\x00b'", "NUL"),
    ({"a": [1, {"b": "\ud800"}]}, "properties.a[1].b", "surrogate"),
    ({"\udc00": 1}, r"properties.'\udc00'", "surrogate"),
    ({"a": "\ud83d", "b": "\ude00"}, "properties.a", "surrogate"),
    ({"a": float("nan")}, "properties.a", "NaN"),
    ({"a": [float("-inf")]}, "properties.a[0]", "NaN"),
    ({"a": 10**4300}, "properties.a", "4300 digits"),
    ({"a": b"bytes"}, "properties.a", "bytes"),
    ({1: "a"}, "properties.1", "int"),
]


@pytest.mark.parametrize(("properties", "field", "word"), FLAWS)
def test_a_flaw_anywhere_refuses_the_record(properties: Any, field: str, word: str) -> None:
    rejection = rejected(track(properties=properties))
    assert rejection.code is Code.INVALID_JSON
    assert rejection.field == field
    assert word in rejection.reason


def test_nesting_is_bounded_to_the_level() -> None:
    accepted(track(extra=nested(NESTING_MAX - 1)))
    rejection = rejected(track(extra=nested(NESTING_MAX)))
    assert rejection.code is Code.TOO_DEEP
    assert rejection.field == "extra" + "[0]" * (NESTING_MAX - 1)


@pytest.mark.parametrize("value", [10**4299, -(10**30), "😀", "a\u200bb", -0.0, 1e308, None, True])
def test_what_is_sound_has_no_flaw(value: Any) -> None:
    assert find_flaw({"a": [value, {"b": value}]}) is None


# -- types and fields ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [None, "", "Track", "join", "detach", "release", [], {}, 1])
def test_an_unknown_type_is_named(word: Any) -> None:
    rejection = rejected(track(type=word))
    assert (rejection.code, rejection.field) == (Code.INVALID_FIELD, "type")
    assert "track_signup" in rejection.fix


def test_every_type_makes_its_kind_of_fact() -> None:
    for word, rule in TYPES.items():
        record = accepted(track(type=word, original_id="o", item_type="book", item_id="1"))
        assert record.type == word
        assert (record.fact and record.fact.kind) == rule.kind == KIND_OF_TYPE.get(word)


REQUIRED = [
    ("track", "distinct_id"),
    ("track", "event"),
    ("track_signup", "original_id"),
    ("track_id_bind", "event"),
    ("profile_set", "distinct_id"),
    ("item_set", "item_type"),
    ("item_delete", "item_id"),
]


@pytest.mark.parametrize(("word", "field"), REQUIRED)
@pytest.mark.parametrize("absent", [True, False])
def test_a_required_field_must_be_there(word: str, field: str, absent: bool) -> None:
    raw = track(type=word, original_id="o", item_type="book", item_id="1")
    raw[field] = None
    if absent:
        del raw[field]
    rejection = rejected(raw)
    assert (rejection.code, rejection.field) == (Code.INVALID_FIELD, field)
    assert "missing" in rejection.reason


@pytest.mark.parametrize("field", ["distinct_id", "login_id", "anonymous_id", "original_id"])
@pytest.mark.parametrize("value", ["", "x" * 256, 1.5, True, [], {}, 10**255])
def test_an_id_field_is_text_of_1_to_255(field: str, value: Any) -> None:
    rejection = rejected(track(**{field: value}))
    assert (rejection.code, rejection.field) == (Code.INVALID_FIELD, field)


@pytest.mark.parametrize("value", ["x" * 255, " " + "x" * 255, "😀" * 255, " ", 10**254, 0, -1])
def test_an_id_field_may_be_as_long_and_odd_as_this(value: Any) -> None:
    accepted(track(distinct_id=value))


@pytest.mark.parametrize("name", ["a" * 101, "1a", "a b", "a\n", "é", "٣", "", 5, ["a"]])
def test_an_event_name_is_a_word(name: Any) -> None:
    assert rejected(track(event=name)).field == "event"


def test_a_profile_has_no_event_to_check() -> None:
    accepted(track(type="profile_set", event="not a name"))


@pytest.mark.parametrize("field", ["properties", "identities"])
@pytest.mark.parametrize("value", ["", 0, [], "x", True])
def test_properties_and_identities_are_objects(field: str, value: Any) -> None:
    assert rejected(track(**{field: value})).field == field


def test_null_is_absent() -> None:
    names = ("login_id", "anonymous_id", "original_id", "properties", "time", "project", "token")
    accepted(track(**dict.fromkeys(names)))


def test_items_need_no_user_and_make_no_fact() -> None:
    record = accepted({"type": "item_set", "item_type": "book", "item_id": 7, "time": 1})
    assert (record.fact, record.time_ms, record.timed) == (None, 1, True)


# -- time ------------------------------------------------------------------------------------------

TIMES = [
    (1_700_000_000, 1_700_000_000_000),
    (9_999_999_999, 9_999_999_999_000),
    (10_000_000_000, 10_000_000_000),
    (999_999_999, 999_999_999),
    (1.7e12, 1_700_000_000_000),
    (1.7e9, 1_700_000_000_000),
    (0, 0),
    (TIME_MAX_MS, TIME_MAX_MS),
]


@pytest.mark.parametrize(("sent", "time_ms"), TIMES)
def test_a_time_is_milliseconds_or_ten_digits_of_seconds(sent: Any, time_ms: int) -> None:
    record = accepted(track(time=sent), live=False)
    assert (record.time_ms, record.timed) == (time_ms, True)


@pytest.mark.parametrize("sent", [-1, TIME_MAX_MS + 1, 1.5, True, "1700000000000", [], 10**40])
def test_what_is_no_time_is_refused(sent: Any) -> None:
    rejection = rejected(track(time=sent))
    assert (rejection.code, rejection.field) == (Code.INVALID_FIELD, "time")


def test_without_time_the_receive_time_counts() -> None:
    raw = track()
    del raw["time"]
    record = accepted(raw)
    assert (record.time_ms, record.timed) == (NOW_MS, False)
    assert record.event_id == event_id(raw, "default")


@pytest.mark.parametrize("edge", [-WINDOW_BACK_MS, WINDOW_AHEAD_MS])
def test_the_window_closes_one_millisecond_past_its_edge(edge: int) -> None:
    step = 1 if edge > 0 else -1
    accepted(track(time=NOW_MS + edge))
    rejection = rejected(track(time=NOW_MS + edge + step))
    assert (rejection.code, rejection.field) == (Code.EXPIRED_RECORD, "time")


@pytest.mark.parametrize("word", ["track", "track_signup", "track_id_bind", "track_id_unbind"])
def test_every_event_is_held_to_the_window(word: str) -> None:
    assert rejected(track(type=word, original_id="o", time=1)).code is Code.EXPIRED_RECORD


def test_imports_profiles_and_settings_are_not_held_to_the_window() -> None:
    no_window = Project("default", SENSORS.policy, time_window=False)
    accepted(track(time=1), live=False)
    accepted(track(time=1, time_free=True))
    accepted(track(time=1), no_window)
    accepted(track(type="profile_set", time=1))


SHIFTS = [
    (NOW_MS - 60_001, NOW_MS - 1_000 + 60_001, False),
    (NOW_MS - 60_000, NOW_MS - 1_000, True),
    (NOW_MS + 60_001, NOW_MS - 1_000 - 60_001, False),
    ((NOW_MS // 1000) - 100, NOW_MS - 1_000 + 100_000, False),
    ("soon", NOW_MS - 1_000, True),
    (None, NOW_MS - 1_000, True),
]


@pytest.mark.parametrize(("flushed", "time_ms", "timed"), SHIFTS)
def test_a_clock_is_corrected_past_a_minute(flushed: Any, time_ms: int, timed: bool) -> None:
    project = Project("default", SENSORS.policy, time_window=False, clock_correction=True)
    record = accepted(track(time=NOW_MS - 1_000, _flush_time=flushed), project)
    assert (record.time_ms, record.timed) == (time_ms, timed)


def test_a_corrected_time_stays_a_time() -> None:
    project = Project("default", SENSORS.policy, time_window=False, clock_correction=True)
    assert accepted(track(time=5, _flush_time=TIME_MAX_MS), project).time_ms == 0
    assert accepted(track(time=TIME_MAX_MS, _flush_time=0), project).time_ms == TIME_MAX_MS


# -- identities ------------------------------------------------------------------------------------

VALUES = [
    (" \t\r\n\v\fx\u00a0 ", "x\u00a0"),
    (10**30, "1" + "0" * 30),
    (-5, "-5"),
    ("", ""),
    ("A", "A"),
    ("x" * 255 + " ", "x" * 255),
    (10**254, "1" + "0" * 254),
]


@pytest.mark.parametrize(("sent", "value"), VALUES)
def test_a_value_is_trimmed_or_written_out_and_else_unchanged(sent: Any, value: str) -> None:
    assert pairs(track(identities={"$identity_mobile": sent})) == [("$identity_mobile", value)]


@pytest.mark.parametrize("sent", [1.0, True, None, [], {}])
def test_other_values_are_refused(sent: Any) -> None:
    rejection = rejected(track(identities={"$identity_mobile": sent}))
    assert (rejection.code, rejection.field) == (Code.INVALID_FIELD, "identities.$identity_mobile")


@pytest.mark.parametrize("sent", ["x" * 256, "😀" * 256, 10**255, 10**4000])
def test_a_value_has_at_most_255_code_points(sent: Any) -> None:
    assert rejected(track(identities={"$identity_mobile": sent})).code is (
        Code.IDENTITY_VALUE_TOO_LONG
    )


@pytest.mark.parametrize(
    "key", ["", "$identity_x", "a b", "card\n", "CARD", "x" * 10_000, "wx_é_id"]
)
def test_an_undeclared_key_refuses_the_record(key: str) -> None:
    rejection = rejected(track(identities={"card": "1", key: "2"}), OWN)
    assert rejection.code is Code.UNDEFINED_IDENTITY
    assert "policy" in rejection.fix


@pytest.mark.parametrize(
    "key", [*sorted(RESERVED_WORDS), *RESERVED_PREFIXES, "user_tag_x", "USER_ID"]
)
def test_a_reserved_word_is_no_key_even_when_declared(key: str) -> None:
    rejection = rejected(track(identities={key: "1"}), OWN)
    assert rejection.code is Code.UNDEFINED_IDENTITY
    assert "reserved" in rejection.fix


def test_a_templated_key_longer_than_a_key_name_is_undeclared() -> None:
    assert pairs(track(identities={"wx_" + "a" * 94 + "_id": "1"}), OWN)
    rejected(track(identities={"wx_" + "a" * 95 + "_id": "1"}), OWN)


NORMALISED = [
    ("mail", " Ann@Example.COM ", "ann@example.com"),
    ("phone", "+86 (138) 0013-8000", "8613800138000"),
    ("phone", "187****8991", "187****8991"),
    ("phone", 13800138000, "13800138000"),
    ("card", "Ann@Example.COM", "Ann@Example.COM"),
]


@pytest.mark.parametrize(("key", "sent", "value"), NORMALISED)
def test_a_declared_normaliser_and_nothing_else_rewrites(key: str, sent: Any, value: str) -> None:
    assert pairs(track(identities={key: sent}), OWN) == [(key, value)]


OLD_NAMES = [
    ("$mp_id", "$identity_mp_id"),
    ("$mp_openid", "$identity_mp_openid"),
    ("$mp_unionid", "$identity_mp_unionid"),
    ("$mp_wx01-a_openid", "$identity_mp_wx01-a_openid"),
]


@pytest.mark.parametrize(("sent", "key"), OLD_NAMES)
def test_an_old_mini_program_name_means_its_successor(sent: str, key: str) -> None:
    assert pairs(track(identities={sent: "v"})) == [(key, "v")]


def test_an_old_name_somebody_declared_means_itself() -> None:
    project = Project("default", Policy((*SENSORS.policy.keys, KeyRule("$mp_id"))))
    assert pairs(track(identities={"$mp_id": "v"}), project) == [("$mp_id", "v")]


# -- without identities ----------------------------------------------------------------------------

L, A, M = LOGIN_KEY, ANONYMOUS_KEY, "$identity_mobile"
DERIVED = [
    ({}, [(A, "d1")]),
    ({"login_id": "u"}, [(L, "u")]),
    ({"login_id": "u", "anonymous_id": " a "}, [(L, "u"), (A, "a")]),
    ({"login_id": "u", "properties": {"$is_login_id": True}}, [(L, "u")]),
    ({"properties": {"$is_login_id": True}}, [(L, "d1")]),
    ({"properties": {"$is_login_id": 1}}, [(A, "d1")]),
    ({"distinct_id": "$identity_mobile+138+1"}, [(M, "138+1")]),
    ({"distinct_id": "$identity_mobile+"}, [(M, "")]),
    ({"distinct_id": "nokey+138"}, [(A, "nokey+138")]),
    ({"distinct_id": "$mp_id+x"}, [("$identity_mp_id", "x")]),
    ({"distinct_id": 12345678901234567890123}, [(A, "12345678901234567890123")]),
    ({"distinct_id": " "}, [(A, "")]),
    ({"type": "track_signup", "original_id": "o"}, [(L, "d1"), (A, "o")]),
    (
        {"type": "track_signup", "original_id": "o", "login_id": "d1", "anonymous_id": "o"},
        [(L, "d1"), (A, "o")],
    ),
    (
        {"type": "track_signup", "original_id": "o", "anonymous_id": "a"},
        [(L, "d1"), (A, "a"), (A, "o")],
    ),
    ({"type": "profile_set"}, [(A, "d1")]),
]


@pytest.mark.parametrize(("fields", "expected"), DERIVED)
def test_old_records_are_evidence_by_their_fields(fields: Any, expected: Any) -> None:
    assert pairs(old(**fields)) == expected


def test_a_bare_distinct_id_is_what_the_project_says() -> None:
    project = Project("default", SENSORS.policy, bare_distinct_id=LOGIN_KEY)
    assert pairs(old(), project) == [(LOGIN_KEY, "d1")]


def test_a_key_that_is_derived_but_not_declared_refuses_the_record() -> None:
    rejection = rejected(old(), OWN)
    assert (rejection.code, rejection.field) == (Code.UNDEFINED_IDENTITY, "distinct_id")


@pytest.mark.parametrize("word", ["track_id_bind", "track_id_unbind"])
def test_a_bind_or_unbind_of_nothing_has_no_identity(word: str) -> None:
    rejection = rejected(old(type=word, login_id="u"))
    assert (rejection.code, rejection.field) == (Code.NO_VALID_IDENTITY, "identities")


BY_DISTINCT_ID = [
    ({}, [(A, "d1")]),
    ({"login_id": "d1", "anonymous_id": "d1"}, [(L, "d1")]),
    ({"login_id": "u", "anonymous_id": "d1"}, [(A, "d1")]),
    ({"properties": {"$is_login_id": True}}, [(L, "d1")]),
    ({"distinct_id": "$identity_login_id+u"}, [(L, "u")]),
    ({"identities": {"undeclared": 1.5}}, [(A, "d1")]),
    ({"type": "track_signup", "original_id": "o", "anonymous_id": "x"}, [(L, "d1"), (A, "o")]),
    ({"type": "track_id_bind", "identities": {M: "138"}}, [(A, "d1")]),
    ({"type": "track_id_unbind", "identities": {M: "138"}}, []),
]


@pytest.mark.parametrize(("fields", "expected"), BY_DISTINCT_ID)
def test_under_a_simple_scheme_distinct_id_alone_names_the_user(fields: Any, expected: Any) -> None:
    assert pairs(track(**fields), SIMPLE) == expected


NAMING = [
    (SENSORS, " u ", Kind.LOGIN, "u"),
    (SENSORS, "$identity_mobile+ 138 ", Kind.LOGIN, "$identity_mobile+138"),
    (OWN, "Ann@X", Kind.LOGIN, "ann@x"),
    (OWN, "mail+Ann@X", Kind.LOGIN, "mail+ann@x"),
    (OWN, "Ann@X", Kind.OBSERVE, "Ann@X"),
    (OWN, "none+Ann@X", Kind.LOGIN, "none+ann@x"),
]


@pytest.mark.parametrize(("project", "sent", "kind", "named"), NAMING)
def test_a_distinct_id_finds_the_identity_as_it_is_stored(
    project: Project, sent: str, kind: Kind, named: str
) -> None:
    word = "track_signup" if kind is Kind.LOGIN else "track"
    key = "card" if project is OWN else M
    raw = track(type=word, distinct_id=sent, original_id="o", identities={key: "1"})
    assert fact(raw, project).distinct_id == named


# -- ids, projects, tokens -------------------------------------------------------------------------


def test_what_a_client_changes_when_it_sends_again_does_not_change_the_id() -> None:
    one = track(_flush_time=1, lib={"$lib": "js"})
    profile = track(type="profile_set", _flush_time=1, lib={"$lib": "js"}, _track_id=None)
    assert event_id(one, "p") == event_id({**one, "_flush_time": 2, "lib": {}, "x": 1}, "p")
    assert event_id(profile, "p") == event_id({**profile, "_flush_time": 2, "lib": {}}, "p")
    assert event_id(profile, "p") != event_id({**profile, "x": 1}, "p")


def test_records_that_differ_in_a_name_differ_in_their_id() -> None:
    fields = ("type", "event", "distinct_id", "time", "_track_id", "project")
    others = [track(**{field: "other"}) for field in fields]
    others += [track(identities={"$identity_mp_id": "d2"}), track(identities={M: "d1"}), track()]
    assert len({event_id(raw, "default") for raw in others}) == len(others)


def test_an_id_does_not_depend_on_the_settings() -> None:
    settings = Project("default", SENSORS.policy, clock_correction=True, bare_distinct_id=LOGIN_KEY)
    raw = old(_flush_time=5, time=NOW_MS)
    no_window = Project("default", SENSORS.policy, time_window=False)
    one, other = parse_record(raw, settings, 7, live=False), parse_record(raw, no_window, 9)
    assert isinstance(one, Record)
    assert isinstance(other, Record)
    assert one.event_id == other.event_id


NAMED = [("shop", "shop"), ("", "url"), (None, "url"), (5, "5"), (["a"], '["a"]')]


@pytest.mark.parametrize(("sent", "name"), NAMED)
def test_the_records_project_goes_before_the_urls(sent: Any, name: str) -> None:
    assert project_of({"project": sent}, "url") == name


def test_the_records_token_goes_before_the_urls() -> None:
    assert token_of({"token": "t"}, "url") == "t"
    assert token_of({"token": 5}, "url") == token_of({}, "url") == "url"
    assert token_of({}, None) == ""


def test_an_identity_reads_as_key_and_value() -> None:
    assert str(Identity(M, "138")) == "$identity_mobile=138"
