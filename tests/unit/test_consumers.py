"""Consumers: batches, retries, refusals, files, screens; nothing of it reaches the app."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import ConfigError, DeliveryError, InputError, StoreError
from idweave.sdk import (
    Answer,
    ConsoleConsumer,
    DebugConsumer,
    DiskSpool,
    FileConsumer,
    HttpConsumer,
    MemorySpool,
    Pace,
    Tracker,
)
from idweave.sdk.consumers.debug import debug_url

from .receiver import receiving

QUICK = Pace(interval_s=0.01, backoff_first_s=0.01, backoff_max_s=0.02)
NOWHERE = "http://127.0.0.1:9/sa"  # the discard port: nobody listens there


def record(number: int) -> dict[str, Any]:
    return {"type": "track", "event": f"E{number}", "distinct_id": "d", "time": 1_712_042_794_795}


def names(count: int) -> list[str]:
    return [f"E{number}" for number in range(count)]


# -- HTTP ------------------------------------------------------------------------------------------


def test_records_arrive_in_batches_in_their_order_with_a_flush_time() -> None:
    with receiving() as receiver:
        consumer = HttpConsumer(receiver.url, pace=Pace(batch_records_max=10, interval_s=0.05))
        for number in range(25):
            consumer.send(record(number))
        assert consumer.close()
    assert receiver.events() == names(25)
    assert max(receiver.batches) == 10
    assert all(r["_flush_time"] > 1_712_042_794_795 for r in receiver.records)
    assert receiver.paths[0] == "/sa?project=default"


def test_a_record_waits_no_longer_than_the_interval() -> None:
    with receiving() as receiver:
        consumer = HttpConsumer(receiver.url, pace=QUICK)
        consumer.send(record(0))
        deadline = time.monotonic() + 5
        while not receiver.records and time.monotonic() < deadline:
            time.sleep(0.01)
        assert receiver.events() == ["E0"]
        consumer.close()


@pytest.mark.parametrize("status", [500, 503, 403, 404, 408, 429])
def test_a_failure_that_passes_is_tried_again(status: int) -> None:
    with receiving([status, status]) as receiver:
        consumer = HttpConsumer(receiver.url, pace=QUICK)
        for number in range(3):
            consumer.send(record(number))
        assert consumer.close()
    assert sorted(receiver.events()) == names(3)


def test_one_bad_record_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.refuses = lambda one: one["event"] == "E5"
        consumer = HttpConsumer(receiver.url, spool=tmp_path, pace=QUICK)
        for number in range(12):
            consumer.send(record(number))
        assert consumer.close()
    assert sorted(receiver.events()) == sorted(set(names(12)) - {"E5"})
    assert consumer.refused == 1
    assert json.loads((tmp_path / "refused.jsonl").read_bytes())["event"] == "E5"


def test_a_collector_that_is_down_reaches_nobody_in_the_app() -> None:
    consumer = HttpConsumer(NOWHERE, pace=QUICK)
    consumer.send(record(0))
    assert not consumer.flush(timeout_s=0.2)
    assert not consumer.close(timeout_s=0.2)
    assert consumer.dropped == 1  # it waited in memory only


def test_records_wait_on_the_disk_for_a_collector_that_returns(tmp_path: Path) -> None:
    away = HttpConsumer(NOWHERE, spool=tmp_path, pace=QUICK)
    for number in range(3):
        away.send(record(number))
    assert not away.close(timeout_s=0.1)
    assert away.dropped == 0
    with receiving() as receiver:
        back = HttpConsumer(receiver.url, spool=tmp_path, pace=QUICK)
        assert back.flush()
        back.close()
    assert receiver.events() == names(3)


KILLED = """
import os, signal, sys
from idweave.sdk import FileStorage, HttpConsumer, Tracker

folder = sys.argv[1]
consumer = HttpConsumer("http://127.0.0.1:9/sa", spool=folder + "/spool")
tracker = Tracker("wechat", consumer, storage=FileStorage(folder + "/device.json"))
tracker.login("A")
tracker.bind("$identity_mobile", "13800000000")
tracker.track("Buy")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_app_loses_neither_records_nor_who_the_visitor_is(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert run.returncode < 0
    with receiving() as receiver:
        consumer = HttpConsumer(receiver.url, spool=tmp_path / "spool", pace=QUICK)
        assert consumer.close()
    assert receiver.events() == [None, "$SignUp", "$BindID", "Buy"]
    stored = json.loads((tmp_path / "device.json").read_bytes())
    assert stored["sensorsdata2015_wechat"]["history_login_id"]["value"] == "A"


LEFT_OPEN = """
import sys
from idweave.sdk import HttpConsumer, Tracker

Tracker("web", HttpConsumer(sys.argv[1])).track("Buy")
"""


def test_a_program_that_ends_without_close_delivers_what_waits() -> None:
    with receiving() as receiver:
        subprocess.run([sys.executable, "-c", LEFT_OPEN, receiver.url], check=True)
    assert receiver.events() == ["Buy"]


def test_what_is_dropped_at_the_bound_is_counted_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer = HttpConsumer(NOWHERE, spool=MemorySpool(records_max=2), pace=Pace(interval_s=60))
    for number in range(5):
        consumer.send(record(number))
    assert consumer.dropped == 3
    assert "3 since the start" in caplog.text
    consumer.close(timeout_s=0.1)


class Raising:
    """A transport with a mistake in it."""

    def __init__(self) -> None:
        self.calls = 0

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("a mistake")
        return Answer(200)


def test_a_transport_that_raises_does_not_stop_the_delivery(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = Raising()
    consumer = HttpConsumer("http://collector.example/sa", transport=transport, pace=QUICK)
    consumer.send(record(0))
    assert consumer.close()
    assert transport.calls == 2
    assert "tried again" in caplog.text


class Failing:
    """A transport that notes when it was asked, and always fails."""

    def __init__(self, retry_after_s: float = 0.0) -> None:
        self.times: list[float] = []
        self.retry_after_s = retry_after_s

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.times.append(time.monotonic())
        return Answer(503, b"", self.retry_after_s)


def test_a_collector_that_names_a_time_is_not_asked_before() -> None:
    transport = Failing(retry_after_s=60)
    consumer = HttpConsumer("http://collector.example/sa", transport=transport, pace=QUICK)
    consumer.send(record(0))
    time.sleep(0.2)
    assert len(transport.times) == 1
    consumer.close(timeout_s=0.05)


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 1.0, 0.5), (2, 1.0, 1.0), (4, 0.5, 2.0), (8, 1.0, 60.0), (10_000, 1.0, 60.0)],
)
def test_the_wait_doubles_up_to_a_bound_and_is_spread(
    failures: int, jitter: float, seconds: float
) -> None:
    assert Pace().backoff_s(failures, lambda: jitter) == seconds


