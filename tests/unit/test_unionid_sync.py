"""Follower sync: whole, resumable, and honest about whom it could not resolve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from idweave.core.errors import ConfigError
from idweave.core.identity import Identity
from idweave.unionid.apps import OpenPlatform
from idweave.unionid.mock import Fault, MockAccount, World
from idweave.unionid.mock.world import made_id
from idweave.unionid.overlap import overlap
from idweave.unionid.ports import Delivered
from idweave.unionid.rebinding import rebind
from idweave.unionid.state import Database, Unresolved
from idweave.unionid.sync import Progress, Tally, ask, clean_openid, sync_account
from tests.unit.unionid_room import KeepingSink, Setup, Time, setup, together, world_of

APPID, OTHER = "wxa0000000000001", "wxb0000000000002"
ALWAYS = 10**9


def shop(users: Any = range(250), **changes: Any) -> Setup:
    world, time = world_of(MockAccount(APPID, "Shop", users=users, **changes))
    return setup(world, time)


def sync(room: Setup, appid: str = APPID, *, mode: str = "full", **app: Any) -> Tally:
    room.time.now_ms += 1000
    return sync_account(room.room, room.app(appid, **app), mode=mode)


def expected_pairs(world: World) -> set[tuple[tuple[str, str], ...]]:
    pairs = set()
    for account in world.accounts.values():
        for user in account.users:
            if user not in account.left and account.open_platform is not None:
                openid = (f"$identity_mp_{account.appid}_openid", made_id(account.appid, user))
                union = ("$identity_mp_unionid", made_id(account.open_platform, user))
                pairs.add(tuple(sorted([openid, union])))
    return pairs


def reasons(room: Setup, appid: str = APPID) -> dict[str, int]:
    (line,) = overlap(room.database, [room.app(appid)]).accounts
    return dict(line.unresolved)


def followers(room: Setup, appid: str = APPID) -> int:
    (line,) = overlap(room.database, [room.app(appid)]).accounts
    return line.followers


# -- the list --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count",
    [0, 1, 99, 100, 101, 9_999, 10_000, 10_001, pytest.param(25_000, marks=pytest.mark.slow)],
)
def test_every_follower_is_listed_asked_and_told_once(count: int) -> None:
    room = shop(range(count))
    tally = sync(room)
    assert (tally.finished, tally.listed, tally.asked, tally.facts) == (True, count, count, count)
    assert room.sink.pairs() == expected_pairs(room.world)
    assert room.world.calls["batchget"] == -(-count // 100)
    assert room.world.calls["user/get"] == -(-count // 10_000) + 1


def test_progress_is_told_wave_by_wave_against_what_the_platform_counts() -> None:
    room = shop(range(10_100))
    told: list[Progress] = []
    sync_account(room.room, room.app(APPID), watch=told.append)
    assert [at.listed for at in told] == [
        0, 2000, 4000, 6000, 8000, 10_000, 10_000, 10_100,
    ]  # fmt: skip
    assert {at.total for at in told} == {10_100}


def test_a_last_page_without_data_ends_the_list() -> None:
    room = shop()
    room.world.faults = [Fault("user/get", 2, 2, {"total": 250, "count": 0, "next_openid": ""})]
    assert sync(room).finished


def test_a_page_that_leads_back_to_itself_ends_the_list() -> None:
    room = shop()
    openids = room.world.accounts[APPID].openids
    again = {"total": 250, "count": 1, "data": {"openid": openids[:1]}, "next_openid": openids[-1]}
    room.world.faults = [Fault("user/get", 2, ALWAYS, again)]
    assert sync(room).finished
    assert room.world.calls["user/get"] == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"total": 5},
        {"total": 5, "count": 1, "data": {}},
        {"total": 5, "count": 1, "data": []},
        {"count": "1", "data": {"openid": ["o"]}},
    ],
)
def test_a_page_with_missing_fields_is_a_typed_error_and_nothing_is_half_synced(
    answer: dict[str, Any],
) -> None:
    room = shop()
    room.world.faults = [Fault("user/get", 1, ALWAYS, answer)]
    tally = sync(room)
    assert "the answer has no" in tally.stopped
    assert followers(room) == 0


def test_stray_characters_are_taken_off_openids() -> None:
    assert clean_openid(" oabc\r\n\x00") == "oabc"


def test_an_app_without_followers_is_refused_with_what_to_do() -> None:
    room = shop(kind="mini_program")
    with pytest.raises(ConfigError, match="unionid code"):
        sync(room)


# -- who they are ----------------------------------------------------------------------------------


def test_a_batch_poisoned_by_one_foreign_openid_gives_all_the_others() -> None:
    room = shop(range(100))
    foreign = made_id("wxother", 7)
    openids = [*room.world.accounts[APPID].openids[:60], foreign]
    answers = ask(room.client, room.app(APPID), openids)
    assert [answer.openid for answer in answers] == openids
    assert answers[-1].why is Unresolved.FOREIGN_OPENID
    assert all(answer.unionid for answer in answers[:-1])
    assert room.world.calls["batchget"] <= 15  # 1 + 2 for each halving of 61


def test_foreign_openids_are_counted_and_the_sync_ends() -> None:
    room = shop()
    account = room.world.accounts[APPID]
    listed = [*account.openids[:100], "oforeign1", *account.openids[100:], "oforeign2"]
    page = {"total": 252, "count": 252, "data": {"openid": listed}, "next_openid": listed[-1]}
    room.world.faults = [
        Fault("user/get", 1, 1, page),
        Fault("user/get", 2, 2, {"total": 252, "count": 0, "next_openid": ""}),
    ]
    assert sync(room).finished
    assert reasons(room) == {"foreign_openid": 2}
    assert followers(room) == 252


def test_who_leaves_between_list_and_question_is_not_a_follower() -> None:
    room = shop(left={3, 4})
    assert sync(room).facts == 248
    assert followers(room) == 248
    assert reasons(room) == {"not_following": 2}


def test_followers_of_an_unbound_account_are_kept_without_a_union_id() -> None:
    room = shop(open_platform=None)
    assert sync(room).facts == 0
    assert reasons(room) == {"not_bound": 250}


def test_followers_of_an_account_that_is_bound_later_are_resolved_then() -> None:
    room = shop(open_platform=None)
    sync(room)
    room.world.rebind(APPID, "main")
    assert sync(room, mode="delta").facts == 250
    assert reasons(room) == {}


def test_snapshot_users_are_never_merged() -> None:
    room = shop(range(2))
    openids = room.world.accounts[APPID].openids
    rows = [
        {"subscribe": 1, "openid": openids[0], "unionid": "ovirtual", "is_snapshotuser": 1},
        {"subscribe": 1, "openid": openids[1], "unionid": "oreal"},
    ]
    room.world.faults = [Fault("batchget", 1, 1, {"user_info_list": rows})]
    assert sync(room).facts == 1
    assert reasons(room) == {"snapshot_user": 1}


def test_an_openid_that_the_answer_leaves_out_is_not_asked_yet() -> None:
    room = shop(range(2))
    room.world.faults = [Fault("batchget", 1, 1, {"user_info_list": []})]
    sync(room)
    assert reasons(room) == {"not_asked": 2}


def test_who_is_no_longer_listed_has_unfollowed_and_keeps_the_union_id() -> None:
    room = shop()
    sync(room)
    room.world.accounts[APPID] = MockAccount(APPID, "Shop", users=range(200))
    assert sync(room).unfollowed == 50
    assert followers(room) == 200
    room.world.accounts[APPID] = MockAccount(APPID, "Shop", users=range(250))
    assert sync(room).facts == 0  # back again, and known before
    assert followers(room) == 250


def test_a_list_that_was_cut_off_takes_nobody_for_unfollowed() -> None:
    room = shop(range(2000))
    sync(room)
    cut = {"total": 2000, "count": 0, "next_openid": ""}
    room.world.faults = [Fault("user/get", 3, 3, cut)]
    tally = sync(room)
    assert (tally.finished, tally.unfollowed) == (False, 0)
    assert "2,000 followers and listed 0" in tally.stopped
    assert followers(room) == 2000
    room.world.faults = []
    assert sync(room).finished


def test_a_list_may_lack_those_who_left_while_it_was_read() -> None:
    room = shop(range(2000))
    room.world.faults = [Fault("user/get", 2, 2, {"total": 2090, "count": 0})]
    assert sync(room).finished


def test_numbers_that_come_as_text_are_numbers() -> None:
    room = shop(range(2))
    openids = room.world.accounts[APPID].openids
    rows = [
        {"subscribe": "0", "openid": openids[0]},
        {"subscribe": "1", "openid": openids[1], "unionid": "ou"},
    ]
    room.world.faults = [Fault("batchget", 1, 1, {"user_info_list": rows})]
    assert sync(room).facts == 1
    assert reasons(room) == {"not_following": 1}


# -- again and again -------------------------------------------------------------------------------


def test_a_pair_is_told_once_however_often_it_is_seen() -> None:
    room = shop()
    sync(room)
    assert sync(room).facts == 0
    assert room.sink.puts == 250


def test_a_delta_asks_only_who_is_new_and_still_sees_who_left() -> None:
    room = shop()
    sync(room)
    room.world.accounts[APPID] = MockAccount(APPID, "Shop", users=range(10, 260))
    tally = sync(room, mode="delta")
    assert (tally.asked, tally.facts, tally.unfollowed) == (10, 10, 10)


def test_a_fact_has_the_time_at_which_its_pair_was_first_seen() -> None:
    room = shop(range(1))
    sync(room)
    (record,) = room.sink.records.values()
    assert record["time"] == room.time.now_ms
    assert record["time_free"] is True
    assert list(record["identities"]) == [
        "$identity_mp_unionid",
        f"$identity_mp_{APPID}_openid",
    ]


# -- union ids that change -------------------------------------------------------------------------


def test_a_changed_union_id_is_an_alarm_and_no_fact() -> None:
    room = shop(range(3))
    sync(room)
    room.world.rebind(APPID, "sold")
    tally = sync(room)
    assert (tally.alarms, tally.facts) == (3, 0)
    assert sync(room).alarms == 0  # said once
    alarm = room.room.followers.alarms(APPID)[0]
    assert alarm.appid == APPID
    assert {alarm.old_unionid, alarm.new_unionid} <= {
        made_id(platform, user) for platform in ("main", "sold") for user in range(3)
    }


def test_a_union_id_that_changes_back_ends_its_alarm() -> None:
    room = shop(range(3))
    sync(room)
    room.world.rebind(APPID, "sold")
    sync(room)
    room.world.rebind(APPID, "main")
    assert sync(room).alarms == 0
    assert room.room.followers.alarms(APPID) == []


def test_history_keeps_each_union_id_with_its_platform_and_its_times() -> None:
    room = shop(range(1))
    sync(room)
    first = room.time.now_ms
    sync(room)
    second = room.time.now_ms
    room.world.rebind(APPID, "sold")
    sync(room)
    third = room.time.now_ms
    rows = room.database.rows(
        "SELECT open_platform, unionid, seen_from_ms, seen_to_ms, state FROM link ORDER BY link_id"
    )
    assert rows == [
        ("main", made_id("main", 0), first, second, "now"),
        ("main", made_id("sold", 0), third, third, "held"),
    ]


def test_an_account_configured_under_another_platform_binds_under_that_ones_key() -> None:
    room = shop(range(1))
    sync(room)
    room.world.rebind(APPID, "second")
    second = OpenPlatform("second", "$identity_second_unionid")
    tally = sync(room, open_platform=second)
    assert (tally.alarms, tally.facts) == (0, 1)
    assert ("$identity_second_unionid", made_id("second", 0)) in {
        pair for pairs in room.sink.pairs() for pair in pairs
    }


def test_a_rebind_is_blocked_while_another_account_still_has_the_old_union_id() -> None:
    world, time = world_of(
        MockAccount(APPID, "Shop", users=range(3)), MockAccount(OTHER, "Club", users=range(3))
    )
    room = setup(world, time)
    for appid in (APPID, OTHER):
        sync(room, appid)
    world.rebind(APPID, "sold")
    sync(room, APPID)
    stated: list[Any] = []
    apps = [room.app(APPID)]
    done = rebind(room.room.followers, apps, stated.extend, time.now_ms)
    assert (done.repaired, done.blocked, stated) == (0, 3, [])
    assert done.first_blocked is not None
    assert done.first_blocked.standing_in == (OTHER,)
    world.rebind(OTHER, "sold")
    sync(room, OTHER)
    done = rebind(room.room.followers, [room.app(APPID), room.app(OTHER)], stated.extend, 1)
    assert (done.repaired, done.blocked) == (6, 0)
    assert room.room.followers.alarms(APPID) == []


def test_a_rebind_without_a_store_changes_nothing() -> None:
    room = shop(range(3))
    sync(room)
    room.world.rebind(APPID, "sold")
    sync(room)
    assert rebind(room.room.followers, [room.app(APPID)], None, 1).repaired == 3
    assert len(room.room.followers.alarms(APPID)) == 3


# -- stopped, and going on -------------------------------------------------------------------------


def test_a_quota_in_the_middle_parks_the_sync_and_the_next_day_ends_it() -> None:
    room = shop(range(2500), quotas={"user/info": 12})
    tally = sync(room)
    assert (tally.finished, tally.parked, tally.asked) == (False, True, 1200)
    assert "errcode 45009" in tally.stopped or "parked" in tally.stopped
    assert sync(room).asked == 0  # still parked: nothing is sent
    room.time.now_ms += 86_400_000
    tally = sync(room)
    assert (tally.parked, tally.asked, tally.resumed) == (True, 1200, True)
    room.time.now_ms += 86_400_000
    tally = sync(room)
    assert (tally.finished, tally.asked) == (True, 100)
    assert room.sink.pairs() == expected_pairs(room.world)
    assert room.sink.puts == 2500


def test_what_was_answered_before_an_error_is_kept() -> None:
    room = shop(range(500))
    room.world.faults = [Fault("batchget", 3, 3, {"errcode": 48001, "errmsg": "unauthorized"})]
    tally = sync(room)
    assert tally.asked == 400
    assert "errcode 48001" in tally.stopped
    room.world.faults = []
    tally = sync(room)
    assert (tally.resumed, tally.asked, tally.finished) == (True, 100, True)


def test_two_workers_on_one_account_end_with_every_follower_once(tmp_path: Path) -> None:
    world, time = world_of(MockAccount(APPID, "Shop", users=range(10_200)))
    sink = KeepingSink()
    path = str(tmp_path / "state.db")
    workers = [setup(world, time, database=Database(path), sink=sink) for _ in range(2)]
    tallies = together(2, lambda n: sync_account(workers[n].room, workers[n].app(APPID)))
    assert [tally.finished for tally in tallies] == [True, True]
    assert sink.pairs() == expected_pairs(world)
    assert followers(workers[0]) == 10_200
    assert workers[0].database.rows("SELECT count(*) FROM link") == [(10_200,)]


def test_a_token_that_dies_under_parallel_batches_is_refreshed_once() -> None:
    room = shop(range(2000))
    kill = Fault("batchget", 5, 5, hook=lambda: room.world.kill_tokens(APPID))
    room.world.faults = [kill]
    assert sync(room).finished
    assert room.world.calls["stable_token"] == 2


def test_an_account_that_is_rebound_in_the_middle_of_a_run_alarms_at_the_next() -> None:
    room = shop(range(4000))
    middle = Fault("batchget", 21, 21, hook=lambda: room.world.rebind(APPID, "sold"))
    room.world.faults = [middle]
    tally = sync(room)
    assert (tally.facts, tally.alarms) == (4000, 0)
    room.world.faults = []
    assert sync(room).alarms == 2000  # those that were asked before it


class Died(BaseException):
    """The process is gone; nothing may catch this."""


class DyingDatabase(Database):
    """Dies just before or just after its nth commit."""

    def __init__(self, path: str, life: int, *, after: bool) -> None:
        super().__init__(path)
        self.life, self.after = life, after

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.life -= 1
        with super().transaction() as connection:
            yield connection
            if self.life == 0 and not self.after:
                raise Died
        if self.life == 0:
            raise Died


class DyingSink(KeepingSink):
    """Dies once, after the graph has the facts and before anybody hears of it."""

    def put(self, records: Any) -> Delivered:
        delivered = super().put(records)
        if self.puts == len(records):
            raise Died
        return delivered


def finished_world() -> tuple[World, Time]:
    return world_of(MockAccount(APPID, "Shop", users=range(230), left={7}))


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_commit_a_sync_goes_on_and_nothing_is_lost_or_double(
    tmp_path: Path, after: bool
) -> None:
    for life in range(1, 60):
        world, time = finished_world()
        sink = KeepingSink()
        path = str(tmp_path / f"{after}-{life}.db")
        dying = setup(world, time, database=DyingDatabase(path, life, after=after), sink=sink)
        try:
            sync(dying)
        except Died:
            dying.database.close()
        else:
            break
        time.now_ms += 120_000  # a claim of the dead one has ended
        room = setup(world, time, database=Database(path), sink=sink)
        assert sync(room).finished
        assert sink.pairs() == expected_pairs(world)
        assert len(sink.records) == 229  # a repeat is the same record to the letter
        assert room.database.rows("SELECT count(*), sum(following) FROM follower") == [(230, 229)]
        assert room.database.rows("SELECT count(*) FROM link") == [(229,)]
    assert life > 8  # it really died at each of them


def test_killed_between_graph_and_memory_the_same_facts_are_sent_again(tmp_path: Path) -> None:
    world, time = finished_world()
    sink = DyingSink()
    path = str(tmp_path / "state.db")
    room = setup(world, time, database=Database(path), sink=sink)
    with pytest.raises(Died):
        sync(room)
    assert sync(room).repeats == 229
    assert len(sink.records) == 229


def test_a_sink_that_refuses_keeps_the_facts_due() -> None:
    class Closed(KeepingSink):
        def put(self, records: Any) -> Delivered:
            raise ConfigError("closed")

    world, time = finished_world()
    room = setup(world, time, sink=Closed())
    with pytest.raises(ConfigError):
        sync(room)
    open_again = setup(world, time, database=room.database)
    assert sync(open_again).facts == 229


def test_two_accounts_of_one_person_carry_one_union_id() -> None:
    world, time = world_of(
        MockAccount(APPID, "Shop", users=[5]), MockAccount(OTHER, "Club", users=[5])
    )
    room = setup(world, time)
    for appid in (APPID, OTHER):
        sync(room, appid)
    unions = [record["identities"]["$identity_mp_unionid"] for record in room.sink.records.values()]
    assert unions == [made_id("main", 5)] * 2
    assert {Identity(*pair) for pairs in room.sink.pairs() for pair in pairs} == {
        Identity("$identity_mp_unionid", made_id("main", 5)),
        Identity(f"$identity_mp_{APPID}_openid", made_id(APPID, 5)),
        Identity(f"$identity_mp_{OTHER}_openid", made_id(OTHER, 5)),
    }
