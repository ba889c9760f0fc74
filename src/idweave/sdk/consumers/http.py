"""Records to a collector, in batches, from the background.

Nothing of it reaches the app: a collector that does not answer is tried again, later and later,
while records wait in the spool; what the spool has no room for is counted and said.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from idweave.core.errors import DeliveryError, WrongProcess
from idweave.wire import encode_data_list

from ..clock import Clock, Jitter, SystemClock, system_jitter
from ..transport import Answer, HttpTransport, Transport, checked_url
from .face import Record
from .lines import line_of
from .spool import Batch, DiskSpool, MemorySpool, Spool

log = logging.getLogger("idweave.sdk")

NO_ANSWER = 0
"""The status of an answer that never came."""

REFUSED_STATUSES = frozenset({400, 405, 411, 413, 414, 415, 422})
"""Answers that the same request would get again: it is sent in halves, then set aside. All other
failures pass (a collector that is down, a token not yet known, a wrong path)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How records are batched and how failures are waited out; seconds, bytes and records.

    A batch goes when it is full or when its first record waited ``interval_s``. After the n-th
    failure in a row the next try comes within ``backoff_first_s`` · 2^(n-1), at most
    ``backoff_max_s``, at a random moment, so that many devices do not return at once.
    """

    batch_records_max: int = 50
    batch_bytes_max: int = 1024 * 1024
    interval_s: float = 1.0
    backoff_first_s: float = 0.5
    backoff_max_s: float = 60.0

    def backoff_s(self, failures: int, jitter: Jitter) -> float:
        """How long to wait after so many failures in a row."""
        doublings = min(failures - 1, 32)  # beyond any wait, and still a number
        return min(self.backoff_first_s * 2.0**doublings, self.backoff_max_s) * jitter()


class HttpConsumer:
    """Sends to ``url``, such as ``https://collector.example/sa?project=default``.

    ``spool``: a folder where records wait and outlive the process; without one they wait in memory.
    ``dropped`` counts records that found no room, ``refused`` those the collector would not take.
    """

    def __init__(
        self,
        url: str,
        *,
        spool: Spool | str | Path | None = None,
        pace: Pace | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        jitter: Jitter = system_jitter,
    ) -> None:
        self.dropped = 0
        self.refused = 0
        self._url = checked_url(url)
        self._spool = _spool_of(spool)
        self._pace = pace or Pace()
        self._transport = transport or HttpTransport()
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._size = self._pace.batch_records_max
        self._process = os.getpid()
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._failures = 0
        self._stopping = self._closed = False
        self._thread: threading.Thread | None = None
        self._at_exit = _close_at_exit(self)
        if self._spool.waiting():
            self._start()

    # -- the app's side --

    def send(self, record: Record) -> None:
        """Put the record into the spool. Raises StoreFull where a disk refuses it."""
        if os.getpid() != self._process:
            raise WrongProcess(
                "This consumer belongs to the process that forked this one.",
                fix="Make a tracker after the fork.",
            )
        dropped = self._spool.append(line_of(record))
        if dropped:
            self.dropped += dropped
            log.warning(
                "the spool is full, %s dropped; %d since the start", records(dropped), self.dropped
            )
        self._start()
        if not self._failures and self._spool.waiting() >= self._size:
            self._wake.set()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Try now, and wait until all is delivered; False when some still waits."""
        if os.getpid() != self._process or self._closed:
            return not self._spool.waiting()
        deadline = monotonic() + timeout_s
        with self._moved:
            while self._spool.waiting() and (left := deadline - monotonic()) > 0:
                self._wake.set()
                self._moved.wait(min(left, 0.5))
        return not self._spool.waiting()

    def close(self, timeout_s: float = 10.0) -> bool:
        """Flush, then stop. What a disk spool still holds goes out after the next start."""
        if self._closed or os.getpid() != self._process:
            return True
        delivered = self.flush(timeout_s)
        self._closed = self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(timeout_s, 0.1))
        waiting, lost = self._spool.waiting(), self._spool.close()
        if lost:
            self.dropped += lost
            log.warning("%s lost: there was no time to deliver more", records(lost))
        elif waiting:
            log.info("%s left in the spool for the next start", records(waiting))
        atexit.unregister(self._at_exit)
        return delivered

    # -- the background --

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="idweave-http", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        asked_s = 0.0
        while not self._stopping:
            pause = self._pace.interval_s
            if self._failures:
                pause = max(self._pace.backoff_s(self._failures, self._jitter), asked_s)
            self._wake.wait(pause)
            self._wake.clear()
            try:
                asked_s = self._deliver_all()
                self._failures = self._failures + 1 if asked_s >= 0 else 0
            except Exception:
                log.exception("delivery failed; it is tried again")
                self._failures += 1

    def _deliver_all(self) -> float:
        """Deliver until nothing waits (returns -1) or a try fails: the seconds asked to wait."""
        while not self._stopping:
            batch = self._spool.batch(self._size, self._pace.batch_bytes_max)
            if not batch.lines:
                return -1.0
            answer = self._post(batch)
            if 200 <= answer.status < 300:
                self._spool.done(batch)
                self._size = self._pace.batch_records_max
            elif answer.status in REFUSED_STATUSES:
                self._refuse(batch, answer.status)
            else:
                if answer.status != NO_ANSWER:  # why there is none was said already
                    log.info("the collector answered %d; it is asked again", answer.status)
                return answer.retry_after_s
            with self._moved:
                self._moved.notify_all()
        return -1.0

    def _post(self, batch: Batch) -> Answer:
        now_ms = self._clock.now_ms()
        records = [{**json.loads(line), "_flush_time": now_ms} for line in batch.lines]
        try:
            return self._transport.post(self._url, encode_data_list(records), {})
        except DeliveryError as error:
            log.info("%s", error)
            return Answer(NO_ANSWER)

    def _refuse(self, batch: Batch, status: int) -> None:
        """Halve what is refused until the record that is at fault stands alone; set that aside."""
        if len(batch.lines) > 1:
            self._size = len(batch.lines) // 2
            return
        self._size = self._pace.batch_records_max
        self.refused += 1
        kept = self._spool.set_aside(batch)
        log.warning(
            "the collector refuses a record (status %d); it was %s",
            status,
            "kept in refused.jsonl" if kept else "dropped",
        )


def _spool_of(spool: Spool | str | Path | None) -> Spool:
    if spool is None:
        return MemorySpool()
    return DiskSpool(spool) if isinstance(spool, (str, Path)) else spool


def _close_at_exit(consumer: HttpConsumer) -> Callable[[], None]:
    """Deliver what waits when the program ends, without keeping a forgotten consumer alive."""
    known = weakref.ref(consumer)

    def close() -> None:
        alive = known()
        if alive is not None:
            alive.close(timeout_s=5.0)

    return atexit.register(close)


def records(count: int) -> str:
    """So many records, with their verb."""
    return "1 record is" if count == 1 else f"{count} records are"
