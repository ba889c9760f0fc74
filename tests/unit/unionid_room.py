"""The room with a world inside: the real client, state and sync over the mock, without sockets."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from idweave.unionid.apps import App, OpenPlatform, TokenSettings
from idweave.unionid.client import Client, Surroundings
from idweave.unionid.mock import MockAccount, World
from idweave.unionid.mock.server import Heard, respond
from idweave.unionid.ports import Delivered, Reply, Request, TransportFailed, WireRecord
from idweave.unionid.providers import PROVIDERS, WECHAT
from idweave.unionid.secret import Secret
from idweave.unionid.state import Database, Followers, Ledger, Migrations, Runs, TokenCache
from idweave.unionid.sync import Room
from idweave.unionid.tokens import Tokens
from idweave.unionid.workers import is_gone

START_MS = 1_764_000_000_000  # 2025-11-24 16:00 UTC: midnight in China
MAIN = OpenPlatform("main", "$identity_mp_unionid", main=True)
URL = "https://mock.example"


@dataclass
class Time:
    """A clock that moves when somebody sleeps."""

    now_ms: int = START_MS + 10 * 3_600_000
    slept: list[float] = field(default_factory=list)

    def clock(self) -> int:
        return self.now_ms

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ms += int(seconds * 1000)


@dataclass
class WorldTransport:
    """The transport port, straight into a world. Slow answers are time-outs."""

    world: World
    sent: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Reply:
        self.sent.append(request)
        target = request.url.removeprefix(URL)
        authorization = request.headers.get("authorization", "")
        said = respond(
            self.world, Heard(request.method, target, request.body or b"", authorization)
        )
        if said.delay_s > 10:
            raise TransportFailed("mock.example did not answer in time")
        return Reply(said.status, said.body)

    def close(self) -> None:
        pass


@dataclass
class KeepingSink:
    """A sink that keeps records by what names them, as a graph keeps facts by event id."""

    records: dict[str, WireRecord] = field(default_factory=dict)
    puts: int = 0

    def put(self, records: Sequence[WireRecord]) -> Delivered:
        self.puts += len(records)
        names = [repr(sorted(record.items(), key=str)) for record in records]
        known = sum(name in self.records for name in names)
        self.records.update(zip(names, records, strict=True))
        return Delivered(len(records), known, 0)

    def pairs(self) -> set[tuple[tuple[str, str], ...]]:
        return {tuple(sorted(record["identities"].items())) for record in self.records.values()}


@dataclass
class Setup:
    """Everything of one worker."""

    world: World
    time: Time
    database: Database
    transport: WorldTransport
    tokens: Tokens
    ledger: Ledger
    client: Client
    sink: KeepingSink
    room: Room

    def app(self, appid: str, **changes: Any) -> App:
        return app_of(self.world.accounts[appid], **changes)

    @property
    def migrations(self) -> Migrations:
        return Migrations(self.database)


def app_of(account: MockAccount, **changes: Any) -> App:
    """The app of a mock account as a configuration would have it."""
    provider = PROVIDERS[account.provider]
    fields: dict[str, Any] = {
        "appid": account.appid,
        "name": account.name,
        "provider": provider,
        "kind": account.kind,
        "token": TokenSettings(kind=provider.source or "none"),
        "open_platform": MAIN if provider is WECHAT else None,
        "secret": lambda: Secret(account.secret),
        "base_url": URL,
    }
    return App(**(fields | changes))


def setup(
    world: World,
    time: Time,
    *,
    database: Database | None = None,
    sink: KeepingSink | None = None,
    holder: str = "worker",
) -> Setup:
    """A worker over a world; workers share one when they share the file of ``database``."""
    database = database or Database(":memory:")
    transport = WorldTransport(world)
    around = Surroundings(transport, time.clock, time.sleep, lambda: 0.5)
    tokens = Tokens(
        TokenCache(database),
        clock=time.clock,
        sleep=time.sleep,
        chance=lambda: 0.5,
        holder=holder,
        is_gone=is_gone,
    )
    ledger = Ledger(database)
    client = Client(around, tokens, ledger)
    sink = sink or KeepingSink()
    room = Room(client, Followers(database), Runs(database), sink, time.clock)
    made = Setup(world, time, database, transport, tokens, ledger, client, sink, room)
    weakref.finalize(made, database.close)  # a test that forgets its worker has closed it
    return made


def world_of(*accounts: MockAccount, time: Time | None = None) -> tuple[World, Time]:
    """A world and its time."""
    time = time or Time()
    return World.of(list(accounts), time.clock), time


def together(count: int, run: Any) -> list[Any]:
    """Run ``run(number)`` in so many threads that all start at once; their results in order."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def one(number: int) -> None:
        barrier.wait()
        results[number] = run(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
