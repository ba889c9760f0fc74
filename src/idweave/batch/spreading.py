"""Work for several processes. They are started afresh (spawn), so that it is the same on every
system and safe beside threads; little work is done where it is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Work = TypeVar("Work")
Found = TypeVar("Found")

WORKERS_MAX = 16
"""Processes of one run: the parent hands work out alone, and keeps no more of them busy."""

WAITING_PER_WORKER = 2
"""Pieces of work handed out ahead of each process: enough to keep it busy, few enough to bound the
memory that waiting pieces take."""


def workers_wanted(asked: int | None) -> int:
    """How many processes: as asked, else one for each processor."""
    return min(asked or os.cpu_count() or 1, WORKERS_MAX)


class Spread:
    """Does pieces of work in order, in ``workers`` processes that start when first needed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(self, act: Callable[[Work], Found], works: Iterable[Work]) -> Iterator[Found]:
        """What ``act`` makes of each piece, in their order; pieces are taken as room allows."""
        if self.workers <= 1:
            yield from map(act, works)
            return
        waiting: list[Future[Found]] = []
        for work in works:
            with _interrupts_held():
                waiting.append(self._started().submit(act, work))
            if len(waiting) >= self.workers * WAITING_PER_WORKER:
                yield waiting.pop(0).result()
        for left in waiting:
            yield left.result()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_begin)
        return self._pool

    def close(self) -> None:
        """Let the processes go, and forget what they have not begun."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process that is started here hears of no Ctrl-C, not even before it can say so itself."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Ctrl-C reaches every process of a terminal; the parent alone answers it. Where the parent is
    killed there is nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def spread(workers: int | None) -> Iterator[Spread]:
    """A :class:`Spread` that is closed at the end."""
    found = Spread(workers_wanted(workers))
    try:
        yield found
    finally:
        found.close()
