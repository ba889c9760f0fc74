"""A server to ask: in this process on free ports, or as a process of its own that can be killed."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

import httpx2

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.ports import Store
from idweave.server.logs import configure_logging
from idweave.server.running import Running, serve
from idweave.server.settings import ServerSettings
from idweave.stores import open_store

NOW_MS = 1_795_600_000_000
"""The server's clock stands still."""

WAIT_S = 20.0
"""Nothing here takes longer, or it does not work."""

PROJECTS = {
    name: Project(name, preset("sensors"), token=token, time_window=False)
    for name, token in (("default", None), ("production", None), ("guarded", "s3cret"))
}


def engine_on(store: Store) -> Engine:
    return Engine(store, PROJECTS, clock=lambda: NOW_MS)


@dataclass(frozen=True)
class Served:
    """A running server with clients for both of its listeners."""

    running: Running
    engine: Engine
    collector: httpx2.Client
    api: httpx2.Client

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.running.collector_url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def send(self, *records: dict[str, Any], path: str = "/sa") -> httpx2.Response:
        return self.collector.post(path, content=body_of(*records))

    def metric(self, name: str) -> float:
        """One of the numbers that has no labels."""
        (line,) = re.findall(rf"^{name} (\S+)$", self.api.get("/metrics").text, re.MULTILINE)
        return float(line)

    def stats(self, project: str = "default") -> dict[str, Any]:
        answer = self.api.get(f"/v1/projects/{project}/stats")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def served(store: Store, **given: Any) -> Iterator[Served]:
    """A server in a thread of this process."""
    settings = ServerSettings(**{"collector_port": 0, "api_port": 0, "grace_s": 3} | given)
    engine = engine_on(store)
    started: SimpleQueue[Running] = SimpleQueue()
    with ThreadPoolExecutor(1) as threads:
        stopped = threads.submit(serve, engine, settings, ready=started.put)
        stopped.add_done_callback(lambda _: started.put(NOT_RUNNING))
        running = started.get(timeout=WAIT_S)
        try:
            with (
                httpx2.Client(base_url=running.collector_url, timeout=WAIT_S) as collector,
                httpx2.Client(base_url=running.api_url, timeout=WAIT_S) as api,
            ):
                yield Served(running, engine, collector, api)
        finally:
            running.stop()
            stopped.result(WAIT_S)


NOT_RUNNING = Running("http://127.0.0.1:1", "http://127.0.0.1:1", lambda: None)


@dataclass(frozen=True)
class Process:
    """A server as a process of its own."""

    process: subprocess.Popen[str]
    collector_url: str
    api_url: str

    @property
    def log(self) -> list[str]:
        """The lines that it logged, once it ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read().splitlines()

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.collector_url.removeprefix("http://").rpartition(":")
        return host, int(port)


@contextmanager
def process_on(path: Path, **given: Any) -> Iterator[Process]:
    """A server process on a store in a file; killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.e2e.serving", str(path), json.dumps(given)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            urls = json.loads(process.stdout.readline())
            yield Process(process, urls["collector"], urls["api"])
        finally:
            process.kill()


def main(path: str, given: str) -> None:
    """Serve a store until a signal, as the command line will."""
    configure_logging()
    settings = ServerSettings(**{"collector_port": 0, "api_port": 0} | json.loads(given))
    store = open_store(path)

    def say(running: Running) -> None:
        urls = {"collector": running.collector_url, "api": running.api_url}
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()

    try:
        serve(engine_on(store), settings, ready=say)
    finally:
        store.close()


# -- what is sent ----------------------------------------------------------------------------------


def record(number: int, **more: Any) -> dict[str, Any]:
    """A sound record; the same number is the same record."""
    return {
        "type": "track",
        "event": "Buy",
        "time": NOW_MS - 1000 + number,
        "distinct_id": f"d{number}",
        "identities": {"$identity_cookie_id": f"d{number}"},
        "properties": {"n": number},
        "_track_id": number,
    } | more


def data_of(*records: Any) -> str:
    """Records as SDKs pack them: JSON, gzip, base64."""
    packed = gzip.compress(json.dumps(records).encode(), 1, mtime=0)
    return base64.b64encode(packed).decode()


def body_of(*records: Any) -> bytes:
    """A form body with these records."""
    return f"gzip=1&data_list={quote(data_of(*records), safe='')}".encode()


def request_of(body: bytes, *, path: str = "/sa", more: str = "") -> bytes:
    """A whole POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def exchange(address: tuple[str, int], *parts: bytes, answers: int = 1) -> bytes:
    """Send bytes as they are on a connection of their own, and return what comes back."""
    with socket.create_connection(address, WAIT_S) as connection:
        with suppress(ConnectionError):  # the server may have had enough
            for part in parts:
                connection.sendall(part)
        return read_answers(connection, answers)


def read_answers(connection: socket.socket, answers: int = 1) -> bytes:
    """What the server says: so many answers, or all until it closes."""
    connection.settimeout(WAIT_S)
    said = b""
    with suppress(ConnectionError):
        while not has_answers(said, answers) and (piece := connection.recv(65536)):
            said += piece
    return said


def has_answers(said: bytes, count: int) -> bool:
    """Whether so many whole answers were said."""
    for _ in range(count):
        head, end, said = said.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length else 0
        if not end or len(said) < size:
            return False
        said = said[size:]
    return True


def wait_until(holds: Any, wait_s: float = WAIT_S) -> None:
    """Wait for something that is about to be so."""
    until = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.01)


def status_of(said: bytes) -> int:
    """The status of the first answer; 0 where there is none."""
    words: Sequence[bytes] = said.split(b" ", 2)
    return int(words[1]) if said.startswith(b"HTTP/1.1 ") else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
