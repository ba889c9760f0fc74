"""Group commit: 200 only after the commit, one commit for all that wait, and bounds on both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from idweave.core.errors import StoreError, StoreFull
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.engine.intake import Delivery
from idweave.ports import Changes
from idweave.server.commits import (
    RECORD_BYTES,
    RECOVERY_S,
    STUCK_S,
    GroupCommit,
    held_bytes,
)
from idweave.server.meters import Meters
from idweave.server.settings import ServerSettings
from idweave.stores.memory import MemoryStore
from idweave.wire import decode, encode_data_list

NOW_MS = 1_795_600_000_000
P = "default"
SETTINGS = ServerSettings()


class WatchedStore(MemoryStore):
    """A store that can be held up and made to fail, and that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()
        self.failing: StoreError | None = None
        self.sizes: list[int] = []

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        self.reached.set()
        assert self.open.wait(10), "nobody let the commit go on"
        assert isinstance(changes, Changes)
        self.sizes.append(len(changes.payloads))
        if self.failing is not None:
            raise self.failing
        super().commit(changes)


class World:
    """An engine, its store and its group commit, inside one event loop."""

    def __init__(self, settings: ServerSettings = SETTINGS) -> None:
        self.store = WatchedStore()
        project = Project(P, preset("sensors"), time_window=False)
        self.engine = Engine(self.store, {P: project}, clock=lambda: NOW_MS)
        self.meters = Meters()
        self.poison: set[str] = set()
        self.deadly = False
        self.now_s = 1000.0
        self.commits = GroupCommit(self.accept, settings, self.meters, now=lambda: self.now_s)

    def accept(self, deliveries: Sequence[Delivery]) -> Any:
        """The engine, with a fault that some records bring out."""
        for delivery in deliveries:
            for _, item in delivery.items:
                if self.deadly or getattr(item, "event_id", None) in self.poison:
                    raise ZeroDivisionError
        return self.engine.accept(deliveries)

    def delivery(self, number: int, records: int = 1) -> Delivery:
        told = [
            {
                "type": "track",
                "event": "Buy",
                "time": NOW_MS + nth,
                "distinct_id": f"d{number}",
                "identities": {"$identity_cookie_id": f"d{number}"},
                "_track_id": number,
            }
            for nth in range(records)
        ]
        return self.engine.parse(decode(encode_data_list(told), ""), NOW_MS)

    def is_ready(self) -> bool:
        return self.commits.is_ready

    def received(self) -> int:
        return self.engine.stats(P).accepted

    def submit(self, *deliveries: Delivery) -> list[asyncio.Future[bool]]:
        futures = [self.commits.submit(delivery) for delivery in deliveries]
        assert None not in futures
        return [future for future in futures if future is not None]


def run(story: Callable[[World], Awaitable[None]], **settings: Any) -> World:
    """Play a story in a world, and end it as a server ends."""

    async def played() -> World:
        world = World(ServerSettings(**settings))
        world.commits.start()
        try:
            await story(world)
        finally:
            world.store.open.set()
            assert await asyncio.to_thread(world.commits.stop, 10)
        return world

    return asyncio.run(played())


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


def test_nobody_is_answered_before_the_commit() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        (answered,) = world.submit(world.delivery(1))
        await until(world.store.reached)
        await asyncio.sleep(0.05)
        assert not answered.done()
        assert world.received() == 0
        world.store.open.set()
        assert await answered
        assert world.received() == 1

    run(story)


def test_all_that_wait_share_one_commit() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        first = world.submit(world.delivery(0))
        await until(world.store.reached)
        rest = world.submit(*(world.delivery(n) for n in range(1, 50)))
        await asyncio.sleep(0)
        world.store.open.set()
        assert all(await asyncio.gather(*first, *rest))

    assert run(story).store.sizes == [1, 49]


def test_a_commit_holds_no_more_requests_than_its_bound() -> None:
    async def story(world: World) -> None:
        assert all(await asyncio.gather(*world.submit(*map(world.delivery, range(20)))))

    assert run(story, batch_requests_max=8).store.sizes == [8, 8, 4]


def test_a_commit_holds_no_more_bytes_than_its_bound() -> None:
    async def story(world: World) -> None:
        large = [replace(world.delivery(n), payload=b"x" * (7 << 20)) for n in range(5)]
        assert all(await asyncio.gather(*world.submit(*large)))

    assert run(story).store.sizes == [2, 2, 1]


def test_what_finds_no_room_is_refused_at_once_and_room_comes_back() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        taken = world.submit(*map(world.delivery, range(3)))
        assert world.commits.submit(world.delivery(3)) is None
        world.store.open.set()
        assert all(await asyncio.gather(*taken))
        assert await world.submit(world.delivery(3))[0]

    assert run(story, queue_requests_max=3).received() == 4


