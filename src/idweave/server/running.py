"""Both listeners in one process, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from idweave.core.errors import ListenError
from idweave.engine.engine import Engine

from .api import build_api, is_loopback
from .collector import Collector
from .commits import GroupCommit
from .connections import Crowd
from .logs import log
from .meters import Meters
from .settings import ServerSettings

BACKLOG = 2048
"""Connections that the kernel holds for us: a burst of phones after a push message."""

SWITCH_INTERVAL_S = 0.001
"""How long a thread may keep the interpreter while another waits. Python's own 5 ms would be a
look-up's whole time (measured while ingesting); at 1 ms ingestion loses nothing."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens. ``stop`` ends it like a signal does, from any thread."""

    collector_url: str
    api_url: str
    stop: Callable[[], None]


Ready = Callable[[Running], None]


def serve(engine: Engine, settings: ServerSettings, *, ready: Ready | None = None) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then finish what was taken and return.

    ``ready`` is called once both listeners accept. Raises ListenError for a host or port that
    cannot be had, and where the API would listen beyond this machine without a key.
    """
    refuse_open_api(settings)
    with (
        contextlib.closing(listening(settings.collector_host, settings.collector_port)) as data,
        contextlib.closing(listening(settings.api_host, settings.api_port)) as api,
        quick_switches(),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(_serve(engine, settings, (data, api), ready))


async def _serve(
    engine: Engine,
    settings: ServerSettings,
    listeners: tuple[socket.socket, socket.socket],
    ready: Ready | None,
) -> None:
    data, api = listeners
    meters = Meters()
    commits = GroupCommit(engine.accept, settings, meters)
    collector = Collector(engine, commits, settings, meters)
    answers = build_api(engine, settings, meters, commits)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = Running(url_of(data), url_of(api), lambda: _call(loop, stopping.set))
    commits.start()
    gc.freeze()  # what is loaded stays: the collector of garbage need not look at it again
    try:
        with signals_call(running.stop):  # around all: a second signal does not break the grace
            async with _listener(collector, data, settings), _listener(answers, api, settings):
                log(logging.INFO, "listening", collector=running.collector_url, api=running.api_url)
                if ready is not None:
                    ready(running)
                await stopping.wait()
                log(logging.INFO, "stopping")
    finally:
        is_done = await asyncio.to_thread(commits.stop, settings.grace_s)
        collector.close()
        answers.close()
        log(logging.INFO, "stopped", wrote_all=is_done)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
        loop.call_soon_threadsafe(function)


@contextlib.asynccontextmanager
async def _listener(
    app: Any, bound: socket.socket, settings: ServerSettings
) -> AsyncIterator[None]:
    """Serve an application on a socket; at the end finish the requests under way."""
    crowd = Crowd(settings)
    config = uvicorn.Config(
        app,
        http=crowd.connection,  # type: ignore[arg-type]  # a factory will do as well as a class
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.grace_s,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])  # the parts of serve(), less its own way with signals
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[bound])
        crowd.close()


# -- sockets ---------------------------------------------------------------------------------------


def refuse_open_api(settings: ServerSettings) -> None:
    """Raise ListenError where the API would listen beyond this machine without a key."""
    if is_loopback(settings.api_host) or settings.api_key_hashes:
        return
    fix = (
        "Configure the SHA-256 of an API key (api_key_hashes), or let the API listen on 127.0.0.1"
        " and put a proxy with a login in front of it."
    )
    raise ListenError(f"The API may not listen on {settings.api_host} without a key.", fix=fix)


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to a host and port. Raises ListenError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        fix = "Give an address of this machine, such as 127.0.0.1."
        raise ListenError(f"{host!r} is no host to listen on: {error}.", fix=fix) from None
    bound = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        fix = "Stop the program that holds it, or choose another port."
        why = error.strerror or error
        raise ListenError(f"Cannot listen on {host} port {port}: {why}.", fix=fix) from None
    return bound


def url_of(bound: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# -- process ---------------------------------------------------------------------------------------


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else the standard event loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextlib.contextmanager
def quick_switches() -> Iterator[None]:
    """Threads change places sooner while we serve."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def signals_call(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call ``stop``, where this is the thread that gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [(number, signal.signal(number, lambda *_: stop())) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
