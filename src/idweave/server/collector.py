"""The collector: the data path of SDK requests, as raw ASGI without a framework (PROTOCOL.md §2).

A request is decoded and checked on the event loop (a large one in a thread), waits for the commit
that holds it, and is answered 200 only then.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from idweave.core.rejection import Rejection
from idweave.engine.engine import Engine
from idweave.engine.intake import DEFAULT_PROJECT, UNKNOWN_PROJECT, Delivery

from .commits import INTERNAL, GroupCommit
from .decode import fast_decode
from .logs import log, place_of
from .meters import Meters
from .replies import (
    ANY_ORIGIN,
    GIF,
    IMAGE,
    JSON,
    PREFLIGHT_ANY,
    PREFLIGHT_DEBUG,
    Header,
    Receive,
    Reply,
    Scope,
    Send,
)
from .settings import ServerSettings, remote_version

INLINE_BYTES_MAX = 64 * 1024
"""Bodies that are decoded on the event loop: up to some 400 records, below a millisecond or two.
A thread costs a small request more than its decoding; a large one would hold up all others."""

ORIGIN = re.compile(rb"[!-~]{1,300}")
"""Origins that are echoed: printable, and no longer than a host name can be."""

PAIRING = re.compile(rb"(?:^|&)info_id=[^&]")
"""A phone that asks whether its debug mode reaches us."""

_NOT_FOUND = Reply(404, b"Not found. SDKs send to /sa or /sa.gif, debug mode to /debug.\n")
_ALIVE = Reply(200, b"ok\n")
_EMPTY = b"The request holds neither data nor data_list.\n"
_LARGE = b"The body is over the limit of the collector. Send fewer records in a request.\n"
_LATER = b"Nothing was stored. Send the same request again later.\n"

Handler = Callable[[Scope, Receive], Awaitable[Reply | None]]
"""Answers a request; None where the client went away in mid-body."""


class Collector:
    """The ASGI application of the collector's listener."""

    def __init__(
        self, engine: Engine, commits: GroupCommit, settings: ServerSettings, meters: Meters
    ) -> None:
        self._engine = engine
        self._commits = commits
        self._body_bytes_max = settings.body_bytes_max
        self._held_bytes_max = settings.queue_bytes_max
        self._meters = meters
        self._decoders = ThreadPoolExecutor(1, "idweave-decoder")
        self._later: Header = (b"retry-after", str(settings.retry_after_s).encode())
        self._busy = Reply(503, _LATER, more=(*ANY_ORIGIN, self._later))
        self._large = Reply(413, _LARGE, more=ANY_ORIGIN)
        self._no_data = Reply(400, _EMPTY, more=ANY_ORIGIN)
        self._no_method = Reply(405, _EMPTY, more=((b"allow", b"GET, POST, OPTIONS"), *ANY_ORIGIN))
        self._preflight = Reply(200, more=PREFLIGHT_ANY)
        self._taken = Reply(200, more=ANY_ORIGIN)
        self._pixel = Reply(200, GIF, IMAGE, ANY_ORIGIN)
        self._config = Reply(200, settings.remote_config.encode(), JSON)
        self._config_version = remote_version(settings.remote_config)
        self._handlers: dict[str, Handler] = {
            "/sa": self._sa,
            "/sa.gif": self._sa_gif,
            "/debug": self._debug,
            "/config/Android.conf": self._remote_config,
            "/config/iOS.conf": self._remote_config,
            "/healthz": self._health,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._handlers.get(scope["path"])
        try:
            reply = _NOT_FOUND if handler is None else await handler(scope, receive)
        except asyncio.CancelledError:  # a stop gives up what its grace did not suffice for
            reply = self._busy
        except Exception as error:  # noqa: BLE001 - the outermost door: the SDK sends it again
            log(logging.ERROR, "a request failed", error=place_of(error), path=scope["path"])
            reply = self._busy
        if reply is not None:
            self._meters.answered[reply.status] += 1
            await send(reply.start)
            await send(reply.body)

    def close(self) -> None:
        """Wait for the thread and give it back."""
        self._decoders.shutdown(cancel_futures=True)

    # -- records ----------------------------------------------------------------------------------

    async def _sa(self, scope: Scope, receive: Receive) -> Reply | None:
        return await self._ingest(scope, receive, self._taken)

    async def _sa_gif(self, scope: Scope, receive: Receive) -> Reply | None:
        return await self._ingest(scope, receive, self._pixel)

    async def _ingest(self, scope: Scope, receive: Receive, taken: Reply) -> Reply | None:
        if scope["method"] == "OPTIONS":
            return self._preflight
        body = await self._body(scope, receive)
        if body is None or isinstance(body, Reply):
            return body
        delivery = await self._delivery(body, scope["query_string"].decode("utf-8", "replace"))
        if delivery is None:
            return self._no_data if scope["method"] in {"GET", "POST"} else self._no_method
        return taken if await self._is_durable(delivery) else self._busy

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Reply | None:
        """The whole body; None where the client went away; or why it is not read to its end."""
        message = await receive()
        if message["type"] != "http.request":
            return None
        body: bytes = message["body"]
        if not message.get("more_body"):
            return body if len(body) <= self._body_bytes_max else self._large
        if _length(scope) > self._body_bytes_max:
            return self._large
        return await self._rest(body, receive)

    async def _rest(self, first: bytes, receive: Receive) -> bytes | Reply | None:
        """A body that comes in pieces. All such bodies together are bounded as well."""
        parts, size, is_more = [first], 0, True
        try:
            while True:
                size += len(parts[-1])
                self._meters.body_bytes += len(parts[-1])
                if size > self._body_bytes_max:
                    return self._large
                if self._meters.body_bytes > self._held_bytes_max:
                    return self._busy
                if not is_more:
                    return b"".join(parts)
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message["body"])
                is_more = message.get("more_body", False)
        finally:
            self._meters.body_bytes -= size

    async def _delivery(self, body: bytes, query: str) -> Delivery | None:
        """What a request holds, checked; None where that is no data at all."""
        received_at_ms = self._engine.clock()
        if len(body) <= INLINE_BYTES_MAX:
            return self._parsed(body, query, received_at_ms)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoders, self._parsed, body, query, received_at_ms)

    def _parsed(self, body: bytes, query: str, received_at_ms: int) -> Delivery | None:
        try:
            decoded = fast_decode(body, query)
            return None if decoded.empty else self._engine.parse(decoded, received_at_ms)
        except Exception as error:  # noqa: BLE001 - the outermost door: the bytes are kept
            log(logging.ERROR, "a request could not be decoded", error=place_of(error))
            raw = body + b"\n" + query.encode("utf-8", "surrogatepass")
            known = DEFAULT_PROJECT in self._engine.projects
            project = DEFAULT_PROJECT if known else UNKNOWN_PROJECT
            items = ((project, INTERNAL),)
            return Delivery(gzip.compress(raw, 1, mtime=0), received_at_ms, items, whole=True)

    async def _is_durable(self, delivery: Delivery) -> bool:
        answered = self._commits.submit(delivery)
        return answered is not None and await answered

    # -- debug mode -------------------------------------------------------------------------------

    async def _debug(self, scope: Scope, receive: Receive) -> Reply | None:
        """Say at once what is wrong with each record; store what may be stored."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        cors = _with_credentials(origin) if ORIGIN.fullmatch(origin) else ()
        if scope["method"] == "OPTIONS":
            return Reply(200, more=(*PREFLIGHT_DEBUG, *cors))
        body = await self._body(scope, receive)
        if body is None or isinstance(body, Reply):
            return body
        delivery = await self._delivery(body, scope["query_string"].decode("utf-8", "replace"))
        if delivery is None:
            return self._debug_empty(scope, body, cors)
        is_dry = headers.get(b"dry-run") == b"true"
        if not is_dry and not await self._is_durable(delivery):
            return Reply(503, _LATER, more=(self._later, *cors))
        errors = _errors(delivery)
        if not errors:
            return Reply(200, b"{}", JSON, cors)
        shows_status = scope["method"] != "GET"  # the web SDK shows nothing of a failed GET
        answer = json.dumps({"errors": errors}).encode()
        return Reply(400 if shows_status else 200, answer, JSON, cors)

    def _debug_empty(self, scope: Scope, body: bytes, cors: tuple[Header, ...]) -> Reply:
        method = scope["method"]
        if method == "POST" and (PAIRING.search(scope["query_string"]) or PAIRING.search(body)):
            return Reply(200, b"{}", JSON, cors)
        if method in {"GET", "POST"}:
            return Reply(400, _EMPTY, more=cors)
        return Reply(405, _EMPTY, more=((b"allow", b"GET, POST, OPTIONS"), *cors))

    # -- the rest ---------------------------------------------------------------------------------

    async def _remote_config(self, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] not in {"GET", "HEAD"}:
            return Reply(405, b"Only GET.\n", more=((b"allow", b"GET, HEAD"),))
        version = re.search(rb"(?:^|&)v=([^&]*)", scope["query_string"])
        if version and version[1] == self._config_version.encode():
            return Reply(304, kind=JSON)
        return self._config

    async def _health(self, scope: Scope, receive: Receive) -> Reply:
        return _ALIVE


def _length(scope: Scope) -> int:
    """The declared length of a body, 0 where there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _with_credentials(origin: bytes) -> tuple[Header, ...]:
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    )


def _errors(delivery: Delivery) -> list[dict[str, object]]:
    """What is wrong, record by record; the index of a whole request is -1."""
    return [
        {
            "index": -1 if delivery.whole else index,
            "code": item.code.value,
            "field": item.field,
            "reason": item.reason,
            "fix": item.fix,
        }
        for index, (_, item) in enumerate(delivery.items)
        if isinstance(item, Rejection)
    ]
