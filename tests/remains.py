"""What is left of somebody on a disk: every file, and everything compressed in it, as bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

GZIP = b"\x1f\x8b\x08"


def contents(folder: Path) -> Iterator[bytes]:
    """Every file of a folder as it is, and every gzip stream that begins anywhere in one."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            yield raw
            yield from _inflated(raw)


def _inflated(raw: bytes) -> Iterator[bytes]:
    at = raw.find(GZIP)
    while at >= 0:
        inflater = zlib.decompressobj(wbits=31)
        found = b""
        try:
            for start in range(at, len(raw), 512):  # what is overwritten behind still counts
                found += inflater.decompress(raw[start : start + 512])
                if inflater.eof:
                    break
        except zlib.error:
            pass
        yield found
        at = raw.find(GZIP, at + 1)


def remains(folder: Path, values: Iterable[str]) -> set[str]:
    """Those of these values that are anywhere below a folder."""
    forms = {value: value.encode() for value in values}
    return {
        value for content in contents(folder) for value, form in forms.items() if form in content
    }
