"""Servers as processes of their own, on one processor, stopped and waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench._measure import on_core

START_S_MAX = 30
SETTINGS = """
[store]
url = "sqlite:{store}"

[server]
collector_port = {collector}
api_port = {api}

[projects.default]
policy = "sensors"
time_window = "off"
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def process(words: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """``python WORDS`` on the first processor, from when its port answers until the end."""
    with on_core(0):
        command = [sys.executable, *words]
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait(port, started)
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=START_S_MAX)


def _wait(port: int, started: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        if started.poll() is not None:
            _, said = started.communicate()
            raise RuntimeError(f"the server ended: {said.decode(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port} after {START_S_MAX} s")


@contextmanager
def idweave(folder: Path) -> Iterator[tuple[int, int]]:
    """``idweave serve`` on a store in this folder: the ports of collector and API."""
    collector, api = free_port(), free_port()
    config = folder / "idweave.toml"
    store = (folder / "store.db").as_posix()
    config.write_text(SETTINGS.format(store=store, collector=collector, api=api), "utf-8")
    words = ["-m", "idweave", "serve", "--config", os.fspath(config)]
    with process(words, api):
        yield collector, api
