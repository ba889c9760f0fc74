"""The API's application. So far it only says that it is alive."""

from __future__ import annotations

from idweave.engine.engine import Engine

from ..commits import GroupCommit
from ..meters import Meters
from ..replies import Receive, Reply, Scope, Send
from ..settings import ServerSettings

_ALIVE = Reply(200, b"ok\n")
_NOT_FOUND = Reply(404, b"Not found.\n")


class Api:
    """The application and what it has to give back at the end."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reply = _ALIVE if scope["path"] == "/healthz" else _NOT_FOUND
        await send(reply.start)
        await send(reply.body)

    def close(self) -> None:
        """Give back threads."""


def build_api(
    engine: Engine, settings: ServerSettings, meters: Meters, commits: GroupCommit
) -> Api:
    """The API of an engine."""
    return Api()
