"""What uvicorn leaves unbounded: how many connections, how long a request takes to arrive, how
large its head is. Slow clients and idle crowds are cut off; everybody else is served."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .settings import ServerSettings

HEAD_BYTES_MAX = 256 * 1024
"""Request line and headers. GET requests carry a record in the URL; browsers end at 64 KiB."""

REQUEST_BYTES_MAX = 64 * 1024 * 1024
"""A whole request as received, with what chunks add to its body (six bytes to one, at worst), and
what is thrown away of a body that was refused."""

SWEEP_S = 0.5
"""How often late requests are looked for; the oldest stands first, so looking costs nothing."""


class Crowd:
    """The connections of one listener that we wait for, in the order in which that began."""

    def __init__(self, settings: ServerSettings) -> None:
        self._connections_max = settings.connections_max
        self._request_s_max = settings.request_s_max
        self._waiting: dict[Connection, float] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def connection(self, **given: Any) -> Connection:
        """A new connection, as uvicorn asks for it."""
        return Connection(self, **given)

    def waits_for(self, connection: Connection) -> None:
        """The connection owes us a request from now on."""
        self._waiting[connection] = self._loop.time()

    def forget(self, connection: Connection) -> None:
        """The connection owes us nothing, or is gone."""
        self._waiting.pop(connection, None)

    def make_room(self, count: int) -> bool:
        """Whether one more of ``count`` connections fits, after the longest waiting one went."""
        if count <= self._connections_max:
            return True
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            self._cut(oldest)
        return oldest is not None

    def _sweep(self) -> None:
        late = self._loop.time() - self._request_s_max
        while self._waiting:
            oldest, since = next(iter(self._waiting.items()))
            if since > late:
                break
            self._cut(oldest)
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def _cut(self, connection: Connection) -> None:
        self.forget(connection)
        connection.transport.abort()

    def close(self) -> None:
        """Cut all that owe us a request: what has not arrived by now is sent again later."""
        self._sweeping.cancel()
        for connection in list(self._waiting):
            self._cut(connection)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, known to the crowd while it owes a request."""

    def __init__(self, crowd: Crowd, **given: Any) -> None:
        super().__init__(**given)
        self._crowd = crowd
        self._request_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        super().connection_made(transport)
        if self._crowd.make_room(len(self.connections)):
            self._crowd.waits_for(self)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client is gone."""
        self._crowd.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._request_bytes += len(data)
        if self._request_bytes > (HEAD_BYTES_MAX if self._in_head else REQUEST_BYTES_MAX):
            self.send_400_response("The request is too large.")
            return
        super().data_received(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those that follow a body are not kept."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request has arrived whole; what comes now is the head of another."""
        self._request_bytes, self._in_head = 0, True
        self._crowd.forget(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered: the next one may come."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._crowd.waits_for(self)
