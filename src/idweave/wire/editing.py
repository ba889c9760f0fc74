"""Stored payloads with records taken out or replaced; all others keep their places."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

from .decoding import GZIP_LEVEL, GZIP_MAGIC, _inflated, _parsed, _Refused


def content_of(payload: bytes) -> bytes:
    """What a stored payload holds, as bytes; empty where it cannot be inflated. Never raises."""
    try:
        return _inflated(payload) if payload.startswith(GZIP_MAGIC) else payload
    except _Refused:
        return b""


def sent_records(payload: bytes) -> tuple[Any, ...]:
    """The records of a stored payload as they were sent, sound or not, each in its place; none
    where it cannot be read. Never raises."""
    try:
        parsed = _parsed(content_of(payload))
    except _Refused:
        return ()
    return tuple(parsed) if isinstance(parsed, list) else (parsed,)


def edit_payload(payload: bytes, edits: Mapping[int, Mapping[str, Any] | None]) -> bytes | None:
    """The payload with other records in these places (None: nothing, a JSON null keeps the place
    for the records behind it); None where no record is left, or it cannot be read."""
    kept = [edits.get(nth, record) for nth, record in enumerate(sent_records(payload))]
    while kept and kept[-1] is None:
        kept.pop()
    if not kept:
        return None
    return gzip.compress(json.dumps(kept).encode(), GZIP_LEVEL, mtime=0)
