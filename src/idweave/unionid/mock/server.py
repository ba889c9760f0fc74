"""The mock over HTTP, on loopback alone: in a thread for tests, or as a command."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from . import other_routes as other
from . import wechat_routes as wechat
from .wechat_routes import Answer, Values
from .world import Refusal, World

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 8 * 1024 * 1024
"""Bounds of a request; the largest real one, a delivery of facts, has 0.2 MB."""


class Route(NamedTuple):
    """One endpoint: its name (as calls are counted and faults planned) and its handler."""

    name: str
    handler: Callable[[World, Values, Values], Answer]


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/cgi-bin/token"): Route("token", wechat.token),
    ("POST", "/cgi-bin/stable_token"): Route("stable_token", wechat.stable_token),
    ("POST", "/cgi-bin/component/api_component_token"): Route(
        "component_token", wechat.component_token
    ),
    ("POST", "/cgi-bin/component/api_authorizer_token"): Route(
        "authorizer_token", wechat.authorizer_token
    ),
    ("GET", "/cgi-bin/user/get"): Route("user/get", wechat.followers),
    ("GET", "/cgi-bin/user/info"): Route("user/info", wechat.follower),
    ("POST", "/cgi-bin/user/info/batchget"): Route("batchget", wechat.follower_batch),
    ("POST", "/cgi-bin/changeopenid"): Route("changeopenid", wechat.change_openid),
    ("POST", "/cgi-bin/openapi/quota/get"): Route("quota", wechat.quota),
    ("GET", "/sns/jscode2session"): Route("jscode2session", wechat.code_to_session),
    ("GET", "/sns/component/jscode2session"): Route(
        "component/jscode2session", wechat.component_code_to_session
    ),
    ("GET", "/sns/oauth2/access_token"): Route("oauth2", wechat.web_login),
    ("GET", "/sns/oauth2/component/access_token"): Route(
        "component/oauth2", wechat.component_web_login
    ),
    ("GET", "/sns/userinfo"): Route("userinfo", wechat.web_user),
    ("GET", "/wxa/getpaidunionid"): Route("getpaidunionid", wechat.paid_unionid),
    ("POST", "/wxa/getpluginopenpid"): Route("getpluginopenpid", wechat.plugin_openpid),
    ("POST", "/gateway.do"): Route("alipay", other.alipay),
    ("GET", "/oauth/2.0/token"): Route("baidu_token", other.baidu_token),
    ("POST", "/oauth/jscode2sessionkey"): Route("baidu_session", other.baidu_session),
    ("POST", "/rest/2.0/smartapp/getunionid"): Route("baidu_union", other.baidu_union),
    ("POST", "/api/apps/v2/jscode2session"): Route("douyin", other.douyin),
    ("POST", "/oauth2/mp/code2session"): Route("kuaishou", other.kuaishou),
    ("POST", "/api/rmp/token"): Route("red_token", other.red_token),
    ("GET", "/api/rmp/session"): Route("red_session", other.red_session),
    ("POST", "/open-apis/auth/v3/app_access_token/internal"): Route(
        "feishu_token", other.feishu_token
    ),
    ("POST", "/open-apis/mina/v2/tokenLoginValidate"): Route("feishu_login", other.feishu_login),
}

COLLECTOR_PATH = "/sa"
"""Where the mock takes facts, as a collector does."""

_NOT_FOUND = {"errcode": -2, "errmsg": "the mock has no such endpoint"}


class Heard(NamedTuple):
    """One request."""

    method: str
    target: str
    body: bytes
    authorization: str = ""


class Said(NamedTuple):
    """One answer, after so many seconds."""

    status: int
    body: bytes
    delay_s: float = 0.0


def respond(world: World, heard: Heard) -> Said:
    """What the mock says to a request."""
    parts = urlsplit(heard.target)
    if heard.method == "POST" and parts.path == COLLECTOR_PATH:
        return _collect(world, heard.body)
    route = ROUTES.get((heard.method, parts.path))
    if route is None:
        return Said(404, _json(_NOT_FOUND))
    query = dict(parse_qsl(parts.query)) | {"authorization": heard.authorization}
    with world.lock:
        fault = world.fault(route.name)
        if fault is not None and fault.hook is not None:
            fault.hook()
        if fault is not None and fault.answer is not None:
            raw = fault.answer if isinstance(fault.answer, bytes) else _json(fault.answer)
            return Said(fault.status, raw, fault.delay_s)
        answer = _answer(world, route, query, heard.body)
    delay = fault.delay_s if fault else 0.0
    return Said(fault.status if fault else 200, _json(answer), delay)


def _answer(world: World, route: Route, query: Values, body: bytes) -> Any:
    try:
        return route.handler(world, query, _body(body))
    except Refusal as refusal:
        rid = f"rid: mock{world.calls.total():08x}-{route.name.replace('/', '-')}"
        return {"errcode": refusal.errcode, "errmsg": f"{refusal.errmsg} {rid}"}


def _body(body: bytes) -> Values:
    if not body:
        return {}
    if body.lstrip().startswith(b"{"):
        try:
            return dict(json.loads(body))
        except ValueError:
            raise Refusal(47001, "data format error") from None
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _collect(world: World, body: bytes) -> Said:
    with world.lock:
        fault = world.fault("collector")
        if fault is not None and fault.hook is not None:
            fault.hook()
        if fault is not None and fault.status != 200:
            return Said(fault.status, b"")
        world.collected.append(body)
    return Said(200, b"")


def _json(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as a loopback client needs it: lengths, keep-alive, one at a time."""

    def __init__(self, world: World, open_now: set[asyncio.Transport]) -> None:
        self._world = world
        self._open_now = open_now
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_now.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._open_now.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (heard := self._next()) is not None:
            said = respond(self._world, heard)
            loop = asyncio.get_running_loop()
            if said.delay_s:
                loop.call_later(said.delay_s, self._write, said)
            else:
                self._write(said)

    def _next(self) -> Heard | None:
        head, gap, _ = bytes(self._buffer[:HEAD_BYTES_MAX]).partition(b"\r\n\r\n")
        if not gap:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = (*first.split(" "), "", "")[:3]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = min(int(headers.get("content-length", "0")), BODY_BYTES_MAX)
        start = len(head) + 4
        if len(self._buffer) < start + length:
            return None
        body = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return Heard(method, target, body, headers.get("authorization", ""))

    def _write(self, said: Said) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        head = f"HTTP/1.1 {said.status} mock\r\ncontent-type: text/plain\r\n"
        head += f"content-length: {len(said.body)}\r\n\r\n"
        self._transport.write(head.encode() + said.body)


class MockServer:
    """The mock in a thread: ``with MockServer(world) as server: server.url``."""

    def __init__(self, world: World, port: int = 0) -> None:
        self.world = world
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="mock platform", daemon=True)

    @property
    def host(self) -> str:
        """Where it listens, as ``allow_hosts`` wants it."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base URL of its accounts."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        server: asyncio.Server | None = None
        open_now: set[asyncio.Transport] = set()
        try:
            server = self._loop.run_until_complete(
                self._loop.create_server(
                    lambda: _Connection(self.world, open_now), "127.0.0.1", self._port
                )
            )
            self._port = server.sockets[0].getsockname()[1]
        except OSError as error:
            self._failed = error
        self._ready.set()
        if server is not None:
            self._loop.run_forever()
            server.close()
        for transport in list(open_now):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