def test_a_second_consumer_on_a_spool_is_refused(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    with pytest.raises(StoreError, match="in use"):
        HttpConsumer(NOWHERE, spool=tmp_path)
    spool.close()


@pytest.mark.parametrize("url", ["", "collector", "file:///etc/passwd", "ftp://x/sa", "http:///sa"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        HttpConsumer(url)


# -- debug -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "debug"),
    [
        ("http://x/sa?project=p", "http://x/debug?project=p"),
        ("http://x/a/sa.gif", "http://x/a/debug"),
        ("http://x", "http://x/debug"),
    ],
)
def test_the_debug_door_is_beside_the_collectors(url: str, debug: str) -> None:
    assert debug_url(url) == debug


def test_debug_waits_for_the_verdict_of_each_record() -> None:
    with receiving() as receiver, Tracker("web", DebugConsumer(receiver.url)) as tracker:
        tracker.track("Buy")
        assert receiver.events() == ["Buy"]
    assert receiver.paths == ["/debug?project=default"]
    assert receiver.headers[0]["Dry-Run"] == "true"


def test_debug_raises_what_the_collector_said_and_the_visitor_is_kept() -> None:
    with receiving([400, 503]) as receiver:
        receiver.body = json.dumps(
            {"errors": [{"index": 0, "field": "event", "reason": "Bad.", "fix": "Mend it."}]}
        ).encode()
        tracker = Tracker("web", DebugConsumer(receiver.url, dry_run=False))
        with pytest.raises(InputError, match=r"event: Bad\. Mend it\."):
            tracker.login("A")
        assert tracker.login_id == "A"
        with pytest.raises(DeliveryError, match="503"):
            tracker.track("Buy")
    with pytest.raises(DeliveryError, match="did not answer"):
        tracker.track("Buy")
    assert "Dry-Run" not in receiver.headers[0]


# -- files and screens -----------------------------------------------------------------------------


class Days:
    """A clock whose day can be set."""

    def __init__(self) -> None:
        self.now = datetime(2024, 4, 2, 23, 59, 59, tzinfo=UTC)

    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC)


def test_a_file_has_a_record_a_line_and_turns_over_by_day_size_and_start(tmp_path: Path) -> None:
    clock = Days()
    consumer = FileConsumer(tmp_path, bytes_max=250, clock=clock)
    for number in range(4):
        consumer.send(record(number))
    clock.now = datetime(2024, 4, 3, tzinfo=UTC)
    consumer.send(record(4))
    consumer.close()
    again = FileConsumer(tmp_path, bytes_max=250, clock=clock)
    again.send(record(5))
    again.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [
        "events-20240402-0001.jsonl",
        "events-20240402-0002.jsonl",
        "events-20240403-0001.jsonl",
        "events-20240403-0002.jsonl",
    ]
    lines = [json.loads(text) for file in files for text in file.read_text("utf-8").splitlines()]
    assert [one["event"] for one in lines] == names(6)


def test_a_record_is_in_the_file_when_it_was_sent(tmp_path: Path) -> None:
    consumer = FileConsumer(tmp_path)
    consumer.send(record(0))
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_bytes()) == record(0)
    consumer.close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        FileConsumer(tmp_path / "file")


def test_the_console_prints_json() -> None:
    stream = io.StringIO()
    consumer = ConsoleConsumer(stream, indent=None)
    consumer.send({"event": "中"})
    assert consumer.flush()
    assert consumer.close()
    assert stream.getvalue() == '{"event": "中"}\n'


def test_a_console_that_cannot_show_a_letter_shows_its_code() -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    ConsoleConsumer(screen, indent=None).send({"event": "中"})
    screen.seek(0)
    assert screen.read() == '{"event": "\\u4e2d"}\n'


def test_a_quiet_delivery_logs_nothing_above_info(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "idweave.sdk"), receiving() as receiver:
        consumer = HttpConsumer(receiver.url, pace=QUICK)
        consumer.send(record(0))
        consumer.close()
    assert caplog.records == []
