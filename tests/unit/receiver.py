"""A collector on loopback that answers as told and remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from idweave.wire import decode


class Receiver:
    """What arrived, in order; ``answers`` are the statuses to give, then always 200."""

    def __init__(self, answers: list[int] | None = None) -> None:
        self.answers = list(answers or [])
        self.records: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda record: False
        self.body = b""
        self.url = ""
        self._lock = threading.Lock()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            self.paths.append(path)
            self.headers.append(headers)
            found = decode(body, "").records
            records = [record for record in found if isinstance(record, dict)]
            assert len(records) == len(found), "the SDK sends nothing that is refused"
            status = self.answers.pop(0) if self.answers else 200
            if status == 200 and any(map(self.refuses, records)):
                status = 413 if len(records) > 1 else 400
            if status == 200:
                self.batches.append(len(records))
                self.records += records
            return status

    def events(self) -> list[Any]:
        return [record.get("event") for record in self.records]


@contextmanager
def receiving(answers: list[int] | None = None) -> Iterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take(self.path, dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/sa?project=default"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
