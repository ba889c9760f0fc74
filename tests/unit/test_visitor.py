"""Chains, stores and small rules of visitor ids: one row, one sentence."""

from __future__ import annotations

import re
from dataclasses import fields
from types import FunctionType

import pytest

from idweave.core import visitor
from idweave.core.errors import InputError
from idweave.core.identity import Identity
from idweave.core.policy_file import preset
from idweave.core.visitor import (
    CONDITIONS,
    GIO_DEVICE_KEY,
    HINTS,
    LIVING,
    MINI_PLATFORMS,
    PROFILES,
    Change,
    Handover,
    Hints,
    Seen,
    Window,
    after,
    attribute,
    change,
    change_rows,
    cookie_value,
    gids,
    gioenc,
    gioenc_decode,
    handover_query,
    hints_from,
    is_identity,
    is_mini_identity,
    name_uuid,
    profile,
    read_options,
    sources,
    stored,
    visitor_id,
    visitor_identity,
)
from idweave.core.visitor.browser import cookie_domain, cookie_domains, has_cookies, host_of
from idweave.core.visitor.handover import dump, load, read_url, without_parameters
from idweave.core.visitor.options import FIELDS, OPTIONS
from idweave.core.visitor.stores import Family, StoreKind
from idweave.core.visitor.text import cut, is_web_login, js_text, units
from tests.test_house import is_documented, is_typed, public_functions

UUID = "5f0c1a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
IDFV = "7B1D2C3E-4F50-4A6B-8C7D-9E0F1A2B3C4D"


def never() -> str:
    raise AssertionError("a random id was drawn without need")


# --- the tables -----------------------------------------------------------------------------------


def test_every_hint_has_a_row_of_help_in_the_same_order() -> None:
    assert [row.name for row in HINTS] == [field.name for field in fields(Hints)]


def test_every_hint_is_read_by_some_profile() -> None:
    read = {row.name for rules in PROFILES.values() for row in rules.hints}
    assert read == {row.name for row in HINTS}


def test_every_profile_is_found_by_its_name_and_starts_with_its_platform() -> None:
    for name, rules in PROFILES.items():
        assert profile(name) is rules
        assert name.rpartition("-")[0] == rules.platform


def test_a_link_reads_a_hint_or_a_slot_and_never_both() -> None:
    for rules in PROFILES.values():
        assert all(bool(link.hint) != (link.slot is not None) for link in rules.chain)


def test_every_mini_program_host_has_both_generations() -> None:
    assert {f"{host}-{version}" for host in MINI_PLATFORMS for version in ("3.7", "4")} <= set(
        PROFILES
    )


def test_every_platform_but_the_mac_and_qt_has_a_whole_life() -> None:
    assert {PROFILES[name].family for name in set(PROFILES) - set(LIVING)} == {
        Family.MAC,
        Family.QT,
    }


def test_every_kind_of_store_is_emptied_by_some_condition() -> None:
    assert frozenset().union(*(row.empties for row in CONDITIONS)) == set(StoreKind)


def test_every_option_has_a_row_by_which_an_app_gives_it() -> None:
    assert {row.field for row in OPTIONS} == set(FIELDS)


@pytest.mark.parametrize("name", visitor.__all__)
def test_the_face_is_typed_and_documented(name: str) -> None:
    value = getattr(visitor, name)
    if isinstance(value, type | FunctionType):
        assert is_documented(value)
    assert all(is_typed(f) and is_documented(f) for _, f in public_functions(value))


# --- chains ---------------------------------------------------------------------------------------


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match=re.escape("android-4.2")):
        visitor_id("android-9", Hints(), {}, UUID)


def test_a_random_id_is_asked_for_only_when_no_source_yields_one() -> None:
    hints = Hints(android_id="c71972f5ace2b4f9", android_id_enabled=True)
    found = visitor_id("android-4.2", hints, {}, never)
    assert found.value == "ef512d03-9912-377f-8e6e-2bc27c9c6b9b"


def test_a_callable_is_asked_for_the_random_id() -> None:
    assert visitor_id("android-4.2", Hints(), {}, lambda: UUID).value == UUID


def test_a_default_install_of_android_4_ignores_the_android_id() -> None:
    found = visitor_id("android-4.2", Hints(android_id="c71972f5ace2b4f9"), {}, UUID)
    assert found.source == "random"


