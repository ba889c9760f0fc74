"""A retry of many rejections does not keep others from writing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.engine.rejected import RETRIED_AT_ONCE
from idweave.ports import Reader
from idweave.stores.memory import MemoryStore
from idweave.wire import decode, encode_data_list

NOW_MS = 1_795_600_000_000
P = "default"
GUARDED = Project(P, preset("sensors"), token="s3cret", time_window=False)


def told(*numbers: int) -> list[dict[str, object]]:
    return [
        {
            "type": "track",
            "event": "Buy",
            "time": NOW_MS,
            "distinct_id": "d",
            "identities": {"$identity_cookie_id": "d"},
            "_track_id": number,
        }
        for number in numbers
    ]


class BusyStore(MemoryStore):
    """A store into which somebody writes whenever it is read."""

    writes: threading.Thread | None = None
    stuck = 0

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with super().reader() as reader:
            if self.writes is not None:
                self.writes.start()
                self.writes.join(5)
                self.stuck += self.writes.is_alive()
                self.writes = None
            yield reader


def test_others_write_while_a_retry_looks_for_what_to_try() -> None:
    store = BusyStore()
    strict = Engine(store, {P: GUARDED}, clock=lambda: NOW_MS)
    refused = decode(encode_data_list(told(*range(RETRIED_AT_ONCE + 1))), "")
    strict.accept([strict.parse(refused, NOW_MS)])
    engine = Engine(store, {P: replace(GUARDED, token=None)}, clock=lambda: NOW_MS)
    other = engine.parse(decode(encode_data_list(told(9999)), ""), NOW_MS)
    store.writes = threading.Thread(target=engine.accept, args=([other],), daemon=True)
    assert engine.retry_rejections(P).accepted == RETRIED_AT_ONCE + 1
    assert store.stuck == 0
    assert engine.stats(P).accepted == RETRIED_AT_ONCE + 2
