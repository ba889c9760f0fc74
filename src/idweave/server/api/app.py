"""The API's application: a door (host, key), Starlette's routes, and threads that answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from idweave.core.errors import IdweaveError
from idweave.engine.engine import Engine
from idweave.engine.following import ChangePage

from ..commits import GroupCommit
from ..keys import is_key
from ..logs import log, place_of
from ..meters import Meters
from ..replies import Receive, Scope, Send
from ..settings import READ_THREADS, READS_WAITING_MAX, ServerSettings
from .handlers import Asked, Source
from .hosts import Hosts
from .metrics import CONTENT_TYPE
from .parameters import read_after, read_query
from .problems import (
    FAULT,
    NO_KEY,
    NO_ROUTE,
    NOT_JSON,
    TOO_LARGE,
    WRONG_HOST,
    Refused,
    busy,
    no_method,
    occupied,
    of_error,
)
from .routes import OPEN_PATHS, ROUTES, Answer, Row
from .shapes import Moved
from .streaming import EVENT_STREAM, LAST_EVENT_ID, STREAM_PAGE, Streams

BODY_BYTES_MAX = 64 * 1024
"""Of a question: a thousand ids and then some."""

SAFE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer: it is nobody's page and nobody's to keep."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """The application and its threads."""

    def __init__(self, source: Source, settings: ServerSettings) -> None:
        self._source = source
        self._settings = settings
        self._hosts = Hosts(settings)
        self._threads = ThreadPoolExecutor(READ_THREADS, "idweave-reader")
        self._asked = 0
        self._long = 0
        self._streams = Streams(source.engine, settings, source.meters)
        routes = [Route(row.path, self._endpoint(row), methods=[row.method]) for row in ROUTES]
        self._starlette = Starlette(
            routes=routes, exception_handlers={HTTPException: _http_problem}
        )
        self._starlette.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if its host and key let it in."""
        refused = self._refused(scope)
        if refused is None:
            await self._starlette(scope, receive, send)  # type: ignore[arg-type]
        else:
            await problem(refused)(scope, receive, send)  # type: ignore[arg-type]

    def end_streams(self) -> None:
        """End what would go on for ever, on the event loop."""
        self._streams.close()

    def close(self) -> None:
        """Wait for the threads and give them back."""
        self._threads.shutdown(cancel_futures=True)

    def _refused(self, scope: Scope) -> Refused | None:
        headers = dict(scope["headers"])
        if not self._hosts.allow(headers.get(b"host", b"")):
            return WRONG_HOST
        hashes = self._settings.api_key_hashes
        is_free = not hashes or scope["path"] in OPEN_PATHS
        if is_free or is_key(headers.get(b"authorization", b""), hashes):
            return None
        return NO_KEY

    def _endpoint(self, row: Row) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._answered(row, request)
            except IdweaveError as error:
                return problem(of_error(error, self._settings.retry_after_s))
            except ClientDisconnect:
                return Response()  # to nobody
            except Exception as error:  # noqa: BLE001 - the outermost door: no trace gets out
                log(logging.ERROR, "a question failed", route=row.path, error=place_of(error))
                return problem(FAULT)

        return endpoint

    async def _answered(self, row: Row, request: Request) -> Response:
        query: bytes = request.scope["query_string"]
        values = read_query(query, row.parameters) | request.path_params
        body = b""
        if row.body is not None:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":  # also what a foreign page cannot send unasked
                return problem(NOT_JSON)
            body = await _body(request)
            if len(body) > BODY_BYTES_MAX:
                return problem(TOO_LARGE)
        asked = Asked(self._source, values, body)
        if row.is_instant:
            return _respond(row, asked)
        if row.streams and request.method == "GET" and asks_for_events(request):
            return await self._stream(row, asked, request)
        if self._asked >= READS_WAITING_MAX:
            return problem(busy(self._settings.retry_after_s))
        if row.is_long and self._long:
            return problem(occupied(self._settings.retry_after_s))
        self._asked += 1
        self._long += row.is_long
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, _respond, row, asked)
        finally:
            self._asked -= 1
            self._long -= row.is_long

    async def _stream(self, row: Row, asked: Asked, request: Request) -> Response:
        """What the route answers, from a cursor on for ever. What a client that comes back got
        last counts more than what it asked for at first."""
        if self._streams.is_full:
            return problem(busy(self._settings.retry_after_s))
        last = request.headers.get(LAST_EVENT_ID)
        values = dict(asked.values) if not last else {**asked.values, **read_after(last)}

        async def read(after: int) -> ChangePage:
            one = Asked(asked.source, {**values, "after": after, "limit": STREAM_PAGE})
            loop = asyncio.get_running_loop()
            return cast(ChangePage, await loop.run_in_executor(self._threads, row.handler, one))

        first = await read(cast(int, values["after"]))
        return self._streams.stream(first, read)


def build_api(
    engine: Engine, settings: ServerSettings, meters: Meters, commits: GroupCommit
) -> Api:
    """The API of an engine, with threads of its own."""
    return Api(Source(engine, meters, commits, settings.retry_after_s), settings)


def problem(refused: Refused) -> Response:
    """A problem as an answer."""
    content = msgspec.json.encode(refused.document())
    headers = {**SAFE, **refused.headers}
    return Response(content, refused.status, headers, "application/problem+json")


def _respond(row: Row, asked: Asked) -> Response:
    """Ask and write the answer down, in a thread."""
    answer: Answer = row.handler(asked)
    if isinstance(answer, Refused):
        return problem(answer)
    if isinstance(answer, str):
        return Response(answer, 200, {**SAFE, "Content-Type": CONTENT_TYPE})
    content = msgspec.json.encode(answer)
    if isinstance(answer, Moved):
        return Response(content, 308, {**SAFE, "Location": answer.location}, "application/json")
    return Response(content, 200, SAFE, "application/json")


def asks_for_events(request: Request) -> bool:
    """Whether a client wants server-sent events."""
    return EVENT_STREAM in request.headers.get("accept", "").lower()


async def _body(request: Request) -> bytes:
    """The body, or a little more than its bound."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            break
    return body


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, no such method."""
    headers = getattr(error, "headers", None) or {}
    if getattr(error, "status_code", 404) == 405:
        return problem(no_method(headers.get("Allow", "GET")))
    return problem(NO_ROUTE)
