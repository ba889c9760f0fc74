"""``idweave serve``: both listeners from settings and flags, look-ups beside it, a clean stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from idweave.wire import encode_data_list
from tests.command import idweave, record

FREE = ("--collector-port", "0", "--api-port", "0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A server as a process of its own, and where it listens; killed if it still runs."""
    command = [sys.executable, "-m", "idweave", "serve", *FREE, "--json", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate(timeout=30)
    return process.returncode


def send(collector: str, *records: dict[str, Any], query: str = "") -> int:
    request = Request(f"{collector}/sa?{query}", data=encode_data_list(records), method="POST")
    with urlopen(request, timeout=10) as answer:
        return int(answer.status)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_answered_with_200_is_there_beside_and_after_the_server(
    number: signal.Signals,
) -> None:
    Path("idweave.toml").write_text('[projects.default]\ntime_window = "off"', "utf-8")
    with serving() as (process, urls):
        assert send(urls["collector"], record(1, {"mobile": "13800000000"})) == 200
        assert idweave("lookup", "mobile", "13800000000").code == 0
        assert stop(process, number) == 0
    assert idweave("lookup", "mobile", "13800000000").code == 0


def test_projects_and_tokens_come_from_the_settings() -> None:
    Path("idweave.toml").write_text(
        '[projects.shop]\ntoken = "t"\ntime_window = "off"\n[projects.web]\n', "utf-8"
    )
    with serving() as (process, urls):
        send(urls["collector"], record(1, {"mobile": "1"}), query="project=shop&token=t")
        send(urls["collector"], record(2, {"mobile": "1"}), query="project=shop")
        stop(process)
    (shop,) = idweave("stats", "--project", "shop", "--json").json
    assert (shop["accepted"], shop["rejections_by_code"]) == (1, {"BAD_TOKEN": 1})


def test_a_key_of_the_settings_opens_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    made = idweave("config", "new-key", "--json").json
    monkeypatch.setenv("IDWEAVE_SERVER_API_KEY_HASHES", made["sha256"])
    with serving() as (process, urls):
        url = f"{urls['api']}/v1/projects"
        with pytest.raises(HTTPError) as refused:
            urlopen(url, timeout=10)
        refused.value.close()
        asked = Request(url, headers={"Authorization": f"Bearer {made['key']}"})
        with urlopen(asked, timeout=10) as answer:
            assert answer.status == 200
        stop(process)
    assert refused.value.code == 401


def test_people_are_told_where_sdks_send_to_and_where_the_settings_are_from() -> None:
    command = [sys.executable, "-m", "idweave", "serve", *FREE]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(6)]
        assert stop(process) == 0
    text = "".join(said)
    assert "defaults (there is no idweave.toml here)" in text
    assert "data/idweave.db" in text
    assert "/sa" in text


def test_an_api_for_everybody_without_a_key_is_refused() -> None:
    ran = idweave("serve", "--api-host", "0.0.0.0", *FREE)
    assert ran.code == 1
    assert "may not listen on 0.0.0.0 without a key" in ran.err


def test_two_servers_on_one_store_are_refused_with_the_first_ones_process() -> None:
    with serving() as (process, _):
        ran = idweave("serve", *FREE)
        stop(process)
    assert ran.code == 4
    assert f"in use by process {process.pid}" in ran.err
