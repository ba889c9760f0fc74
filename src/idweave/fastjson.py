"""JSON of records, parsed and checked at once by msgspec: the one fast road for bytes that arrive
over HTTP (``server``) and in files (``batch``).

It takes only what is sound to the last record and says None to everything else, which then goes
to ``wire`` from the start. So this module decides nothing; ``tests/laws/test_fast_decode.py``
holds the two equal.
"""

from __future__ import annotations

from typing import Any

import msgspec

_Leaf = str | int | float | bool | None
_Inner = _Leaf | list[_Leaf] | dict[str, _Leaf]
_Value = _Leaf | list[_Inner] | dict[str, _Inner]
_Record = dict[str, _Value]
"""The shape of records, four levels: parsing to it bounds the nesting at no cost."""

_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[_Record] | _Record)


def sound_records(content: bytes) -> list[dict[str, Any]] | None:
    """The records of a JSON object or array that are sound to the last (``core.soundness``) and
    name their type; None where one may not be. Never raises."""
    if b"\\" in content and rb"\u0000" in content:
        return None
    try:
        parsed = _json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    records: list[dict[str, Any]] = parsed if isinstance(parsed, list) else [parsed]
    return records if all("type" in record for record in records) else None
