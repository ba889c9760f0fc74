"""Records as lines of JSON, the form of files, screens and the spool."""

from __future__ import annotations

import json

from .face import Record


def line_of(record: Record) -> bytes:
    """One line with its end. Raises ValueError for what is no JSON (NaN, infinity)."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"
