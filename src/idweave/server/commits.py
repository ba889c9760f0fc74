"""Group commit: one writer thread makes all that wait durable at once, then answers each.

Requests hand in a delivery and wait for a future. Counting and answering happen on the event
loop, deciding and writing on the writer thread; a queue and ``call_soon_threadsafe`` join them.
What one turn of the loop gathered goes over together: waking a thread costs as much as a record.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from idweave.core.errors import StoreError
from idweave.core.rejection import Code, Rejection
from idweave.engine.intake import Delivery

from .logs import log, place_of
from .meters import Meters
from .settings import BATCH_BYTES_MAX, ServerSettings

RECORD_BYTES = 1024
"""What a parsed record holds in memory beside its payload, measured on SDK records."""

RECOVERY_S = 30.0
"""After a failed commit the server is not ready until one succeeds. Where nobody sends any more
because of that, it asks for traffic again after so long."""

STUCK_S = 10.0
"""A commit that takes longer hangs in a disk or a lock, and nothing behind it gets through."""

INTERNAL = Rejection(
    Code.INTERNAL,
    "",
    "A fault of idweave's kept this record out.",
    "Nothing is lost: update idweave, then retry the rejection. Please report it with the log.",
)

Accept = Callable[[Sequence[Delivery]], Any]


class _Waiting(NamedTuple):
    delivery: Delivery
    answered: asyncio.Future[bool]
    size: int


def held_bytes(delivery: Delivery) -> int:
    """About how much memory a delivery takes while it waits."""
    return len(delivery.payload) + RECORD_BYTES * len(delivery.items)


def internal(delivery: Delivery) -> Delivery:
    """The same delivery with every record kept as a rejection that can be retried."""
    items = tuple(
        (project, item if isinstance(item, Rejection) else INTERNAL)
        for project, item in delivery.items
    )
    return replace(delivery, items=items)


class GroupCommit:
    """The bounded queue and its writer. ``submit`` and ``stop`` are the event loop's to call."""

    def __init__(
        self,
        accept: Accept,
        settings: ServerSettings,
        meters: Meters,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accept = accept
        self._now = now
        self._settings = settings
        self._meters = meters
        self._gathered: list[_Waiting] = []
        self._queue: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._taken: deque[_Waiting] = deque()
        self._ending = False
        self._batch_max = settings.batch_requests_max
        self._bytes = 0
        self._failed_at: float | None = None
        self._began_at: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="idweave-writer", daemon=True)

    def start(self) -> None:
        """Start the writer, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, delivery: Delivery) -> asyncio.Future[bool] | None:
        """Queue a delivery: the future says whether it is durable. None: there is no room."""
        meters, size, loop = self._meters, held_bytes(delivery), self._loop
        if loop is None or meters.queued >= self._settings.queue_requests_max:
            return None
        if meters.queued and self._bytes + size > self._settings.queue_bytes_max:
            return None
        meters.queued += 1
        self._bytes += size
        answered: asyncio.Future[bool] = loop.create_future()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Waiting(delivery, answered, size))
        return answered

    def _hand_over(self) -> None:
        self._queue.put(self._gathered)
        self._gathered = []

    @property
    def is_ready(self) -> bool:
        """Whether records get through: the last commit succeeded, or failed so long ago that it
        is worth trying, and none hangs."""
        now, failed_at, began_at = self._now(), self._failed_at, self._began_at
        is_stuck = began_at is not None and now - began_at > STUCK_S
        return not is_stuck and (failed_at is None or now - failed_at > RECOVERY_S)

    def stop(self, grace_s: float) -> bool:
        """Write what waits and end. False where that took too long; nothing else was answered."""
        if self._gathered:
            self._hand_over()
        self._queue.put(None)
        self._thread.join(grace_s)
        return not self._thread.is_alive()

    # -- on the writer thread ---------------------------------------------------------------------

    def _run(self) -> None:
        while batch := self._take():
            began_at = self._began_at = self._now()
            durable = self._commit([waiting.delivery for waiting in batch])
            self._began_at = None
            self._meters.commit_seconds.add(self._now() - began_at)
            assert self._loop is not None, "start() set it"
            try:
                self._loop.call_soon_threadsafe(self._answer, batch, durable)
            except RuntimeError:  # the loop ended before its grace was over: nobody waits any more
                return

    def _take(self) -> list[_Waiting]:
        """All that wait, up to the bounds of a batch; empty at the end."""
        while not self._ending and len(self._taken) < self._batch_max:
            try:
                more = self._queue.get(block=not self._taken)
            except Empty:
                break
            self._ending = more is None
            self._taken.extend(more or ())
        batch: list[_Waiting] = []
        size = 0
        while self._taken and len(batch) < self._batch_max:
            size += self._taken[0].size
            if batch and size > BATCH_BYTES_MAX:
                break
            batch.append(self._taken.popleft())
        return batch

    def _commit(self, deliveries: list[Delivery]) -> list[bool]:
        """Whether each is durable. A failure of the store fails all of them, and the next batches
        start small again: a request that the store cannot take then stands alone."""
        try:
            self._accept(deliveries)
        except StoreError as error:
            self._failed(error)
            self._batch_max = 1
            return [False] * len(deliveries)
        except Exception as error:  # noqa: BLE001 - the outermost door: nothing may stop the writer
            log(logging.ERROR, "a batch failed and is taken apart", error=place_of(error))
            return [self._alone(delivery) for delivery in deliveries]
        self._failed_at = None
        self._batch_max = min(2 * self._batch_max, self._settings.batch_requests_max)
        return [True] * len(deliveries)

    def _alone(self, delivery: Delivery) -> bool:
        """One delivery of a batch that failed by a fault of ours: accepted, or else kept."""
        for attempt in (delivery, internal(delivery)):
            try:
                self._accept([attempt])
            except StoreError as error:
                self._failed(error)
                return False
            except Exception as error:  # noqa: BLE001 - as above
                log(logging.ERROR, "a request failed", error=place_of(error))
            else:
                self._failed_at = None
                return True
        return False

    def _failed(self, error: StoreError) -> None:
        self._failed_at = self._now()
        self._meters.commits_failed += 1
        log(logging.ERROR, "a commit failed", code=error.code, error=error.message, fix=error.fix)

    # -- on the event loop ------------------------------------------------------------------------

    def _answer(self, batch: list[_Waiting], durable: list[bool]) -> None:
        for waiting, is_durable in zip(batch, durable, strict=True):
            self._meters.queued -= 1
            self._bytes -= waiting.size
            if not waiting.answered.done():  # its request may have been given up by the grace
                waiting.answered.set_result(is_durable)
