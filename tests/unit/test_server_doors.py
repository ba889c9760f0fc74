"""The outermost doors: a fault of ours loses nothing and shows nobody its insides."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from idweave.core.errors import StoreError
from idweave.core.identity import Identity
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.answers import IdentityAnswer, Stats
from idweave.engine.engine import Engine
from idweave.engine.intake import Delivery
from idweave.server.api import build_api
from idweave.server.collector import Collector
from idweave.server.commits import GroupCommit
from idweave.server.meters import Meters
from idweave.server.settings import READS_WAITING_MAX, ServerSettings
from idweave.stores import open_store
from idweave.wire import Decoded

SECRET = "a secret inside a message"


class FaultyEngine(Engine):
    """An engine with faults."""

    def __init__(self) -> None:
        project = Project("default", preset("sensors"))
        super().__init__(open_store("memory:"), {"default": project}, clock=lambda: 1)
        self.open = threading.Event()

    def parse(self, decoded: Decoded, received_at_ms: int, *, live: bool = True) -> Delivery:
        raise ZeroDivisionError(SECRET)

    def lookup(self, project: str, identity: Identity) -> IdentityAnswer:
        raise ZeroDivisionError(SECRET)

    def project_names(self) -> list[str]:
        raise StoreError("The disk is gone.", fix="Bring it back.")

    def stats(self, project: str) -> Stats:
        assert self.open.wait(10)
        return super().stats(project)


Story = Callable[[FaultyEngine, httpx2.AsyncClient, httpx2.AsyncClient], Awaitable[None]]


def play(story: Story) -> FaultyEngine:
    """Tell a story to a collector and an API, without sockets."""

    async def played() -> FaultyEngine:
        engine, settings, meters = FaultyEngine(), ServerSettings(), Meters()
        commits = GroupCommit(engine.accept, settings, meters)
        collector = Collector(engine, commits, settings, meters)
        api = build_api(engine, settings, meters, commits)
        commits.start()
        try:
            async with client(collector) as sender, client(api) as asker:
                await story(engine, sender, asker)
        finally:
            engine.open.set()
            await asyncio.to_thread(commits.stop, 10)
            collector.close()
            api.close()
        return engine

    return asyncio.run(played())


def client(app: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


def test_a_request_that_cannot_be_parsed_for_a_fault_of_ours_is_kept_as_it_came() -> None:
    async def story(
        engine: FaultyEngine, sender: httpx2.AsyncClient, asker: httpx2.AsyncClient
    ) -> None:
        answer = await sender.post("/sa?token=t", content=b"data=eyJhIjoxfQ==")
        assert answer.status_code == 200

    (kept,) = play(story).rejections("default")
    assert (kept.code, kept.raw) == ("INTERNAL", "data=eyJhIjoxfQ==\ntoken=t")


def test_a_fault_of_the_api_is_a_problem_without_its_insides() -> None:
    async def story(
        engine: FaultyEngine, sender: httpx2.AsyncClient, asker: httpx2.AsyncClient
    ) -> None:
        answer = await asker.get("/v1/projects/default/lookup?key=a&value=b")
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert SECRET not in answer.text
        assert "ZeroDivision" not in answer.text

    play(story)


def test_a_store_that_cannot_be_read_is_503_with_its_reason_and_fix() -> None:
    async def story(
        engine: FaultyEngine, sender: httpx2.AsyncClient, asker: httpx2.AsyncClient
    ) -> None:
        for path in ("/v1/projects", "/metrics"):
            answer = await asker.get(path)
            assert (answer.status_code, answer.json()["fix"]) == (503, "Bring it back.")
            assert answer.headers["retry-after"] == "5"

    play(story)


def test_more_questions_than_are_answered_at_once_are_put_off() -> None:
    async def story(
        engine: FaultyEngine, sender: httpx2.AsyncClient, asker: httpx2.AsyncClient
    ) -> None:
        ask = "/v1/projects/default/stats"
        waiting = [asyncio.create_task(asker.get(ask)) for _ in range(READS_WAITING_MAX)]
        await asyncio.sleep(0.2)
        answer = await asker.get(ask)
        assert (answer.status_code, answer.json()["code"]) == (503, "BUSY")
        assert (await asker.get("/healthz")).status_code == 200
        assert (await asker.get("/readyz")).status_code == 200
        engine.open.set()
        answers = await asyncio.gather(*waiting)
        assert {one.status_code for one in answers} == {200}
        assert (await asker.get(ask)).status_code == 200

    play(story)
