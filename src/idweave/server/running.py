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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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

FILES_SPARE = 128
"""Open files beside connections: the store with its readers, logs, and what else a process has."""

SWITCH_INTERVAL_S = 0.001
"""How long a thread may keep the interpreter while another waits. Python's own 5 ms would be a
look-up's whole time (measured while ingesting); at 1 ms ingestion loses nothing."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens. ``stop`` ends it like a signal does, from any thread."""

    collector_url: str
    api_url: str
    stop: Callable[[], None]


GARBAGE_THRESHOLDS = (20_000, 50, 1000)
"""Requests leave no garbage in cycles (measured: none in a thousand), while each search goes
through everything that the engine remembers: at Python's thresholds a third of the throughput."""

Ready = Callable[[Running], None]


def serve(engine: Engine, settings: ServerSettings, *, ready: Ready | None = None) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then finish what was taken and return.

    ``ready`` is called once both listeners accept. Raises ListenError for a host or port that
    cannot be had, and where the API would listen beyond this machine without a key.
    """
    refuse_open_api(settings)
    settings = replace(settings, connections_max=connections_allowed(settings.connections_max))
    with (
        contextlib.closing(listening(settings.collector_host, settings.collector_port)) as data,
        contextlib.closing(listening(settings.api_host, settings.api_port)) as api,
        tuned_interpreter(),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(_serve(engine, settings, (data, api), ready))


async def _serve(
    engine: Engine,
    settings: ServerSettings,
    sockets: tuple[socket.socket, socket.socket],
    ready: Ready | None,
) -> None:
    data, api = sockets
    meters = Meters()
    commits = GroupCommit(engine.accept, settings, meters)
    collector = Collector(engine, commits, settings, meters)
    answers = build_api(engine, settings, meters, commits)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = Running(url_of(data), url_of(api), lambda: _call(loop, stopping.set))
    commits.start()
    listeners = (_Listener(collector, data, settings), _Listener(answers, api, settings))
    with signals_call(running.stop):  # to the very end: a second signal does not break the grace
        try:
            for listener in listeners:
                await listener.start()
            log(logging.INFO, "listening", collector=running.collector_url, api=running.api_url)
            if ready is not None:
                ready(running)
            await stopping.wait()
            log(logging.INFO, "stopping")
        finally:
            answers.end_streams()
            await asyncio.gather(*(listener.stop() for listener in listeners))
            is_done = await asyncio.to_thread(commits.stop, settings.grace_s)
            await asyncio.to_thread(collector.close)
            await asyncio.to_thread(answers.close)
            log(logging.INFO, "stopped", wrote_all=is_done)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
        loop.call_soon_threadsafe(function)


class _Listener:
    """An application on a socket: the parts of uvicorn's ``serve``, less its way with signals."""

    def __init__(self, app: Any, bound: socket.socket, settings: ServerSettings) -> None:
        self._bound = bound
        self._crowd = Crowd(settings)
        self._config = uvicorn.Config(
            app,
            http=self._crowd.connection,  # type: ignore[arg-type]  # a factory will do
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
        self._server = uvicorn.Server(self._config)
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections from now on."""
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._bound])
        self._ticking = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Accept no more, finish the requests that arrived, and give up those that take too
        long."""
        self._crowd.close()
        if self._ticking is not None:
            self._ticking.cancel()
            await self._server.shutdown(sockets=[self._bound])


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


def connections_allowed(wanted: int) -> int:
    """How many connections each of two listeners may have, after asking for room for so many: a
    process that runs out of open files can accept nobody and commit nothing."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + FILES_SPARE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    if hard == resource.RLIM_INFINITY or hard > soft:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, (soft - FILES_SPARE) // 2))


@contextlib.contextmanager
def tuned_interpreter() -> Iterator[None]:
    """While we serve, threads change places sooner, and garbage in cycles is looked for rarely and
    not among what is loaded now."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


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
