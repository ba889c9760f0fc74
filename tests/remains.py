"""What is left of somebody on a disk: every file, and everything compressed in it, as bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

STREAMS = (b"\x1f\x8b\x08", b"\x78\x01")
"""How a gzip stream begins, and one of the change feed."""


def contents(folder: Path) -> Iterator[bytes]:
    """Every file of a folder as it is, and every compressed stream that begins anywhere in one."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            yield raw
            for begins in STREAMS:
                yield from _inflated(raw, begins)


def _inflated(raw: bytes, begins: bytes) -> Iterator[bytes]:
    at = raw.find(begins)
    while at >= 0:
        inflater = zlib.decompressobj(wbits=47)
        found = b""
        try:
            for start in range(at, len(raw), 512):  # what is overwritten behind still counts
                found += inflater.decompress(raw[start : start + 512])
                if inflater.eof:
                    break
        except zlib.error:
            pass
        yield found
        at = raw.find(begins, at + 1)


def remains(folder: Path, values: Iterable[str]) -> set[str]:
    """Those of these values that are anywhere below a folder."""
    forms = {value: value.encode() for value in values}
    return {
        value for content in contents(folder) for value, form in forms.items() if form in content
    }
