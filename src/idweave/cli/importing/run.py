"""One file on its way in: skip what is in already, accept the rest in bounded transactions."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from idweave.batch.files.blocks import blocks_of, decoded_of
from idweave.batch.files.content import Content
from idweave.batch.files.lines import Line, Lines, peek_head
from idweave.core.rejection import Code, Rejection
from idweave.engine.engine import Engine
from idweave.engine.intake import Delivery

from ..output import Output
from ..progress import Bar, progress
from .marks import Marks
from .tally import Tally

RECORDS_AT_ONCE = 4000
"""Records of one transaction: fsync is spread thin, and stopping takes a fraction of a second."""

COMMITS_BETWEEN_MARKS = 20
"""A killed import reads up to so many transactions again, and finds duplicates in them."""


class Stop:
    """Set by Ctrl-C; asked between transactions. A second Ctrl-C does not wait."""

    is_asked = False

    def ask(self, *_: Any) -> None:
        """Stop soon; at once, where that was asked before."""
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While this lasts Ctrl-C asks to stop, where this is the thread that hears it."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, stop.ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Import:
    """Imports one file into a project."""

    def __init__(self, engine: Engine, marks: Marks, project: str, stop: Stop) -> None:
        self._engine = engine
        self._marks = marks
        self._project = project
        self._stop = stop

    def read(self, content: Content, output: Output, *, again: bool) -> Tally:
        """Read it all, or until Ctrl-C. Raises StoreError; what was accepted by then stays."""
        tally, is_file = Tally(content.name), content.can_rewind
        lines = Lines(content)
        with progress(output, content.name, content.bytes_total, things="records") as bar:
            if is_file and not again:
                lines = self._resumed(lines, tally)
            self._accept_all(lines, tally, bar)
        tally.flaw = content.flaw
        tally.is_stopped = self._stop.is_asked
        if is_file and (tally.is_stopped or tally.flaw is not None):
            self._marks.move(lines)
        elif is_file:
            self._marks.clear()
        return tally

    def _resumed(self, lines: Lines, tally: Tally) -> Lines:
        """The lines after those that are in already; all of them, where the file is another."""
        mark = self._marks.find(peek_head(lines.content))
        if mark is None:
            return lines
        while lines.offset < mark.offset and not self._stop.is_asked:
            if next(lines, None) is None:
                break
        if lines.offset == mark.offset and lines.digest() == mark.digest:
            tally.skipped_lines = lines.number
            return lines
        lines.content.rewind()
        return Lines(lines.content)

    def _accept_all(self, lines: Lines, tally: Tally, bar: Bar) -> None:
        waiting: list[Delivery] = []
        commits = size = 0
        for block in blocks_of(lines):
            for delivery in self._deliveries(block, tally):
                waiting.append(delivery)
                size += len(delivery.items)
            if size >= RECORDS_AT_ONCE or self._stop.is_asked:
                self._accept(waiting, tally)
                waiting, size, commits = [], 0, commits + 1
                bar.show(lines.content.bytes_read, tally.received)
                if commits % COMMITS_BETWEEN_MARKS == 0:
                    self._marks.move(lines)
            if self._stop.is_asked:
                return
        self._accept(waiting, tally)

    def _deliveries(self, block: list[Line], tally: Tally) -> Iterator[Delivery]:
        tally.lines += len(block)
        now_ms = self._engine.clock()
        for decoded in decoded_of(block, self._project):
            if decoded.empty:
                tally.empty_requests += 1
            else:
                yield self._engine.parse(decoded, now_ms, live=False)

    def _accept(self, deliveries: list[Delivery], tally: Tally) -> None:
        if not deliveries:
            return
        receipts = self._engine.accept(deliveries)
        for receipt in receipts:
            tally.add(receipt)
        items = chain.from_iterable(delivery.items for delivery in deliveries)
        codes = Counter(item.code.value for _, item in items if isinstance(item, Rejection))
        erased = sum(receipt.rejected for receipt in receipts) - codes.total()
        tally.rejected_by_code += codes + Counter({Code.ERASED.value: erased})