def test_room_is_counted_in_bytes_too_but_one_request_always_fits() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        large = world.delivery(1, records=50)
        taken = world.submit(large)
        assert world.commits.submit(world.delivery(2)) is None
        world.store.open.set()
        assert await taken[0]

    run(story, queue_bytes_max=RECORD_BYTES)


def test_what_waits_is_estimated_by_payload_and_records() -> None:
    delivery = World().delivery(1, records=7)
    assert held_bytes(delivery) == len(delivery.payload) + 7 * RECORD_BYTES


def test_a_failure_of_the_store_fails_all_of_the_batch_until_a_commit_succeeds() -> None:
    async def story(world: World) -> None:
        world.store.failing = StoreFull("No room.")
        failed = await asyncio.gather(*world.submit(*map(world.delivery, range(5))))
        assert failed == [False] * 5
        assert not world.is_ready()
        assert world.received() == 0
        world.store.failing = None
        assert await world.submit(world.delivery(0))[0]
        assert world.is_ready()

    world = run(story)
    assert (world.received(), world.meters.commits_failed) == (1, 1)


def test_after_a_failure_without_traffic_the_server_is_ready_to_be_tried_again() -> None:
    async def story(world: World) -> None:
        world.store.failing = StoreFull("No room.")
        await world.submit(world.delivery(1))[0]
        world.now_s += RECOVERY_S
        assert not world.is_ready()
        world.now_s += 1
        assert world.is_ready()

    run(story)


def test_a_commit_that_hangs_is_not_ready() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        (answered,) = world.submit(world.delivery(1))
        await until(world.store.reached)
        assert world.is_ready()
        world.now_s += STUCK_S + 1
        assert not world.is_ready()
        world.store.open.set()
        assert await answered
        assert world.is_ready()

    run(story)


def test_after_a_failure_batches_start_small_again() -> None:
    async def story(world: World) -> None:
        world.store.failing = StoreError("Something.")
        await asyncio.gather(*world.submit(*map(world.delivery, range(5))))
        world.store.failing = None
        assert all(await asyncio.gather(*world.submit(*map(world.delivery, range(10)))))

    assert run(story).store.sizes == [5, 1, 2, 4, 3]


def test_a_request_that_hits_a_fault_of_ours_is_kept_and_the_others_are_accepted() -> None:
    async def story(world: World) -> None:
        deliveries = [world.delivery(n) for n in range(5)]
        world.poison = {getattr(deliveries[2].items[0][1], "event_id", "")}
        assert all(await asyncio.gather(*world.submit(*deliveries)))

    world = run(story)
    (kept,) = world.engine.rejections(P)
    assert (world.received(), kept.code) == (4, "INTERNAL")
    assert '"d2"' in kept.raw


def test_what_a_fault_kept_out_is_accepted_by_a_retry() -> None:
    async def story(world: World) -> None:
        delivery = world.delivery(1, records=3)
        world.poison = {getattr(delivery.items[1][1], "event_id", "")}
        assert await world.submit(delivery)[0]

    world = run(story)
    assert world.engine.stats(P).rejections_by_code == {"INTERNAL": 3}
    assert world.engine.retry_rejections(P).accepted == 3
    assert (world.received(), world.engine.rejections(P)) == (3, [])


def test_what_cannot_even_be_kept_is_not_answered_with_200() -> None:
    async def story(world: World) -> None:
        world.deadly = True
        assert await asyncio.gather(*world.submit(world.delivery(1), world.delivery(2))) == [
            False,
            False,
        ]
        world.deadly = False
        assert await world.submit(world.delivery(1))[0]

    assert run(story).received() == 1


def test_a_stop_writes_everything_that_was_taken() -> None:
    async def story(world: World) -> None:
        world.submit(*map(world.delivery, range(30)))

    assert run(story, batch_requests_max=4).received() == 30


def test_a_request_that_was_given_up_does_not_harm_the_others() -> None:
    async def story(world: World) -> None:
        world.store.open.clear()
        gone, stays = world.submit(world.delivery(1), world.delivery(2))
        await until(world.store.reached)
        gone.cancel()
        world.store.open.set()
        assert await stays

    assert run(story).received() == 2


@pytest.mark.parametrize("count", [1, 300])
def test_the_queue_is_empty_when_all_are_answered(count: int) -> None:
    async def story(world: World) -> None:
        await asyncio.gather(*world.submit(*map(world.delivery, range(count))))
        assert world.meters.queued == 0

    world = run(story)
    assert sum(world.meters.commit_seconds.counts) == len(world.store.sizes)
