"""A load client: many keep-alive connections that send prepared requests as fast as answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from idweave.server.running import loop_factory

HEAD_END = b"\r\n\r\n"

SEND_S_MAX = 300
"""Past this something hangs."""


class Load(NamedTuple):
    """What a run came to: requests a second, and the seconds that each took."""

    per_second: float
    latencies: list[float]


def post(path: str, body: bytes) -> bytes:
    """A request as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float]) -> None:
        self._requests = requests
        self._latencies = latencies
        self._received = b""
        self._sent_at = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(HEAD_END)
        if not end or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(head.decode("latin-1") + body.decode("latin-1")))
            self._transport.close()
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._received = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server hung up"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return 0 if at < 0 else int(lower[at + 15 :].split(b"\r\n", 1)[0])


def send(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send all requests over so many connections; raises RuntimeError on anything but 200."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_send(port, requests, connections))


async def _send(port: int, requests: Sequence[bytes], connections: int) -> Load:
    left, latencies = iter(requests), list[float]()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(left, latencies), "127.0.0.1", port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(SEND_S_MAX):
        await asyncio.gather(*(connection.done for _, connection in made))
    return Load(len(requests) / (time.perf_counter() - started), latencies)