def test_apples_random_ids_are_upper_case() -> None:
    assert visitor_id("ios-4", Hints(), {}, UUID).value == UUID.upper()


def test_a_mac_stores_nothing() -> None:
    assert visitor_id("macos-4", Hints(platform_uuid=IDFV), {}, never).storage == {}


@pytest.mark.parametrize("key", ["GROWINGIO_CUSTOM_U_KEY", "GROWINGIO_KEYCHAIN_KEY"])
def test_an_upgrade_from_ios_2_moves_the_old_keychain_id(key: str) -> None:
    found = visitor_id("ios-4", Hints(idfa=IDFV), stored({key: "old-1"}), never)
    assert found.value == "old-1"
    assert found.storage == stored({key: "old-1", "kGrowingIOKeychainUserIdKey": "old-1"})


def test_the_custom_id_of_ios_2_wins_over_the_stored_one_in_an_upgrade() -> None:
    old = stored({"GROWINGIO_KEYCHAIN_KEY": "kc", "GROWINGIO_CUSTOM_U_KEY": "custom"})
    assert visitor_id("ios-4", Hints(), old, never).value == "custom"


def test_an_upgrade_of_the_web_sdk_moves_the_old_cookie() -> None:
    found = visitor_id("web-4", Hints(), stored({"gr_user_id": "old-1"}), never)
    assert found.storage == stored({"gr_user_id": "old-1", "gdp_user_id": "old-1"})


def test_the_storage_given_is_left_alone() -> None:
    storage = stored({})
    visitor_id("android-4.2", Hints(), storage, UUID)
    assert storage == {}


def test_hints_come_out_of_a_mapping_by_name() -> None:
    given = {"android_id": "a", "imei_enabled": True, "imei": None}
    assert hints_from(given) == Hints(android_id="a", imei_enabled=True)


@pytest.mark.parametrize("given", [{"oaid": "x"}, {"imei": 5}, {"imei_enabled": "yes"}])
def test_a_hint_of_unknown_name_or_wrong_type_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InputError):
        hints_from(given)


# --- what happens to devices ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "condition"),
    [("android-4.2", "app_transfer"), ("web-4", "reinstall"), ("wechat-4", "no_such_thing")],
)
def test_a_condition_that_cannot_happen_is_refused(name: str, condition: str) -> None:
    with pytest.raises(InputError, match="Take one of"):
        after(name, condition, {})


def test_a_reinstall_of_an_ios_app_loses_the_login_but_not_the_visitor() -> None:
    kept = stored({"kGrowingIOKeychainUserIdKey": "v"})
    login = stored({"growingio.userdefault.loginUserId": "A"})
    assert after("ios-4", "reinstall", {**kept, **login}) == kept


def test_clearing_cookies_leaves_local_storage() -> None:
    local = stored({"gdp_user_id": "v"}, "origin:shop.example.com")
    assert (
        after("web-4", "clear_cookies", {**local, **stored({"gdp_user_id": "w"}, "a.b")}) == local
    )


CHANGES = [
    ("web-4", "random", "subdomain", Change.NEVER),
    ("web-4", "random", "private_window", Change.ALWAYS),
    ("ios-4", "idfa", "reinstall", Change.NEVER),
    ("ios-4", "idfv", "app_transfer", Change.ALWAYS),
    ("ios-4", "idfa", "permission_revoked", Change.NEVER),
    ("macos-4", "platform_uuid", "restart", Change.SOURCE),
    ("macos-4", "random", "restart", Change.ALWAYS),
    ("android-4.2", "random", "reinstall", Change.ALWAYS),
    ("android-4.2", "android_id", "reinstall", Change.SOURCE),
    ("android-4.2", "android_id", "erase_all", Change.ALWAYS),
    ("android-4.2", "random", "upgrade", Change.NEVER),
    ("wechat-4", "random", "delete_miniprogram", Change.ALWAYS),
    ("wechat-4", "random", "user_switch", Change.NEVER),
    ("wechat-4", "openid", "delete_miniprogram", Change.NEVER),
    ("wechat-4", "openid", "other_device", Change.NEVER),
    ("wechat-4", "openid", "other_person", Change.ALWAYS),
]


@pytest.mark.parametrize(("name", "source", "condition", "expected"), CHANGES)
def test_the_table_of_changes_says_what_the_vendor_documents(
    name: str, source: str, condition: str, expected: Change
) -> None:
    assert [
        row.change
        for row in change_rows()
        if (row.profile, row.source, row.condition) == (name, source, condition)
    ] == [expected]


