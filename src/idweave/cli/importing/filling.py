"""Files on their way into a fresh store: read by several processes, resolved once at the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from idweave.batch.files.content import Content
from idweave.batch.files.slabs import Slabs
from idweave.batch.parcels import Asked, Found, Work, read_slab
from idweave.batch.spreading import Spread
from idweave.engine.loading import Loading
from idweave.ports import Store

from ..output import Output
from ..progress import progress
from ..session import clock
from .marks import Marks
from .run import Stop
from .tally import Tally

SPREAD_BYTES_MIN = 4 * 1024 * 1024
"""Less than this one process reads sooner than others start."""

BAR_STEPS = 1000


def workers_for(contents: Sequence[Content]) -> int | None:
    """How many processes read these contents; None: one for each processor."""
    sizes = [content.bytes_total for content in contents]
    known = [size for size in sizes if size is not None]
    return 1 if len(known) == len(sizes) and sum(known) < SPREAD_BYTES_MIN else None


@contextmanager
def without_collector() -> Iterator[None]:
    """Without Python's collector of cycles: millions of rows are kept until the end and hold none,
    and looking through them again and again took a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Filling:
    """Fills a fresh store. Ctrl-C ends the reading; what was read by then is resolved, too."""

    def __init__(self, store: Store, asked: Asked, spread: Spread, stop: Stop) -> None:
        self._loading = Loading(store, asked.projects)
        self._store = store
        self._asked = asked
        self._spread = spread
        self._stop = stop

    def read(self, content: Content, output: Output) -> Tally:
        """Read a file, or until Ctrl-C. Raises StoreError."""
        tally, slabs = Tally(content.name), Slabs(content)
        with progress(output, content.name, content.bytes_total, things="records") as bar:
            for found in self._spread.map(read_slab, self._works(slabs)):
                self._take(found, tally)
                bar.show(content.bytes_read, tally.received)
        tally.flaw = content.flaw
        tally.is_stopped = self._stop.is_asked
        if content.can_rewind and (tally.is_stopped or tally.flaw is not None):
            Marks(self._store, self._asked.project).move(slabs)
        return tally

    def _works(self, slabs: Slabs) -> Iterator[Work]:
        while not self._stop.is_asked:
            slab = next(slabs, None)
            if slab is None:
                return
            yield Work(self._asked, slab, clock())

    def _take(self, found: Found, tally: Tally) -> None:
        tally.lines += found.lines
        tally.empty_requests += found.empty_requests
        tally.add(self._loading.take(found.parcels))
        rejected = chain.from_iterable(parcel.rejected for parcel in found.parcels)
        tally.rejected_by_code.update(why.code.value for _, why, _ in rejected)

    def finish(self, output: Output) -> None:
        """Resolve what was read. Raises StoreError."""
        with progress(output, "resolving", BAR_STEPS, things="groups") as bar:
            self._loading.finish(lambda done, total: bar.show(BAR_STEPS * done // total, done))
