"""Laws of visitor ids: whatever a device is, only the listed conditions change its id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idweave.core.visitor import (
    CONDITIONS,
    LIVING,
    PROFILES,
    Change,
    ClearUserId,
    Condition,
    Handover,
    Happen,
    Hide,
    Hints,
    Identify,
    Init,
    Op,
    Profile,
    Restart,
    Seen,
    SetOption,
    SetUserId,
    Show,
    Storage,
    Track,
    Window,
    after,
    attribute,
    change,
    cookie_pair,
    cookie_value,
    fresh,
    gids,
    gioenc,
    gioenc_decode,
    handover_query,
    name_uuid,
    sources,
    step,
    stored,
    stored_visitor_id,
    visitor_id,
    xor_body,
)
from idweave.core.visitor.handover import read_url
from idweave.core.visitor.lifecycle import HANDLERS
from idweave.core.visitor.stores import StoreKind
from idweave.core.visitor.text import cut, units

UUID = "5f0c1a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
OTHER = "0a1b2c3d-0000-4000-8000-000000000000"
BAD = ["9774d56d682e549c", "0123456789abcdef", "0000000000000000", "----", "", "00000000-1"]

any_text = st.text(st.characters(exclude_categories=[]), max_size=6)
hardware = st.none() | st.sampled_from([*BAD, "c71972f5ace2b4f9", UUID]) | any_text
hints = st.builds(
    Hints,
    **dict.fromkeys(("android_id", "imei", "custom_device_id", "idfa", "idfv"), hardware),
    **dict.fromkeys(("custom", "block", "platform_uuid"), hardware),
    **dict.fromkeys(("android_id_enabled", "imei_enabled"), st.booleans()),
    **dict.fromkeys(("read_phone_state", "custom_block"), st.booleans()),
)
slots = st.dictionaries(
    st.sampled_from(sorted({slot.key for row in PROFILES.values() for slot in row.slots})),
    hardware.map(lambda text: text or ""),
    max_size=3,
).map(stored)
profiles = st.sampled_from(list(PROFILES.values()))


def numbers() -> Callable[[], str]:
    counter = count(1)
    return lambda: f"id-{next(counter)}"


# --- chains ---------------------------------------------------------------------------------------


@given(profiles, hints, slots)
def test_the_same_device_has_the_same_id_and_only_what_was_accepted_makes_one(
    rules: Profile, device: Hints, kept: Storage
) -> None:
    before = dict(kept)
    found = visitor_id(rules, device, kept, UUID)
    assert found == visitor_id(rules.name, device, kept, UUID)
    assert kept == before
    assert found.value
    for link in rules.chain:
        if link.source == found.source and link.hint:
            text = device.text(link.hint)
            assert link.accepted(text)
            assert found.value == link.transform(text)


@given(profiles, hints, hints, slots)
def test_an_id_once_stored_wins_over_every_source_that_appears_later(
    rules: Profile, device: Hints, later: Hints, kept: Storage
) -> None:
    device = replace(device, custom_device_id=None, custom_block=False)
    later = replace(later, custom_device_id=None, custom_block=False)
    found = visitor_id(rules, device, kept, UUID)
    again = visitor_id(rules, later, found.storage, OTHER)
    assert rules.keeps is None or again.value == found.value


@given(st.sampled_from([row for row in PROFILES.values() if row.family == "android"]), hints)
def test_the_shared_android_id_never_makes_an_id(rules: Profile, device: Hints) -> None:
    found = visitor_id(rules, replace(device, android_id=BAD[0], imei=None), {}, UUID)
    assert found.value != name_uuid(BAD[0])


# --- what changes an id ---------------------------------------------------------------------------


def hinted(rules: Profile, source: str, value: str) -> Hints:
    """A device on which this source, and no stronger one, yields an id."""
    switches = dict.fromkeys(("android_id_enabled", "imei_enabled", "read_phone_state"), True)
    link = next((link for link in rules.chain if link.source == source), None)
    texts = {link.hint: value} if link else {}
    return Hints(**switches, **texts, custom_block=source == "custom")  # type: ignore[arg-type]


MEETINGS = [
    (rules, source, row)
    for rules in PROFILES.values()
    for source in sources(rules)
    for row in CONDITIONS
    if rules.family in row.families and source != "openid"
]


@pytest.mark.parametrize(
    ("rules", "source", "row"),
    MEETINGS,
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_condition_changes_an_id_exactly_as_the_table_says(
    rules: Profile, source: str, row: Condition
) -> None:
    link = next((link for link in rules.chain if link.source == source), None)
    is_renewed = link is not None and link.hint in row.renews
    runs_on = rules.keeps is None and StoreKind.MEMORY not in row.empties
    first = visitor_id(rules, hinted(rules, source, UUID), {}, UUID)
    left = after(rules, row.name, first.storage)
    device = hinted(rules, source, OTHER if is_renewed else UUID)
    second = first if runs_on else visitor_id(rules, device, left, OTHER)
    assert first.source == source
    assert (first.value != second.value) is (change(rules, source, row) is Change.ALWAYS)


@pytest.mark.parametrize("row", [r for r in CONDITIONS if "mini program" in r.families])
def test_an_openid_changes_with_the_person_and_the_mini_program_alone(row: Condition) -> None:
    rules = PROFILES["wechat-4"]
    openid = "oDEF" if "openid" in row.renews else "oABC"
    draw, state = numbers(), fresh(rules.name)
    init = Init({"forceLogin": True})
    for op in (init, Identify("oABC"), Happen(row.name), Restart(), init, Identify(openid)):
        state = step(state, op, 0, draw).state
    is_new = stored_visitor_id(state, 0) != "oABC"
    assert is_new is (change(rules, "openid", row) is Change.ALWAYS)


# --- lives ----------------------------------------------------------------------------------------

USERS = ["A", "B", "", "  ", "null", "x" * 1001]
OPTIONS: list[dict[str, object]] = [
    {},
    {"forceLogin": True},
    {"idMapping": True},
    {"sessionExpires": 1},
]
inits = st.sampled_from(OPTIONS).map(
    lambda options: Init({"projectId": "p1", **options}, url="https://a.example.com/")
)
ops: st.SearchStrategy[Op] = st.one_of(
    inits,
    st.just(Track("e")),
    st.builds(Identify, st.sampled_from(["oABC", "oDEF", "", 0, 5, None])),
    st.builds(SetUserId, st.sampled_from(USERS), st.sampled_from([None, "phone"])),
    st.just(ClearUserId()),
    st.builds(SetOption, st.sampled_from(["forceLogin", "dataCollect"]), st.booleans()),
    st.builds(Show, st.sampled_from(["", "1001", "1047"])),
    st.just(Hide()),
    st.just(Restart()),
)
calls = st.lists(st.tuples(ops, st.sampled_from([0, 1, 31, 400, 2000])), max_size=14)


@given(st.sampled_from(["web-4", "wechat-4", "android-4.2", "ios-4"]), inits, calls)
@settings(max_examples=300, deadline=None)
def test_only_identify_changes_the_id_of_a_living_device(
    name: str, init: Op, played: list[tuple[Op, int]]
) -> None:
    draw, now_ms = numbers(), 0
    state = step(fresh(name), init, now_ms, draw).state
    for op, seconds in played:
        now_ms += seconds * 1000
        if type(op) not in HANDLERS[state.profile.family]:
            continue
        before, was_forced = stored_visitor_id(state, now_ms), state.options.force_login
        done = step(state, op, now_ms, draw)
        now, state = stored_visitor_id(done.state, now_ms), done.state
        assert now == before or (isinstance(op, Identify) and was_forced)
        assert all(event.device_id == now for event in done.sent)


@given(st.sampled_from(LIVING), inits, calls)
@settings(max_examples=300, deadline=None)
def test_no_session_holds_two_users(name: str, init: Op, played: list[tuple[Op, int]]) -> None:
    draw, now_ms = numbers(), 0
    state, users = fresh(name), dict[str, set[str]]()
    for op, seconds in [(init, 0), *played]:
        now_ms += seconds * 1000
        if type(op) in HANDLERS[state.profile.family]:
            done = step(state, op, now_ms, draw)
            state = done.state
            for event in done.sent:
                users.setdefault(event.session_id, set()).add(event.user_id.strip())
    assert all(len(seen - {""}) <= 1 for seen in users.values())


@given(st.sampled_from(["web-4", "wechat-4"]), calls)
@settings(max_examples=200, deadline=None)
def test_under_force_login_nothing_leaves_before_identify(
    name: str, played: list[tuple[Op, int]]
) -> None:
    draw, now_ms, init = numbers(), 0, Init({"forceLogin": True}, url="https://a.example.com/")
    state = step(fresh(name), init, now_ms, draw).state
    for op, seconds in played:
        now_ms += seconds * 1000
        is_quiet = isinstance(op, Track | SetUserId | ClearUserId | Show | Hide)
        if is_quiet and type(op) in HANDLERS[state.profile.family]:
            done = step(state, op, now_ms, draw)
            state = done.state
            assert done.sent == ()


def test_every_store_a_slot_is_in_is_emptied_by_some_condition_of_its_platform() -> None:
    for rules in PROFILES.values():
        emptied = {
            kind for row in CONDITIONS if rules.family in row.families for kind in row.empties
        }
        assert {slot.kind for slot in rules.slots} <= emptied <= set(StoreKind)


# --- text and the server --------------------------------------------------------------------------


@given(any_text, st.integers(0, 8))
def test_a_cut_is_a_beginning_of_at_most_that_many_units(text: str, units_max: int) -> None:
    found = cut(text, units_max)
    joined = text.encode("utf-16-le", "surrogatepass")
    assert joined.startswith(found.encode("utf-16-le", "surrogatepass"))
    assert units(found) == min(units(text), units_max)


@given(st.text(st.characters(exclude_characters="[`", exclude_categories=["Cs"]), min_size=1))
def test_a_cookie_that_the_sdk_wrote_reads_back_but_for_two_characters(text: str) -> None:
    assert gioenc_decode(gioenc(text)) == text
    if '"' not in text:
        assert cookie_value(cookie_pair("n", text).partition("=")[2]) == text


@given(st.builds(Handover, *[st.text("a%&=+ é/😀", max_size=5)] * 9))
def test_a_hand_over_survives_its_url(handover: Handover) -> None:
    assert read_url(f"https://h.example.com/p?{handover_query(handover)}") == handover


@given(st.integers(0, 2**60), st.binary(max_size=40))
def test_the_body_code_is_its_own_inverse(sent_ms: int, body: bytes) -> None:
    assert xor_body(sent_ms, xor_body(sent_ms, body)) == body


seen = st.builds(Seen, st.sampled_from("cde"), st.none() | st.sampled_from(["u1", "u2"]))


@given(st.lists(seen, max_size=12), st.integers(0, 12))
def test_a_stored_gid_is_never_rewritten(events: list[Seen], length: int) -> None:
    assert gids(events[:length]) == gids(events)[:length]


@given(st.lists(seen, min_size=1, max_size=12))
def test_a_login_is_one_gid_and_attribution_never_adds_users(events: list[Seen]) -> None:
    stored_gids = gids(events)
    of_login: dict[str, set[int]] = {}
    for event, gid in zip(events, stored_gids, strict=True):
        if event.login:
            of_login.setdefault(event.login, set()).add(gid)
    assert all(len(found) == 1 for found in of_login.values())
    found = attribute(events, Window(1, len(events)))
    assert found.logins <= found.users <= len(set(stored_gids))