def test_login_logout_and_a_session_s_end_never_change_an_id() -> None:
    quiet = {"login", "logout", "user_switch", "session_expiry"}
    found = {row.change for row in change_rows() if row.condition in quiet}
    assert found == {Change.NEVER}


def test_openid_is_a_source_of_mini_programs_alone() -> None:
    with_openid = {r.family for r in PROFILES.values() if "openid" in sources(r)}
    assert with_openid == {Family.MINI_PROGRAM}
    row = next(row for row in CONDITIONS if row.name == "other_person")
    assert change(profile("wechat-4"), "openid", row) is Change.ALWAYS


# --- text -----------------------------------------------------------------------------------------


def test_the_pair_that_the_vendor_printed() -> None:
    assert name_uuid("c71972f5ace2b4f9") == "ef512d03-9912-377f-8e6e-2bc27c9c6b9b"


def test_length_counts_utf16_units() -> None:
    assert (units("ab"), units("😀"), units("")) == (2, 2, 0)


def test_a_cut_may_halve_a_pair() -> None:
    assert cut("a😀", 2) == "a\ud83d"
    assert cut("a😀", 3) == "a😀"


JS_TEXTS: list[tuple[object, str]] = [
    (True, "true"),
    (False, "false"),
    (None, ""),
    ([], ""),
    (0, "0"),
    (-0.0, "0"),
    (12345.0, "12345"),
    (1.5, "1.5"),
    (2**53, "9007199254740992"),
    (2**53 + 1, "9007199254740992"),
    (1e21, "1e+21"),
    (1.5e300, "1.5e+300"),
    (1e20, "100000000000000000000"),
    (0.00001, "0.00001"),
    (1e-7, "1e-7"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    (float("nan"), "NaN"),
    (10**400, "Infinity"),
    (-(10**400), "-Infinity"),
]


@pytest.mark.parametrize(("value", "text"), JS_TEXTS)
def test_values_become_the_text_that_javascript_writes(value: object, text: str) -> None:
    assert js_text(value) == text


@pytest.mark.parametrize("value", [True, False, None, "", 0, -1, [], {}, float("nan")])
def test_identify_takes_neither_switches_nor_nothing(value: object) -> None:
    assert not is_identity(value)
    assert not is_mini_identity(value)


@pytest.mark.parametrize("value", [0, -3, "0", " C ", True])
def test_the_web_logs_in_whatever_does_not_read_as_blank(value: object) -> None:
    assert is_web_login(value)


@pytest.mark.parametrize("value", ["", "  \u3000\ufeff", None, [], {}])
def test_the_web_logs_out_what_reads_as_blank(value: object) -> None:
    assert not is_web_login(value)


# --- cookies --------------------------------------------------------------------------------------


def test_gioenc_flips_utf16_units() -> None:
    assert gioenc("😀") == "gioenc-\U0001f201"


def test_a_prefix_with_nothing_behind_it_stays() -> None:
    assert gioenc_decode("gioenc-") == "gioenc-"


@pytest.mark.parametrize(
    ("raw", "text"),
    [("gioenc-nACB", "oABC"), ("gioenc-fhndob%2Cy", "gioenc-x"), ("plain", "plain"), ('"q"', "q")],
)
def test_a_cookie_is_percent_decoded_then_gioenc_decoded(raw: str, text: str) -> None:
    assert cookie_value(raw) == text


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.shop.example.com", "example.com"),
        ("example.com", "example.com"),
        ("www.shop.com.cn", "shop.com.cn"),
        ("com.cn", "com.cn"),
        ("192.168.0.7", "192.168.0.7"),
        ("intranet", "intranet"),
    ],
)
def test_cookies_are_set_on_the_widest_domain(host: str, domain: str) -> None:
    assert cookie_domain(host) == domain


def test_a_public_suffix_is_the_browsers_to_refuse() -> None:
    found = cookie_domain("me.pages.dev", settable=lambda domain: domain != "pages.dev")
    assert found == "me.pages.dev"
    assert cookie_domains("a.b.c.d.e") == ("d.e", "c.d.e", "b.c.d.e", "a.b.c.d.e")


def test_the_app_may_narrow_the_cookie_domain_but_not_leave_its_host() -> None:
    assert cookie_domain("a.shop.example.com", "shop.example.com") == "shop.example.com"
    assert cookie_domain("a.shop.example.com", ".other.com") == "example.com"


