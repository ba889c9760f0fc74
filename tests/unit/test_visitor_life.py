"""Whole lives: what the recorded traces do not reach, call by call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from idweave.core.errors import InputError
from idweave.core.visitor import (
    ClearUserId,
    Event,
    Happen,
    Hide,
    Hints,
    Identify,
    Init,
    Op,
    Restart,
    SetOption,
    SetUserId,
    Show,
    State,
    Track,
    fresh,
    hand_over,
    handover_query,
    step,
    stored,
    stored_visitor_id,
)
from idweave.core.visitor.stores import read

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
PAGE = "https://www.shop.example.com/"


def numbers() -> Callable[[], str]:
    counter = count(1)
    return lambda: f"id-{next(counter)}"


@dataclass
class Life:
    """A device that remembers what it sent; the clock stands still unless told."""

    state: State
    now_ms: int = 1_700_000_000_000
    sent: list[Event] = field(default_factory=list)
    draw: Callable[[], str] = field(default_factory=numbers)

    def do(self, *ops: Op) -> None:
        for op in ops:
            done = step(self.state, op, self.now_ms, self.draw)
            self.state = done.state
            self.sent += done.sent

    def types(self) -> str:
        return " ".join(event.name or event.type for event in self.sent)

    def sessions(self) -> int:
        return len({event.session_id for event in self.sent})

    @property
    def visitor(self) -> str:
        return stored_visitor_id(self.state, self.now_ms)


def web(*, url: str = PAGE, **options: object) -> Life:
    life = Life(fresh("web-4"))
    life.do(Init({"projectId": "p1", **options}, url=url))
    return life


def mini(**options: object) -> Life:
    life = Life(fresh("wechat-4"))
    life.do(Init({"projectId": "p1", "appId": "wx1", **options}), Show("1001"))
    return life


def android(**options: object) -> Life:
    life = Life(fresh("android-4.2"))
    life.do(Init(options))
    return life


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web-4", "wechat-4", "android-4.2", "ios-4"])
def test_calls_before_init_do_nothing(name: str) -> None:
    life = Life(fresh(name))
    life.do(Track("e"), SetUserId("A"), ClearUserId())
    assert (life.sent, life.state) == ([], fresh(name))


@pytest.mark.parametrize("name", ["web-4", "wechat-4", "android-4.2", "ios-4"])
def test_a_second_init_does_nothing(name: str) -> None:
    life = Life(fresh(name))
    life.do(Init(url=PAGE))
    once = life.state
    life.do(Init({"forceLogin": True}))
    assert life.state == once


@pytest.mark.parametrize(
    ("name", "op", "having"),
    [
        ("android-4.2", Identify("o"), "web, mini program"),
        ("web-4", Hide(), "android, apple, harmonyos, mini program"),
        ("qt-4", Init(), "android, apple, harmonyos, web, mini program"),
    ],
)
def test_a_call_that_a_platform_lacks_names_those_that_have_it(
    name: str, op: Op, having: str
) -> None:
    with pytest.raises(InputError, match=f"These do: {having}"):
        step(fresh(name), op, 0, numbers())


@pytest.mark.parametrize("life", [web, mini, android], ids=["web", "mini", "android"])
def test_switched_off_nothing_is_collected(life: Callable[..., Life]) -> None:
    quiet = life(dataCollect=False)
    quiet.do(Track("e"))
    assert quiet.sent == []
    assert quiet.visitor


@pytest.mark.parametrize("life", [web, mini], ids=["web", "mini"])
def test_collecting_again_begins_a_session(life: Callable[..., Life]) -> None:
    quiet = life(dataCollect=False)
    quiet.do(SetOption("dataCollect", True), Track("e"))
    assert quiet.types() in ("VISIT PAGE e", "VISIT e")


@pytest.mark.parametrize("life", [web, mini], ids=["web", "mini"])
def test_an_option_of_wrong_name_or_type_does_nothing(life: Callable[..., Life]) -> None:
    one = life()
    before = one.state
    one.do(SetOption("projectId", "p2"), SetOption("dataCollect", "no"))
    assert one.state == before


def test_a_condition_that_ends_the_process_loses_what_was_held() -> None:
    life = mini(forceLogin=True)
    life.do(Happen("delete_miniprogram"), Init({"forceLogin": True}), Identify("oABC"))
    assert (life.sent, life.visitor) == ([], "oABC")


def test_a_condition_happens_to_platforms_without_a_known_life_too() -> None:
    state = State(fresh("qt-4").profile, stored({"device_id": "v"}))
    assert step(state, Happen("clear_data"), 0, numbers()).state.storage == {}


def test_what_is_stored_on_a_mac_is_nothing() -> None:
    assert stored_visitor_id(fresh("macos-4"), 0) == ""


# --- web ------------------------------------------------------------------------------------------


def test_a_session_slides_with_what_is_sent() -> None:
    life = web()
    for _ in range(3):
        life.now_ms += 20 * MINUTE_MS
        life.do(Track("e"))
    assert (life.types(), life.sessions()) == ("VISIT PAGE e e e", 1)


def test_a_session_does_not_slide_with_what_is_held() -> None:
    life = web(forceLogin=True)
    for _ in range(2):
        life.now_ms += 20 * MINUTE_MS
        life.do(Track("e"))
    life.do(Identify("o1"))
    assert (life.types(), life.sessions()) == ("VISIT PAGE e", 1)


def test_events_released_after_their_session_go_before_the_next_sessions() -> None:
    life = web(forceLogin=True)
    life.do(Track("e"))
    life.now_ms += 40 * MINUTE_MS
    life.do(Identify("o1"))
    assert (life.types(), life.sessions()) == ("VISIT PAGE e VISIT PAGE", 2)
    assert {event.device_id for event in life.sent} == {"o1"}


def test_force_login_switched_off_lets_held_events_go_with_the_next_one() -> None:
    life = web(forceLogin=True)
    life.do(SetOption("forceLogin", False))
    assert life.sent == []
    life.do(Track("e"))
    assert life.types() == "VISIT PAGE e"


def test_a_visit_makes_its_user_the_last_one() -> None:
    old = stored({"p1_gdp_cs1": "C", "p1_gdp_gio_id": "A"}, "example.com")
    life = Life(State(fresh("web-4").profile, old))
    life.do(Init({"projectId": "p1"}, url=PAGE), SetUserId("C"))
    assert life.sessions() == 1


def test_an_upgrade_comes_before_a_hand_over() -> None:
    old = stored({"gr_user_id": "v", "p1_gr_cs1": "A"}, "example.com")
    life = Life(State(fresh("web-4").profile, old))
    url = "https://h5.example.com/?gioprojectid=p1&gioappid=wx1&giou=o"
    life.do(Init({"projectId": "p1", "appId": "wx1"}, url=url))
    assert (life.visitor, life.sent[0].user_id) == ("o", "")


def test_another_user_under_force_login_loses_what_was_held() -> None:
    life = web(forceLogin=True)
    life.do(SetUserId("A"), Track("e1"), SetUserId("B"), Track("e2"), Identify("o1"))
    assert life.types() == "VISIT PAGE e2"


def test_another_registrable_domain_is_another_visitor() -> None:
    life = web()
    first = life.visitor
    life.do(Restart("https://shop.example.net/"))
    assert life.visitor == ""
    life.do(Init({"projectId": "p1"}))
    assert life.visitor not in ("", first)


def test_local_storage_belongs_to_one_host() -> None:
    life = web(storageType="localStorage")
    first = life.visitor
    life.do(Restart(), Init({"projectId": "p1", "storageType": "localstorage"}))
    assert life.visitor == first
    life.do(Restart("https://m.shop.example.com/"))
    life.do(Init({"projectId": "p1", "storageType": "localstorage"}))
    assert life.visitor != first


def test_a_page_on_the_local_machine_uses_local_storage() -> None:
    life = web(url="http://localhost:8080/")
    assert {place.scope for place in life.state.storage} == {"origin:localhost"}


@pytest.mark.parametrize(("storage", "days"), [("cookie", 400), ("localstorage", 1095)])
def test_an_id_lasts_a_fixed_time_from_the_last_visit_on(storage: str, days: int) -> None:
    options = {"projectId": "p1", "storageType": storage}
    life = web(storageType=storage)
    first = life.visitor
    life.now_ms += 300 * DAY_MS
    life.do(Restart(), Init(options))
    life.now_ms += (days - 1) * DAY_MS
    assert life.visitor == first
    life.now_ms += DAY_MS
    assert life.visitor == ""


def test_two_projects_share_the_visitor_and_nothing_else() -> None:
    life = web()
    life.do(SetUserId("A"))
    first = life.visitor
    life.do(Restart(), Init({"projectId": "p2"}), Track("e"))
    assert (life.visitor, life.sent[-1].user_id) == (first, "")


def test_the_2x_cookies_are_gone_after_an_upgrade() -> None:
    old = stored({"gr_user_id": "v", "p1_gr_cs1": "A"}, "example.com")
    life = Life(State(fresh("web-4").profile, old))
    life.do(Init({"projectId": "p1"}, url=PAGE))
    keys = {place.key for place in life.state.storage}
    assert (life.visitor, keys & {"gr_user_id", "p1_gr_cs1"}) == ("v", set())


def test_pages_can_be_left_out() -> None:
    assert web(trackPage=False).types() == "VISIT"


def test_force_login_can_come_back_on_the_web_and_not_in_mini_programs() -> None:
    for life, types in ((web(), "VISIT PAGE"), (mini(), "VISIT e")):
        life.do(SetOption("forceLogin", True), Track("e"))
        assert life.types() == types


# --- hand-over ------------------------------------------------------------------------------------


def opened(*, app_id: str = "wx1") -> tuple[Life, Life]:
    """A mini program with a user, and the page it opened."""
    app = mini(idMapping=True, dataSourceId="ds")
    app.do(SetUserId("u1", "phone"))
    done, handover = hand_over(app.state, app.now_ms, app.draw)
    app.state = done.state
    url = f"https://h5.example.com/p?x=1&{handover_query(handover)}"
    page = Life(fresh("web-4"))
    page.do(Init({"projectId": "p1", "appId": app_id, "idMapping": True}, url=url), Track("e"))
    return app, page


def test_a_web_view_speaks_as_the_mini_program_that_opened_it() -> None:
    app, page = opened()
    visit, event = app.sent[0], page.sent[-1]
    assert page.types() == "PAGE e"
    assert (event.device_id, event.session_id) == (visit.device_id, visit.session_id)
    assert (event.user_id, event.user_key, event.platform) == ("u1", "phone", "MinP")
    assert (event.domain, event.data_source_id) == ("wx1", "ds")


def test_a_web_view_of_another_mini_program_is_a_visitor_of_its_own() -> None:
    app, page = opened(app_id="wx2")
    assert page.types() == "VISIT PAGE e"
    assert page.visitor != app.visitor


def test_a_reload_keeps_the_hand_over() -> None:
    app, page = opened()
    options = {"projectId": "p1", "appId": "wx1"}
    page.do(Restart(), Init(options))
    assert page.state.url == "https://h5.example.com/p?x=1"
    assert (page.types(), page.visitor) == ("PAGE e PAGE", app.visitor)


def test_a_handed_over_page_cannot_change_the_user() -> None:
    _, page = opened()
    page.do(SetUserId("B"), ClearUserId(), SetOption("dataCollect", False), Track("f"))
    assert (page.sent[-1].name, page.sent[-1].user_id) == ("f", "u1")


def test_a_handed_over_session_does_not_expire() -> None:
    _, page = opened()
    page.now_ms += 90 * MINUTE_MS
    page.do(Track("f"))
    assert (page.types(), page.sessions()) == ("PAGE e f", 1)


def test_a_mini_program_that_does_not_collect_keeps_its_page_from_it() -> None:
    url = "https://h5.example.com/?gioprojectid=p1&gioappid=wx1&giodatacollect=false&giou=o"
    page = web(url=url, appId="wx1")
    assert (page.sent, page.visitor) == ([], "o")


def test_a_hand_over_without_a_visitor_draws_one() -> None:
    page = web(url="https://h5.example.com/?gioprojectid=p1&gioappid=wx1", appId="wx1")
    assert page.visitor == page.sent[0].device_id != ""


def test_only_mini_programs_hand_over() -> None:
    with pytest.raises(InputError, match="Mini programs do"):
        hand_over(fresh("web-4"), 0, numbers())


# --- mini programs --------------------------------------------------------------------------------


def test_a_new_scene_begins_a_session() -> None:
    life = mini()
    life.do(Hide(), Show("1001"), Track("e1"), Hide(), Show("1047"), Track("e2"))
    assert life.types() == "VISIT APP_CLOSED e1 APP_CLOSED VISIT e2"
    assert life.sessions() == 2


def test_exactly_keep_alive_is_not_yet_a_new_session() -> None:
    life = mini(keepAlive=2)
    life.do(Hide())
    life.now_ms += 2 * MINUTE_MS
    life.do(Show(), Track("e"))
    assert life.sessions() == 1
    life.now_ms += 1
    life.do(Show(), Track("e"))
    assert life.sessions() == 2


def test_a_cold_start_begins_with_a_visit_and_keeps_visitor_and_user() -> None:
    life = mini()
    life.do(SetUserId("A"))
    life.do(Restart(), Init({"projectId": "p1"}), Show())
    one, other = life.sent
    assert (other.type, other.device_id, other.user_id) == ("VISIT", one.device_id, "A")
    assert other.session_id != one.session_id


def test_another_openid_replaces_a_stored_one_without_a_word() -> None:
    life = Life(State(fresh("wechat-4").profile, stored({"_growing_uid_": "oABC"})))
    life.do(Init({"forceLogin": True}), Show(), Track("e"), Identify("oDEF"))
    assert {event.device_id for event in life.sent} == {"oDEF"}


def test_a_login_id_is_cut_and_a_number_becomes_text() -> None:
    life = mini()
    life.do(SetUserId("x" * 1001), Track("e"), SetUserId(7.0), Track("f"))
    assert [len(event.user_id) for event in life.sent if event.name] == [1000, 1]


def test_hosts_send_their_own_platform() -> None:
    life = Life(fresh("alipay-4"))
    life.do(Init(), Show())
    assert life.sent[0].platform == "alip"


# --- apps -----------------------------------------------------------------------------------------


def test_an_app_sends_the_id_of_its_chain() -> None:
    life = Life(fresh("android-seed"))
    life.do(Init(hints=Hints(android_id="c71972f5ace2b4f9")))
    assert life.sent[0].device_id == "ef512d03-9912-377f-8e6e-2bc27c9c6b9b"


@pytest.mark.parametrize(
    ("name", "sessions"), [("android-4.2", 3), ("harmonyos-4", 3), ("ios-4", 2)]
)
def test_a_blank_login_counts_as_another_user_but_not_on_apple(name: str, sessions: int) -> None:
    life = Life(fresh(name))
    life.do(Init(), SetUserId("A"), SetUserId("  "), SetUserId("B"))
    assert life.sessions() == sessions


def test_an_app_takes_text_alone_as_user_id() -> None:
    with pytest.raises(InputError, match="text alone"):
        android().do(SetUserId(5))


def test_a_key_too_long_counts_only_under_id_mapping() -> None:
    for is_on, user_id in ((True, ""), (False, "A")):
        life = android(idMapping=is_on)
        life.do(SetUserId("A", "k" * 1001), Track("e"))
        assert life.sent[-1].user_id == user_id


def test_android_stores_the_last_user_and_forgets_it_on_a_start() -> None:
    life = android()
    life.do(SetUserId("A"), ClearUserId())
    assert read(life.state.storage, "LATEST_NON_NULL_USER_ID") == "A"
    life.do(Restart(), Init())
    assert read(life.state.storage, "LATEST_NON_NULL_USER_ID") == ""


def test_an_app_may_say_how_long_a_session_outlives_the_screen() -> None:
    life = android(sessionInterval=90)
    life.do(Hide())
    life.now_ms += 89_999
    life.do(Show(), Hide())
    assert life.sessions() == 1
    life.now_ms += 90_000
    life.do(Show())
    assert life.sessions() == 2


def test_an_app_in_front_does_not_age() -> None:
    life = android()
    life.do(Hide(), Show())
    life.now_ms += 60 * MINUTE_MS
    life.do(Show(), Track("e"))
    assert life.sessions() == 1
