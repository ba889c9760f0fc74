"""The change feed as server-sent events: a client asks once and gets every change from then on.

A stream waits for the writer to say that there is more and then reads pages, as many as its client
takes: who reads slowly holds up nobody and nothing is kept for him, as the feed itself is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from starlette.responses import Response

from idweave.core.errors import IdweaveError
from idweave.engine.engine import Engine
from idweave.engine.following import ChangePage

from ..logs import log
from ..meters import Meters
from ..settings import ServerSettings

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "last-event-id"

STREAMS_MAX = 64
"""Open streams: mirrors and pages that look on, each of which reads every change. Past it 503."""

STREAM_PAGE = 500
"""Changes of one read, some 200 KiB as text: what a stream holds in memory at most."""

HEADERS = (
    (b"content-type", EVENT_STREAM.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),  # proxies that know it hand on each change at once
)

GREETING = b"retry: 1000\n\n"
QUIET = b": nothing new\n\n"

Read = Callable[[int], Awaitable[ChangePage]]
"""Reads the changes after a cursor."""


def event_of(page: ChangePage) -> bytes:
    """Changes as events: ``id`` is the cursor to go on from, ``event`` the kind."""
    return b"".join(
        b"id: %b\nevent: %b\ndata: %b\n\n"
        % (one.cursor.encode(), one.kind.encode(), msgspec.json.encode(one))
        for one in page.changes
    )


class Streams:
    """All open streams. Everything but the listener belongs to the event loop.

    ``quiet_s``: after so long without a change a comment is sent, so that proxies and clients know
    that we are there, and the store is asked, in case that another process wrote to it: as long as
    an idle connection is kept. ``stalled_s``: how long a client may take nothing of what it was
    sent: as long as a request may take to arrive.
    """

    def __init__(self, engine: Engine, settings: ServerSettings, meters: Meters) -> None:
        self.quiet_s = settings.keep_alive_s
        self.stalled_s = settings.request_s_max
        self._meters = meters
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[Stream] = set()
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether no further stream may be opened."""
        return self.is_closed or len(self._open) >= STREAMS_MAX

    def stream(self, first: ChangePage, read: Read) -> Response:
        """A stream that begins with a page that was read already."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._engine.watch(self._told)
        return Stream(self, first, read)

    def _told(self) -> None:
        """There is more: on the thread that wrote."""
        assert self._loop is not None, "only a stream asks to be told"
        with suppress(RuntimeError):  # the loop is closed: the server has stopped
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for one in self._open:
            one.news.set()

    def begins(self, stream: Stream) -> None:
        """A stream is open."""
        self._open.add(stream)
        self._meters.streams = len(self._open)

    def ends(self, stream: Stream) -> None:
        """A stream is over."""
        self._open.discard(stream)
        self._meters.streams = len(self._open)

    def close(self) -> None:
        """End all streams, each after a whole event; clients come back to the next server."""
        self.is_closed = True
        self._wake()


class Stream(Response):
    """One stream, from a page on until its client goes or the server stops."""

    def __init__(self, streams: Streams, first: ChangePage, read: Read) -> None:
        self._streams = streams
        self._page = first
        self._read = read
        self.news = asyncio.Event()
        """Set when there may be more to read, as there may be since the first page was read."""
        self.news.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until somebody has had enough."""
        self._streams.begins(self)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await self._sent(send, GREETING)
            try:
                await self._run(send, gone)
            except IdweaveError as error:
                log(logging.ERROR, "a stream failed", code=error.code, error=error.message)
            await self._sent(send, b"", more=False)
        except TimeoutError:
            log(logging.WARNING, "a reader of changes stalled", cursor=self._page.next_cursor)
        finally:
            gone.cancel()
            self._streams.ends(self)

    async def _run(self, send: Any, gone: asyncio.Future[None]) -> None:
        while not gone.done() and not self._streams.is_closed:
            if self._page.changes:
                await self._sent(send, event_of(self._page))
            elif not await self._waited(gone):
                await self._sent(send, QUIET)
            self.news.clear()  # before the store is read, so that no commit goes unnoticed
            self._page = await self._read(int(self._page.next_cursor))

    async def _sent(self, send: Any, body: bytes, *, more: bool = True) -> None:
        """Hand bytes to the connection; raises TimeoutError where it takes none for long."""
        async with asyncio.timeout(self._streams.stalled_s):
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def _waited(self, gone: asyncio.Future[None]) -> bool:
        """Wait until there is more, or nobody listens; False where nothing came for long."""
        news = asyncio.ensure_future(self.news.wait())
        either: set[asyncio.Future[Any]] = {news, gone}
        try:
            first = asyncio.FIRST_COMPLETED
            done, _ = await asyncio.wait(either, timeout=self._streams.quiet_s, return_when=first)
        finally:
            news.cancel()
        return bool(done)


async def _gone(receive: Any) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
