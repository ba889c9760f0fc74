"""The lines of a file, of bounded length, with the place and the check sum of what came before."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from .content import Content

LINE_BYTES_MAX = 16 * 1024 * 1024
"""A saved request of 10 MiB is 14 MiB in base64; a record is a thousandth of that."""

LINE_KEPT_BYTES = 64 * 1024
"""What is kept of a longer line: enough to see what it was."""

HEAD_BYTES = 4096
"""A file is told from others by its beginning, and then by the check sum of everything read."""

BOM = b"\xef\xbb\xbf"


def head_digest(head: bytes) -> str:
    """The check sum of a file's beginning."""
    return blake2b(head[:HEAD_BYTES], digest_size=8).hexdigest()


def peek_head(content: Content) -> str:
    """The check sum of the beginning of a content that can be rewound."""
    head = b""
    for piece in content.pieces():
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    content.rewind()
    return head_digest(head)


class Line(NamedTuple):
    """One line without its end; ``is_whole`` is False where it was too long to keep."""

    text: bytes
    number: int
    is_whole: bool = True


class Lines:
    """Iterates over the lines of a content. ``offset`` and ``digest`` are those of all lines given
    so far; ``number`` is that of the last one."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.offset = 0
        self.number = 0
        self._head = b""
        self._text = bytearray()
        self._length = 0
        self._sum = blake2b(digest_size=16)
        self._before = self.offset, self._sum
        self._lines = self._cut()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return next(self._lines)

    def digest(self) -> str:
        """The check sum of everything up to ``offset``."""
        return self._sum.hexdigest()

    def head_digest(self) -> str:
        """The check sum of the first HEAD_BYTES."""
        return head_digest(self._head)

    def _cut(self) -> Iterator[Line]:
        for piece in self.content.pieces():
            start = 0
            while (end := piece.find(b"\n", start) + 1) > 0:
                self._take(piece[start:end])
                yield self._line()
                start = end
            if not self._length:  # what follows is a line begun: it may have no end
                self._before = self.offset, self._sum.copy()
            self._take(piece[start:])
        if self.content.flaw is not None:
            self.offset, self._sum = self._before
        elif self._length:
            yield self._line()

    def _take(self, part: bytes) -> None:
        """More of the line; of a too long one only the beginning is kept."""
        self.offset += len(part)
        self._sum.update(part)
        if len(self._head) < HEAD_BYTES:
            self._head += part[: HEAD_BYTES - len(self._head)]
        self._length += len(part)
        self._text += part
        if self._length > LINE_BYTES_MAX:
            del self._text[LINE_KEPT_BYTES:]

    def _line(self) -> Line:
        self.number += 1
        text, is_whole = bytes(self._text), self._length <= LINE_BYTES_MAX
        self._text.clear()
        self._length = 0
        if self.number == 1:
            text = text.removeprefix(BOM)
        return Line(text.strip(), self.number, is_whole)
