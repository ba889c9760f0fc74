"""Into the graph: the real engine over a real store takes the facts, and nothing is merged that
should not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import NotFound
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy_file import parse_policy, preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from idweave.unionid.apps import App, OpenPlatform
from idweave.unionid.errors import PlatformError
from idweave.unionid.facts import CollectorSink, EngineSink, pair_record
from idweave.unionid.migration import migrate_openids
from idweave.unionid.mock import Fault, MockAccount, World
from idweave.unionid.mock.world import MIGRATION_MS, made_id
from idweave.unionid.rebinding import rebind
from idweave.unionid.secret import Secret
from idweave.unionid.sync import Room, sync_account
from idweave.wire import decode
from tests.unit.unionid_room import START_MS, URL, Setup, Time, WorldTransport, setup, world_of

SHOP, CLUB, OUTLET = "wxshop", "wxclub", "wxoutlet"
P = "default"


class Graph:
    """A world, a worker, and the engine it tells."""

    def __init__(self, *accounts: MockAccount, policy: str = "") -> None:
        self.world, self.time = world_of(*accounts)
        rules = parse_policy(policy) if policy else preset("sensors")
        store = open_store("memory:")
        self.engine = Engine(store, {P: Project(P, rules)}, clock=self.time.clock)
        self.worker: Setup = setup(self.world, self.time)
        sink = EngineSink(self.engine, P, self.time.clock)
        room = self.worker.room
        self.room = Room(room.client, room.followers, room.runs, sink, room.clock)

    def sync(self, *appids: str, **app: Any) -> list[App]:
        apps = [self.worker.app(appid, **app) for appid in appids]
        for one in apps:
            self.time.now_ms += 1000
            tally = sync_account(self.room, one)
            assert (tally.finished, tally.refused) == (True, 0)
        return apps

    def user(self, appid: str, user: int) -> str | None:
        identity = Identity(f"$identity_mp_{appid}_openid", made_id(appid, user))
        found = self.engine.lookup(P, identity).user
        return None if found is None else found.canonical_id

    def state(self, facts: Any) -> object:
        return self.engine.state(P, facts)


def brand() -> Graph:
    return Graph(
        MockAccount(SHOP, "Shop", users=range(12)),
        MockAccount(CLUB, "Club", users=range(7, 17)),
        MockAccount(OUTLET, "Outlet", users=[*range(6, 9), 16, 17, 18]),
    )


def test_followers_of_three_accounts_are_as_many_users_as_there_are_people() -> None:
    graph = brand()
    graph.sync(SHOP, CLUB, OUTLET)
    stats = graph.engine.stats(P)
    assert (stats.accepted, stats.users, stats.rejected) == (28, 19, 0)


def test_a_person_is_found_by_either_openid() -> None:
    graph = brand()
    graph.sync(SHOP, CLUB, OUTLET)
    assert graph.user(SHOP, 8) == graph.user(CLUB, 8) == graph.user(OUTLET, 8) is not None
    assert graph.user(SHOP, 8) != graph.user(SHOP, 9)


def test_an_unbound_openid_leaves_and_the_next_sync_does_not_bring_it_back() -> None:
    graph = brand()
    graph.sync(SHOP, CLUB, OUTLET)
    openid = Identity(f"$identity_mp_{CLUB}_openid", made_id(CLUB, 8))
    graph.time.now_ms += 1000
    graph.state([Fact(graph.time.now_ms, "u1", Kind.UNBIND, (openid,))])
    graph.sync(SHOP, CLUB, OUTLET)
    assert graph.user(CLUB, 8) is None
    assert graph.user(SHOP, 8) == graph.user(OUTLET, 8) is not None


def test_facts_sent_twice_are_duplicates() -> None:
    graph = brand()
    sink = EngineSink(graph.engine, P, graph.time.clock)
    pair = (Identity("$identity_mp_unionid", "ou"), Identity("$identity_mp_wxa_openid", "oo"))
    record = pair_record(pair, START_MS)
    assert sink.put([record]) == (1, 0, 0)
    assert sink.put([record]) == (1, 1, 0)


def test_the_collector_takes_the_same_facts_under_the_same_event_ids() -> None:
    graph = brand()
    sink = CollectorSink(WorldTransport(graph.world), f"{URL}/sa?project={P}")
    own = graph.room
    room = Room(own.client, own.followers, own.runs, sink, own.clock)
    tally = sync_account(room, graph.worker.app(SHOP))
    assert (tally.finished, tally.facts) == (True, 12)
    (body,) = graph.world.collected
    direct = EngineSink(graph.engine, P, graph.time.clock)
    records = [record for record in decode(body, "").records if isinstance(record, dict)]
    assert direct.put(records) == (12, 0, 0)
    received = graph.engine.parse(decode(body, f"project={P}"), graph.time.now_ms)
    assert graph.engine.accept([received])[0].duplicates == 12


def test_facts_older_than_the_time_window_still_reach_a_collector() -> None:
    record = pair_record((Identity("$identity_mp_unionid", "u"),), START_MS)
    engine = Engine(
        open_store("memory:"), {P: Project(P, preset("sensors"))}, clock=lambda: START_MS
    )
    sink = EngineSink(engine, P, lambda: START_MS + 90 * 86_400_000)
    assert sink.put([record]).rejected == 0


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_collector_that_does_not_say_200_did_not_take_them(status: int) -> None:
    graph = brand()
    graph.world.faults = [Fault("collector", 1, 9, None, status)]
    sink = CollectorSink(WorldTransport(graph.world), f"{URL}/sa")
    with pytest.raises(PlatformError, match=str(status)):
        sink.put([pair_record((Identity("$identity_mp_unionid", "u"),), START_MS)])


def test_a_collectors_token_travels_with_each_record() -> None:
    graph = brand()
    sink = CollectorSink(WorldTransport(graph.world), f"{URL}/sa", Secret("ingest-token"))
    sink.put([pair_record((Identity("$identity_mp_unionid", "u"),), START_MS)])
    (record,) = decode(graph.world.collected[0], "").records
    assert isinstance(record, dict)
    assert record["token"] == "ingest-token"


# -- union ids that changed ------------------------------------------------------------------------


def test_a_changed_union_id_merges_and_moves_nobody() -> None:
    graph = brand()
    graph.sync(SHOP, CLUB, OUTLET)
    before = list(graph.engine.export(P))
    for appid in (SHOP, CLUB, OUTLET):
        graph.world.rebind(appid, "sold")
    graph.sync(SHOP, CLUB, OUTLET)
    assert list(graph.engine.export(P)) == before


def test_a_rebind_keeps_every_person_whole_under_the_new_union_id() -> None:
    graph = brand()
    apps = graph.sync(SHOP, CLUB, OUTLET)
    people = {(appid, user): graph.user(appid, user) for appid, user in memberships(graph.world)}
    for appid in (SHOP, CLUB, OUTLET):
        graph.world.rebind(appid, "sold")
    graph.sync(SHOP, CLUB, OUTLET)
    graph.time.now_ms += 1000
    done = rebind(graph.room.followers, apps, graph.state, graph.time.now_ms)
    assert (done.repaired, done.blocked) == (28, 0)
    assert {key: graph.user(*key) for key in people} == people  # names included
    new = graph.engine.lookup(P, Identity("$identity_mp_unionid", made_id("sold", 8)))
    old = graph.engine.lookup(P, Identity("$identity_mp_unionid", made_id("main", 8)))
    assert new.user is not None
    assert (new.user.canonical_id, old.user) == (people[SHOP, 8], None)


def memberships(world: World) -> list[tuple[str, int]]:
    return [(account.appid, user) for account in world.accounts.values() for user in account.users]


def test_another_open_platform_account_has_its_own_key_and_merges_nobody() -> None:
    extended = 'extends = "sensors"\n[[keys]]\nkey = "$identity_second_unionid"\nrank = 31\n'
    accounts = [
        MockAccount(SHOP, "Shop", users=range(3)),
        MockAccount(CLUB, "Club", users=range(3), open_platform="second"),
    ]
    graph = Graph(*accounts, policy=extended)
    graph.sync(SHOP)
    graph.sync(CLUB, open_platform=OpenPlatform("second", "$identity_second_unionid"))
    assert graph.engine.stats(P).users == 6


# -- accounts that changed their owner -------------------------------------------------------------


def moved(approved_ms: int = START_MS) -> Graph:
    old = MockAccount(SHOP, "Old shop", users=range(250))
    new = MockAccount(CLUB, "New shop", users=range(250), open_platform="new")
    new.migrated_from = (SHOP, approved_ms)
    return Graph(old, new)


def test_a_migration_makes_old_and_new_openid_one_person() -> None:
    graph = moved()
    graph.sync(SHOP)
    graph.worker.room.followers.list_page(
        graph.room.runs.begin(graph.worker.database.account_id(SHOP), "full", 1), ["ostray"], 1
    )
    pair = (graph.worker.app(CLUB), graph.worker.app(SHOP))
    tally = migrate_openids(graph.room, graph.worker.migrations, pair)
    assert (tally.finished, tally.asked, tally.facts) == (True, 251, 250)
    assert graph.user(CLUB, 8) == graph.user(SHOP, 8) is not None
    number = graph.worker.database.account_id(CLUB)
    (failed,) = graph.worker.migrations.failed(number, SHOP)
    assert (failed.old_openid, failed.outcome) == ("ostray", "ori_openid error")
    again = migrate_openids(graph.room, graph.worker.migrations, pair)
    assert (again.asked, again.facts) == (0, 0)


def test_a_migration_after_fifteen_days_says_why_not() -> None:
    graph = moved(START_MS - MIGRATION_MS)
    graph.sync(SHOP)
    pair = (graph.worker.app(CLUB), graph.worker.app(SHOP))
    tally = migrate_openids(graph.room, graph.worker.migrations, pair)
    assert not tally.finished
    assert "errcode 63178" in tally.stopped


def test_an_identity_that_no_sync_saw_is_not_found() -> None:
    with pytest.raises(NotFound):
        brand().user(SHOP, 1)


def test_a_graph_in_a_file_is_the_same_graph(tmp_path: Path) -> None:
    graph = brand()
    store = open_store(str(tmp_path / "graph.db"))
    engine = Engine(store, {P: Project(P, preset("sensors"))}, clock=graph.time.clock)
    sink = EngineSink(engine, P, graph.time.clock)
    room = Room(graph.room.client, graph.room.followers, graph.room.runs, sink, Time().clock)
    for appid in (SHOP, CLUB, OUTLET):
        sync_account(room, graph.worker.app(appid))
    assert engine.stats(P).users == 19
    store.close()
