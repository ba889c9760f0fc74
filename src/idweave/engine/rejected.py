"""Rejections: read back as they came, and tried again."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from idweave.core.record import Record, Rejection
from idweave.ports import PayloadRow, Reader, RejectionRow, Store
from idweave.wire import read_payload

from .answers import Receipt, RetrySummary
from .door import Door
from .intake import WHOLE_REQUEST, Delivery
from .reading import damaged

RETRIED_AT_ONCE = 500
"""Rejections tried in one transaction."""

RAW_SHOWN_MAX = 64 * 1024
"""Characters of a raw record that an answer shows; the store keeps all of it."""


def raw_text(reader: Reader, row: RejectionRow) -> str:
    """The rejected record as it came, as text."""
    said = reader.payload(row.place.payload_id)
    if said is None:
        return ""
    raw = _record(said, row)
    if isinstance(raw, dict):
        return json.dumps(raw, ensure_ascii=False)[:RAW_SHOWN_MAX]
    try:
        return gzip.decompress(said.body)[:RAW_SHOWN_MAX].decode("utf-8", "backslashreplace")
    except (OSError, EOFError, zlib.error):
        raise damaged(said.payload_id) from None


def _record(said: PayloadRow, row: RejectionRow) -> dict[str, Any] | Rejection | None:
    """The record that a rejection is about; None where it is about the request as a whole."""
    records = () if row.place.nth == WHOLE_REQUEST else read_payload(said.body)
    return records[row.place.nth] if 0 <= row.place.nth < len(records) else None


Settle = Callable[[Sequence[Delivery], Sequence[RejectionRow]], list[Receipt]]
"""Accepts deliveries and settles the rejections that they answer, in one transaction."""


class Retry:
    """Tries rejections again. What is accepted now leaves the list; the rest stays as it was."""

    def __init__(self, store: Store, door: Door, settle: Settle) -> None:
        self._store = store
        self._door = door
        self._settle = settle

    def run(self, project: str | None, ids: Sequence[int] | None) -> RetrySummary:
        """Go through all of them once, in bounded transactions. Those that are named by id a
        person has looked at: neither their token nor their age is asked for again."""
        tried = accepted = duplicates = after = 0
        while True:
            with self._store.reader() as reader:
                rows = reader.rejections(project, after, RETRIED_AT_ONCE, ids)
                again = [(row, self._again(reader, row, vouched=ids is not None)) for row in rows]
            if not rows:
                break
            after, tried = rows[-1].rejection_id, tried + len(rows)
            mended = [(row, delivery) for row, delivery in again if delivery is not None]
            if mended:
                deliveries = [delivery for _, delivery in mended]
                receipts = self._settle(deliveries, [row for row, _ in mended])
                accepted += sum(receipt.accepted for receipt in receipts)
                duplicates += sum(receipt.duplicates for receipt in receipts)
        return RetrySummary(tried, accepted, duplicates, tried - accepted - duplicates)

    def _again(self, reader: Reader, row: RejectionRow, *, vouched: bool) -> Delivery | None:
        """The record as a delivery of its own where today's rules accept it, else None."""
        said = reader.payload(row.place.payload_id)
        raw = None if said is None else _record(said, row)
        if said is None or raw is None:
            return None
        edition = self._door.edition  # before any rule is looked at
        project, parsed = self._door.again(raw, said, vouched=vouched)
        if not isinstance(parsed, Record):
            return None
        payload = gzip.compress(json.dumps(raw, ensure_ascii=False).encode(), 6, mtime=0)
        items = ((project, parsed),)
        return Delivery(payload, row.received_at_ms, items, said.project, edition=edition)