def test_local_pages_and_files_have_no_cookies() -> None:
    assert has_cookies("https://shop.example.com/")
    assert not any(map(has_cookies, ["file:///a", "http://localhost:80/", "http://127.0.0.1/", ""]))


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(InputError, match="no URL"):
        host_of("http://[half")


# --- hand-over ------------------------------------------------------------------------------------

HANDOVER = Handover("wx1", "u 1&", "MinP", "p1", "s1", "oABC", "true", "d1", "")


def test_a_handover_reads_back_from_the_url_it_wrote() -> None:
    assert read_url(f"https://h5.example.com/p?x=1&{handover_query(HANDOVER)}") == HANDOVER


def test_a_handover_reads_back_from_local_storage() -> None:
    assert load(dump(HANDOVER)) == HANDOVER


def test_a_handover_that_the_released_sdk_kept_is_read() -> None:
    kept = load('{"gioprojectid": "p1", "giodatacollect": true, "x": 1}')
    assert kept == Handover(project_id="p1", data_collect="true")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"gioprojectid"'])
def test_what_is_no_handover_is_none(text: str) -> None:
    assert load(text) is None


def test_a_url_without_the_project_hands_nothing_over() -> None:
    assert read_url("https://h5.example.com/p?giou=oABC") is None


def test_words_for_nothing_are_empty_and_names_have_no_case() -> None:
    found = read_url("https://h/p?gioprojectid=p1&GIOU=undefined&giocs1=null&gios")
    assert found == Handover(project_id="p1", visitor_id="", user_id="", session_id="")


def test_the_address_loses_the_parameters_and_keeps_the_pages_own() -> None:
    url = f"https://h/p?x=1&{handover_query(HANDOVER)}&gioscreenwidth=9&y#z"
    assert without_parameters(url) == "https://h/p?x=1&y#z"
    assert without_parameters("https://h/p?giou=1") == "https://h/p?giou=1"


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "minutes"), [(None, 30), (2.5, 3), (0, 30), (361, 30), ("9", 30), (True, 30)]
)
def test_a_web_session_lasts_what_the_sdk_makes_of_the_option(
    given: object, minutes: float
) -> None:
    assert read_options(Family.WEB, {"sessionExpires": given}).session_expires_min == minutes


@pytest.mark.parametrize(("given", "minutes"), [(None, None), (1, 1), (1441, None), ("1", None)])
def test_a_mini_program_session_expires_only_when_told(
    given: object, minutes: float | None
) -> None:
    options = read_options(Family.MINI_PROGRAM, {"sessionExpires": given})
    assert options.session_expires_min == minutes


@pytest.mark.parametrize(
    ("given", "is_on"),
    [
        ({}, False),
        ({"enableIdMapping": True}, True),
        ({"enableIdMapping": True, "idMapping": False}, True),
        ({"idMapping": "yes"}, False),
    ],
)
def test_either_name_of_id_mapping_switches_it_on(given: dict[str, object], is_on: bool) -> None:
    assert read_options(Family.WEB, given).id_mapping is is_on


def test_a_page_may_only_call_itself_what_the_sdk_knows() -> None:
    assert read_options(Family.WEB, {"platform": "wxwv"}).platform == "wxwv"
    assert read_options(Family.WEB, {"platform": "fridge"}).platform == "web"


# --- the graph and the server ---------------------------------------------------------------------


@pytest.mark.parametrize(("value", "text"), [(" oABC ", "oABC"), (True, "true"), (7, "7")])
def test_a_visitor_id_enters_the_graph_under_its_key(value: object, text: str) -> None:
    assert visitor_identity(value) == Identity(GIO_DEVICE_KEY, text)


@pytest.mark.parametrize("value", [None, "", "  ", [], {}])
def test_what_names_nobody_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="no visitor id"):
        visitor_identity(value)


def test_the_sensors_preset_declares_the_key() -> None:
    assert preset("sensors").links(visitor_identity("oABC"))


def test_an_event_of_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="neither device nor login"):
        gids([Seen(None)])


def test_a_window_sees_nothing_outside_of_it() -> None:
    events = [Seen("c"), Seen("c", "u1"), Seen("c")]
    assert attribute(events, Window(1, 1)).users == 1
    assert attribute(events, Window(1, 1)).remap == {}
    assert attribute(events, Window(1, 2)).remap == {1: 2}
