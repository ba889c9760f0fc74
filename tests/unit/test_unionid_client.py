"""One call: tokens, retries, quotas and errors, as WECHAT.md §3, §6 and §9 ask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import ConfigError
from idweave.unionid import wechat
from idweave.unionid.apps import Component, TokenSettings
from idweave.unionid.errcodes import ERRORS, FIXES, TRIES, Action
from idweave.unionid.errors import PlatformError
from idweave.unionid.mock import Fault, MockAccount
from idweave.unionid.secret import Secret
from idweave.unionid.state import Database, TokenCache
from idweave.unionid.state.quota import next_midnight_ms
from idweave.unionid.tokens import CLAIM_MS
from idweave.unionid.workers import is_gone, this_worker
from tests.unit.unionid_room import START_MS, Setup, setup, together, world_of

APPID = "wxa0000000000001"
ALWAYS = 10**9


def one_account(**changes: Any) -> Setup:
    world, time = world_of(MockAccount(APPID, "Shop", users=range(250), **changes))
    return setup(world, time)


def listed(room: Setup, **app: Any) -> dict[str, Any]:
    return room.client.call(room.app(APPID, **app), wechat.FOLLOWERS, {})


def refused(room: Setup, **app: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        listed(room, **app)
    return caught.value


# -- tokens ----------------------------------------------------------------------------------------


def test_one_bad_token_costs_one_token_call_and_one_repeat() -> None:
    room = one_account()
    listed(room)
    room.world.kill_tokens(APPID)
    before = room.world.calls.copy()
    assert listed(room)["count"] == 250
    assert room.world.calls - before == {"user/get": 2, "stable_token": 1}


def test_a_fresh_token_that_is_refused_too_is_the_end() -> None:
    room = one_account()
    room.world.faults = [
        Fault("user/get", 1, ALWAYS, {"errcode": 40001, "errmsg": "invalid credential"})
    ]
    error = refused(room)
    assert error.code == "UNIONID_TOKEN_BAD"
    assert room.world.calls == {"user/get": 2, "stable_token": 2}


def test_two_workers_and_one_expiry_are_one_refresh(tmp_path: Path) -> None:
    world, time = world_of(MockAccount(APPID, "Shop", users=range(10)))
    path = str(tmp_path / "state.db")
    workers = [setup(world, time, database=Database(path), holder=f"w{i}") for i in range(2)]
    for worker in workers:
        listed(worker)
    assert world.calls["stable_token"] == 1
    time.now_ms += 2 * 3_600_000
    together(2, lambda number: listed(workers[number]))
    assert world.calls["stable_token"] == 2
    assert world.calls["user/get"] == 4  # nobody tried the old token


def test_two_workers_and_one_bad_token_are_one_refresh(tmp_path: Path) -> None:
    world, time = world_of(MockAccount(APPID, "Shop", users=range(10)))
    path = str(tmp_path / "state.db")
    workers = [setup(world, time, database=Database(path), holder=f"w{i}") for i in range(2)]
    for worker in workers:
        listed(worker)
    world.kill_tokens(APPID)
    together(2, lambda number: listed(workers[number]))
    assert world.calls["stable_token"] == 2


def test_many_threads_of_one_worker_fetch_one_token() -> None:
    room = one_account()
    together(8, lambda _: listed(room))
    assert room.world.calls["stable_token"] == 1


def test_a_killed_worker_holds_the_refresh_no_longer_than_its_claim() -> None:
    room = one_account()
    cache = TokenCache(room.database)
    slot, now = f"stable:wechat:{APPID}", room.time.now_ms
    assert cache.claim(slot, 0, "killed", now_ms=now, until_ms=now + CLAIM_MS)
    listed(room)
    assert room.time.now_ms >= now + CLAIM_MS
    assert room.world.calls["stable_token"] == 1


def test_a_worker_that_was_killed_while_it_fetched_is_not_waited_for() -> None:
    room = one_account()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = f"{this_worker().rpartition('/')[0]}/{ended.pid}:1"
    now = room.time.now_ms
    cache = TokenCache(room.database)
    assert cache.claim(f"stable:wechat:{APPID}", 0, holder, now_ms=now, until_ms=now + CLAIM_MS)
    listed(room)
    assert room.time.now_ms == now


def test_nobody_is_called_gone_who_may_be_there() -> None:
    assert not is_gone(f"{this_worker()}:1")
    assert not is_gone("another-machine/1:1")
    assert not is_gone("nonsense")


def test_a_token_that_could_not_be_fetched_is_fetched_by_the_next_call() -> None:
    room = one_account()
    room.world.faults = [Fault("stable_token", 1, 3, {"errcode": -1, "errmsg": "busy"})]
    assert refused(room).code == "UNIONID_BUSY"
    slept = sum(room.time.slept)
    assert listed(room)["count"] == 250
    assert sum(room.time.slept) == slept  # nobody waited for a claim to end


def test_a_sealed_token_is_worth_nothing_under_another_secret() -> None:
    room = one_account()
    listed(room)
    fresh = setup(room.world, room.time, database=room.database)
    changed = {"secret": lambda: Secret("another-secret")}
    assert refused(fresh, **changed).code == "UNIONID_ACCOUNT_STOPPED"


def test_a_classic_token_ends_the_one_before_and_the_cache_follows() -> None:
    room = one_account()
    classic = {"token": TokenSettings(kind="classic")}
    listed(room, **classic)
    room.world.new_token(APPID, "classic")  # somebody else's program
    room.time.now_ms += 6 * 60_000
    listed(room, **classic)
    assert room.world.calls["token"] == 2


def test_a_static_token_is_never_refreshed() -> None:
    room = one_account()
    settings = TokenSettings(kind="static", secret=lambda: Secret("no-such-token"))
    assert refused(room, token=settings).code == "UNIONID_TOKEN_BAD"
    assert room.world.calls == {"user/get": 1}


def test_an_external_token_comes_from_the_operators_own_server() -> None:
    room = one_account()
    with room.world.lock:
        text, _ = room.world.stable_token(APPID, force=False)
    answer = {"access_token": text, "expires_in": 7000}
    room.world.faults = [Fault("token", 1, ALWAYS, answer)]
    url = "https://mock.example/cgi-bin/token"
    settings = TokenSettings(kind="external", url=url, secret=lambda: Secret("door-secret"))
    assert listed(room, token=settings, secret=None)["count"] == 250
    assert room.transport.sent[0].headers["authorization"] == "Bearer door-secret"
    assert room.world.calls == {"token": 1, "user/get": 1}


def component(ticket: str = "mock-ticket") -> TokenSettings:
    return TokenSettings(
        kind="component",
        secret=lambda: Secret(f"mock-refresh-{APPID}"),
        component=Component(
            appid="wxcomponent", secret=lambda: Secret("component-secret"),
            ticket=lambda: Secret(ticket),
        ),
    )  # fmt: skip


def test_a_third_party_platform_gets_the_authorizers_token_through_its_own() -> None:
    room = one_account()
    assert listed(room, token=component(), secret=None)["count"] == 250
    assert room.world.calls == {"component_token": 1, "authorizer_token": 1, "user/get": 1}


def test_the_refresh_token_that_came_with_a_token_buys_the_next_one() -> None:
    room = one_account()
    listed(room, token=component(), secret=None)
    room.time.now_ms += 2 * 3_600_000
    listed(room, token=component(), secret=None)
    bodies = [sent.body or b"" for sent in room.transport.sent if "api_authorizer" in sent.url]
    assert b'"mock-refresh-wxa0000000000001"' in bodies[0]
    assert b'"mock-refresh-wxa0000000000001-1"' in bodies[1]


def test_a_component_token_without_the_latest_ticket_stops_the_account() -> None:
    error = refused(one_account(), token=component("old-ticket"), secret=None)
    assert (error.refused.errcode, error.code) == (61006, "UNIONID_ACCOUNT_STOPPED")


def test_two_workers_with_files_of_their_own_get_the_same_stable_token() -> None:
    world, time = world_of(MockAccount(APPID, "Shop", users=range(10)))
    workers = [setup(world, time) for _ in range(2)]
    for worker in workers:
        listed(worker)
        listed(worker)
    assert world.calls == {"stable_token": 2, "user/get": 4}  # neither ended the other's


def test_forcing_stable_tokens_is_limited_by_the_platform() -> None:
    room = one_account()
    values = {"secret": room.world.accounts[APPID].secret, "force_refresh": True}
    for _ in range(20):
        room.client.call(room.app(APPID), wechat.STABLE_TOKEN, values)
        room.time.now_ms += 30_000
    with pytest.raises(PlatformError) as caught:
        room.client.call(room.app(APPID), wechat.STABLE_TOKEN, values)
    assert caught.value.action is Action.PARK


# -- retries ---------------------------------------------------------------------------------------


def test_a_busy_platform_is_asked_again_with_growing_pauses() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, 2, {"errcode": -1, "errmsg": "busy"})]
    assert listed(room)["count"] == 250
    assert room.time.slept == [1.5, 3.0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"errcode": -1}, 200), (b"<html>bad gateway</html>", 502), (b"", 503)],
)
def test_a_platform_that_stays_busy_is_given_up_after_three_tries(answer: Any, status: int) -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, ALWAYS, answer, status)]
    assert refused(room).code == "UNIONID_BUSY"
    assert room.world.calls["user/get"] == 3


def test_too_many_calls_in_a_minute_wait_a_minute() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, 1, {"errcode": 45011})]
    assert listed(room)["count"] == 250
    assert room.time.slept == [67.5]


def test_a_time_out_is_tried_again_where_that_is_safe() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, 2, None, 200, 60.0)]
    assert listed(room)["count"] == 250


@pytest.mark.parametrize("fault", [Fault("jscode2session", 1, 9, None, 200, 60.0),
                                   Fault("jscode2session", 1, 9, b"<html>")])  # fmt: skip
def test_a_login_code_is_never_sent_twice_when_nobody_knows_what_became_of_it(
    fault: Fault,
) -> None:
    room = one_account(kind="mini_program")
    room.world.faults = [fault]
    with pytest.raises(PlatformError):
        room.client.call(room.app(APPID), wechat.CODE_TO_SESSION, {"code": "login-1"})
    assert room.world.calls["jscode2session"] == 1


# -- quotas ----------------------------------------------------------------------------------------


def test_a_used_up_quota_is_parked_until_midnight_in_china() -> None:
    room = one_account(quotas={"user/get": 1})
    listed(room)
    assert refused(room).refused.errcode == 45009
    calls = room.world.calls["user/get"]
    error = refused(room)
    assert error.code == "UNIONID_QUOTA_USED_UP"
    assert "2025-11-26 00:00:00 (UTC+8)" in error.message
    assert room.world.calls["user/get"] == calls  # not even asked
    room.time.now_ms = START_MS + 86_400_000
    assert listed(room)["count"] == 250


def test_unparking_asks_again_at_once() -> None:
    room = one_account(quotas={"user/get": 0})
    refused(room)
    room.world.accounts[APPID].quotas.clear()
    room.ledger.unpark(APPID)
    assert listed(room)["count"] == 250


def test_the_ledger_counts_calls_by_day_in_china() -> None:
    room = one_account()
    listed(room)
    room.time.now_ms = next_midnight_ms(room.time.now_ms)
    listed(room)
    listed(room)
    counted = [(row.day, row.calls) for row in room.ledger.spent(APPID) if row.quota == "user/get"]
    assert counted == [("2025-11-26", 2), ("2025-11-25", 1)]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: str(row.errcode))
def test_every_code_of_the_table_ends_in_its_action_after_its_tries(row: Any) -> None:
    room = one_account()
    room.world.faults = [
        Fault("user/get", 1, ALWAYS, {"errcode": row.errcode, "errmsg": "no rid: abcd1234-ef"})
    ]
    error = refused(room)
    assert (error.action, error.refused.meaning) == (row.action, row.meaning)
    assert error.refused.rid == "abcd1234-ef"
    assert error.fix == FIXES[row.action]
    assert room.world.calls["user/get"] == TRIES.get(row.action, 1)


def test_an_errcode_that_comes_as_text_is_the_same_errcode() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, 1, {"errcode": "42001", "errmsg": "expired"})]
    assert listed(room)["count"] == 250
    assert room.world.calls["stable_token"] == 2


@pytest.mark.parametrize("errcode", ["abc", 99999, "99999", True, 1.5, [1]])
def test_a_code_that_is_not_in_the_table_is_an_error_and_says_so(errcode: Any) -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, ALWAYS, {"errcode": errcode, "errmsg": "?"})]
    assert refused(room).code == "UNIONID_UNKNOWN_ERRCODE"


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"", b"[]", b'"ok"', b"{", b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_json_object_is_a_bad_answer(body: bytes) -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, ALWAYS, body)]
    error = refused(room)
    assert error.code == "UNIONID_BAD_ANSWER"
    assert room.world.calls["user/get"] == 3


def test_an_ip_that_is_not_allowed_is_shown() -> None:
    room = one_account()
    words = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 6172-ab-cd"
    room.world.faults = [Fault("user/get", 1, 1, {"errcode": 40164, "errmsg": words})]
    assert "203.0.113.9" in refused(room).message


def test_control_characters_of_a_message_do_not_reach_people() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, 1, {"errcode": 40013, "errmsg": "a\x1b[31m\r\nb"})]
    assert refused(room).refused.errmsg == "a [31m b"


def test_a_wrong_secret_stops_the_account() -> None:
    error = refused(one_account(), secret=lambda: Secret("wrong-secret"))
    assert (error.refused.errcode, error.code) == (40125, "UNIONID_ACCOUNT_STOPPED")


def test_a_missing_secret_is_named_before_anything_is_sent() -> None:
    room = one_account()
    with pytest.raises(ConfigError, match="secret_env"):
        listed(room, secret=None)
    assert room.transport.sent == []


def test_a_batch_of_more_than_a_hundred_is_our_bug_and_says_so() -> None:
    room = one_account()
    users = [{"openid": openid} for openid in room.world.accounts[APPID].openids[:101]]
    with pytest.raises(PlatformError) as caught:
        room.client.call(room.app(APPID), wechat.FOLLOWER_BATCH, {"user_list": users})
    assert (caught.value.refused.errcode, caught.value.code) == (40032, "UNIONID_REQUEST_WRONG")


def test_an_account_that_was_not_authorised_stops_at_that_endpoint() -> None:
    room = one_account()
    room.world.faults = [Fault("user/get", 1, ALWAYS, {"errcode": 61003, "errmsg": "no"})]
    assert refused(room).code == "UNIONID_NOT_PERMITTED"
