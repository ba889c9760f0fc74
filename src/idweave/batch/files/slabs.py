"""The lines of a file in large pieces, which other processes cut up: this one reads and sums."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from .content import Content
from .lines import BOM, HEAD_BYTES, LINE_BYTES_MAX, LINE_KEPT_BYTES, Line, head_digest

SLAB_BYTES = 1024 * 1024
"""Some thousand records: ten milliseconds of work for a process, and little to hold."""


class Slab(NamedTuple):
    """Whole lines, of which the first has this number; or the beginning of one too long to keep."""

    text: bytes
    first: int
    is_whole: bool = True

    def lines(self) -> Iterator[Line]:
        """The lines, as :class:`.lines.Lines` gives them, without those that are blank."""
        if not self.is_whole:
            yield Line(self.text.strip(), self.first, False)
            return
        for number, text in enumerate(self.text.split(b"\n"), self.first):
            is_whole = len(text) < LINE_BYTES_MAX  # its end counts, too
            kept = (text if is_whole else text[:LINE_KEPT_BYTES]).strip()
            if kept:
                yield Line(kept, number, is_whole)


class Slabs:
    """Iterates over the slabs of a content. ``offset`` and ``digest`` are those of all lines given
    so far, as in :class:`.lines.Lines`."""

    def __init__(self, content: Content, slab_bytes: int = SLAB_BYTES) -> None:
        self.content = content
        self.offset = 0
        self._slab_bytes = slab_bytes
        self._sum = blake2b(digest_size=16)
        self._head = b""
        self._number = 1
        self._read = 0  # bytes read and summed, of which the last may not be given yet
        self._read_sum = self._sum.copy()
        self._ended = self.offset, self._sum  # those of all lines that have ended
        self._whole: list[bytes] = []  # lines that have ended, and are not given yet
        self._size = 0
        self._begun = bytearray()  # a line that has not
        self._slabs = self._cut()

    def __iter__(self) -> Iterator[Slab]:
        return self

    def __next__(self) -> Slab:
        return next(self._slabs)

    def digest(self) -> str:
        """The check sum of everything up to ``offset``."""
        return self._sum.hexdigest()

    def head_digest(self) -> str:
        """The check sum of the first HEAD_BYTES."""
        return head_digest(self._head)

    def _cut(self) -> Iterator[Slab]:
        is_long = False
        for piece in self.content.pieces():
            start = piece.find(b"\n") + 1 if is_long else 0
            if is_long:
                self._add(piece[:start] if start else piece)
                if not start:
                    continue
                yield self._long()
                is_long = False
            end = piece.rfind(b"\n", start) + 1
            if end > start:
                self._add(piece[start:end])
                self._end(piece[start:end])
                if self._size >= self._slab_bytes:
                    yield self._give()
            rest = piece[max(start, end) :]
            self._add(rest)
            self._begun += rest
            if len(self._begun) > LINE_BYTES_MAX:
                if self._whole:
                    yield self._give()
                del self._begun[LINE_KEPT_BYTES:]
                is_long = True
        if self._begun and self.content.flaw is None:  # the last line needs no end
            if is_long:
                yield self._long()
            self._end(b"")
        if self._whole:
            yield self._give()

    def _add(self, part: bytes) -> None:
        self._read += len(part)
        self._read_sum.update(part)
        if len(self._head) < HEAD_BYTES:
            self._head += part[: HEAD_BYTES - len(self._head)]

    def _end(self, rest: bytes) -> None:
        """What was begun ends with this."""
        self._whole += (bytes(self._begun), rest)
        self._size += len(self._begun) + len(rest)
        self._begun.clear()
        self._ended = self._read, self._read_sum.copy()

    def _give(self) -> Slab:
        self.offset, self._sum = self._ended
        text, first = b"".join(self._whole), self._number
        self._number += text.count(b"\n")
        self._whole.clear()
        self._size = 0
        return Slab(text.removeprefix(BOM) if first == 1 else text, first)

    def _long(self) -> Slab:
        """The line that is too long, of which the beginning was kept."""
        self.offset, self._sum = self._ended = self._read, self._read_sum.copy()
        text, first = bytes(self._begun), self._number
        self._number += 1
        self._begun.clear()
        return Slab(text.removeprefix(BOM) if first == 1 else text, first, is_whole=False)
