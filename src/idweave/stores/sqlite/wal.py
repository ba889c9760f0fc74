"""The write-ahead log, read without SQLite: what of it counts, and what lies behind damage.

SQLite reads a log up to the first frame that is not as it was written and silently forgets all
behind it, as is right after a power loss: what was not synced was not promised. Where several
commits follow, the disk lost what it had promised to keep, and somebody must say so.
The format is the one of https://sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")

MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
"""The first word of a log, and the byte order in which its checksums read words."""

_PAGE_SIZE = struct.Struct(">H")
_PAGE_SIZE_AT = 16
"""Where the store itself says how large its pages are; 1 stands for 65536."""

_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class LogState:
    """``commits`` are read; ``lost`` were written behind damage, whole or not, and are not read."""

    commits: int
    lost: int


class _Frame(NamedTuple):
    salts: tuple[int, int]
    is_commit: bool
    sums: tuple[int, int]
    summed: bytes


def read_log(store: Path) -> LogState:
    """Read the log of a store; one that is not there holds nothing. Raises OSError."""
    log = store.with_name(store.name + "-wal")
    if not log.exists():
        return LogState(0, 0)
    with store.open("rb") as file:
        file.seek(_PAGE_SIZE_AT)
        said = file.read(_PAGE_SIZE.size)
    page_bytes = _PAGE_SIZE.unpack(said)[0] if len(said) == _PAGE_SIZE.size else 0
    with log.open("rb") as file:
        return _state(file, 65536 if page_bytes == 1 else page_bytes)


def _state(file: BinaryIO, page_bytes: int) -> LogState:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or page_bytes % 8 or not page_bytes:
        return LogState(0, 0)
    magic, _, _, _, *salts, first, second = _HEADER.unpack(header)
    order = MAGIC.get(magic, "<")
    sums = _add((0, 0), header[:24], order)
    is_sound = magic in MAGIC and sums == (first, second)
    commits = lost = 0
    expected: tuple[int, ...] | None = tuple(salts) if is_sound else None
    for frame in _frames(file, page_bytes):
        if expected is None:  # the header is damaged: the first frame tells whose log this is
            expected = frame.salts
        if frame.salts != expected:
            is_sound = False
            continue
        sums = _add(sums, frame.summed, order) if is_sound else sums
        is_sound = is_sound and sums == frame.sums
        commits += frame.is_commit and is_sound
        lost += frame.is_commit and not is_sound
    return LogState(commits, lost)


def _frames(file: BinaryIO, page_bytes: int) -> Iterator[_Frame]:
    size = _FRAME.size + page_bytes
    while len(data := file.read(size)) == size:
        _, pages, *salts, first, second = _FRAME.unpack_from(data)
        summed = data[:8] + data[_FRAME.size :]
        yield _Frame((salts[0], salts[1]), pages != 0, (first, second), summed)


def _add(sums: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    """SQLite's checksum, carried on over more bytes."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for left, right in zip(words[::2], words[1::2], strict=True):
        first = (first + left + second) & _WORD
        second = (second + right + first) & _WORD
    return first, second
