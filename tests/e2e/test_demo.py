"""``idweave demo``, the newcomer's first minute: users on the screen, answers over HTTP, a clean
stop, and a second run that goes on."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from idweave.wire import decode
from tests.command import idweave
from tests.e2e.demo_story import TARGET, story

LIN = "13800010001"
RECORDS = 36
READY = "It stays up. Stop it with Ctrl-C."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def demo(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A demo as a process of its own, killed if it still runs at the end."""
    command = [sys.executable, "-m", "idweave", "demo", *words]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it says up to a line."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if lines[-1] == last:
            return lines
    raise AssertionError(f"it ended: {lines} {process.stderr and process.stderr.read()}")


def stop(process: subprocess.Popen[str]) -> str:
    """Ctrl-C, and what it says about that."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return out


def ask(url: str) -> Any:
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_it_shows_who_is_who_answers_stops_and_goes_on_where_it_stopped() -> None:
    with demo("--port", "0") as process:
        said = lines_until(process, READY)
        (lin,) = [line.split() for line in said if "lin.xiaoyu" in line]
        (api,) = {line.split("/v1/")[0].strip() for line in said if "/v1/" in line}
        found = ask(f"{api}/v1/projects/default/lookup?key={quote('$identity_mobile')}&value={LIN}")
        told = idweave("lookup", "mobile", LIN, "--store", "data/demo.db", "--json").json
        assert "Everything is kept" in stop(process)
    assert found["canonical_id"] == lin[0]
    assert told == {**found, "user": {**found["user"], "asked": lin[0]}}
    with demo("--port", "0") as process:
        again = [line.split() for line in lines_until(process, READY)]
        stop(process)
    assert lin in again
    assert f"0 new, {RECORDS - 2} known from an earlier run" in " ".join(again[1])


def test_every_command_that_it_says_to_try_works() -> None:
    ran = idweave("demo", "--port", "0", "--no-keep-serving")
    assert ran.code == 0
    tried = [line.split() for line in ran.out.splitlines() if "--store data/demo.db" in line]
    assert len(tried) == 4
    for words in tried:
        start = next(place for place, word in enumerate(words) if word.endswith("idweave"))
        assert idweave(*words[start + 1 :]).code == 0


def test_for_machines_it_says_the_same_in_one_document() -> None:
    ran = idweave("demo", "--port", "0", "--no-keep-serving", "--json")
    found = ran.json
    assert (ran.code, ran.err) == (0, "")
    stats = found["stats"]
    assert (stats["received"], stats["rejected"], stats["users"]) == (RECORDS, 2, 6)
    lin = next(one for one in found["users"] if "lin.xiaoyu" in one["known_by"])
    assert lin["platforms"] == ["WeChat", "web", "Android", "Python server"]


def test_a_taken_port_is_one_sentence_that_names_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = idweave("demo", "--port", str(port))
    assert ran.code == 1
    problem, fix = ran.err.splitlines()
    assert problem.startswith(f"idweave: Port {port} ")  # its neighbour may be taken as well
    assert problem.endswith(" of 127.0.0.1 is in use.")
    assert "--port" in fix
    assert not Path("data").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence() -> None:
    Path("data").write_text("in the way", "utf-8")
    ran = idweave("demo", "--port", "0")
    assert ran.code == 2
    assert "The folder data cannot be made" in ran.err


def test_a_store_that_another_demo_uses_is_refused_with_its_process() -> None:
    with demo("--port", "0") as process:
        lines_until(process, READY)
        ran = idweave("demo", "--port", "0")
        stop(process)
    assert ran.code == 4
    assert f"in use by process {process.pid}" in ran.err


# -- the requests ----------------------------------------------------------------------------------


def contents(rows: list[dict[str, Any]]) -> list[Any]:
    """Requests with their data decoded: gzip of other versions has other bytes."""
    shown = []
    for row in rows:
        found = decode(base64.b64decode(row["body_base64"]), row["query"])
        rest = {name: row[name] for name in ("title", "sdk", "method", "path", "headers")}
        shown.append((rest, found.records, found.crc_ok, found.rejection))
    return shown


def test_the_requests_are_those_that_the_story_makes() -> None:
    stored = [json.loads(line) for line in TARGET.read_text("utf-8").splitlines()]
    assert contents(stored) == contents(story()), "run: python -m tests.e2e.demo_story"


def test_every_check_number_is_right() -> None:
    assert {crc for _, _, crc, _ in contents(story())} == {True, None}
