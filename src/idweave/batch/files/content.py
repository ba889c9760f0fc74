"""The content of a file, plain, gzip or zstd, in pieces, and at their end what is wrong with it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from idweave.core.errors import InputError

STDIN = "-"

PLAIN_CHUNK_BYTES = 256 * 1024
PACKED_CHUNK_BYTES = 4 * 1024
"""Compressed bytes inflated at once: gzip makes at most 4 MiB of them and zstd 128 MiB, so a
hostile file costs time, not memory."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def _opened(name: str) -> BinaryIO:
    return sys.stdin.buffer if name == STDIN else Path(name).open("rb")


class Inflater(Protocol):
    """What zlib's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """What the next bytes hold."""
        ...


def _gzip() -> Inflater:
    return zlib.decompressobj(wbits=31)


def _zstd() -> Inflater:
    import zstandard

    found: Inflater = zstandard.ZstdDecompressor().decompressobj()
    return found


PACKINGS: tuple[tuple[bytes, str, Callable[[], Inflater]], ...] = (
    (GZIP_MAGIC, "gzip", _gzip),
    (ZSTD_MAGIC, "zstd", _zstd),
)
"""Compressions by the bytes they begin with; names of files are not believed."""


class Content:
    """One file, read once. ``bytes_read`` counts what was read of ``bytes_total`` (None: unknown);
    ``flaw`` says, when the pieces are out, why there are no more where there should be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bytes_read = 0
        self.flaw: InputError | None = None
        try:
            self._file = _opened(name)
            self.bytes_total = None if name == STDIN else Path(name).stat().st_size
        except OSError as error:
            fix = "Name a file that exists and can be read; - is standard input."
            raise InputError(f"{name} cannot be read: {error.strerror}.", fix=fix) from None

    @property
    def can_rewind(self) -> bool:
        """Whether it can be read twice: not a pipe."""
        return self.name != STDIN and self._file.seekable()

    def rewind(self) -> None:
        """Begin again."""
        self._file.seek(0)
        self.bytes_read, self.flaw = 0, None

    def close(self) -> None:
        """Give the file back."""
        if self.name != STDIN:
            self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """The content as it was before compression, up to the flaw if there is one."""
        try:
            first = self._read(PACKED_CHUNK_BYTES)
            for magic, name, make in PACKINGS:
                if first.startswith(magic):
                    yield from self._inflated(first, name, make)
                    return
            while first:
                yield first
                first = self._read(PLAIN_CHUNK_BYTES)
        except OSError as error:
            problem = f"{self.name} cannot be read past byte {self.bytes_read}: {error.strerror}."
            self.flaw = InputError(problem, fix="Mend the disk or copy the file, and run it again.")

    def _read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.bytes_read += len(piece)
        return piece

    def _inflated(self, first: bytes, name: str, make: Callable[[], Inflater]) -> Iterator[bytes]:
        """Every stream of a file of one or more, as `cat a.gz b.gz` makes them."""
        inflater, piece, is_begun = make(), first, True
        while piece:
            try:
                content = inflater.decompress(piece)
            except Exception as error:  # noqa: BLE001 - zstd's error has no stable home
                self._damaged(name, error)
                return
            if content:
                yield content
            is_begun, piece = not inflater.eof, inflater.unused_data
            if inflater.eof:
                piece = piece.lstrip(b"\0") or self._read(PACKED_CHUNK_BYTES).lstrip(b"\0")
                inflater, is_begun = make(), bool(piece)
            else:
                piece = self._read(PACKED_CHUNK_BYTES)
        if is_begun:
            self.flaw = InputError(
                f"{self.name} is cut off: its {name} stream goes on after byte {self.bytes_read}.",
                fix="Get the whole file and import it again: what was imported will be known.",
            )

    def _damaged(self, name: str, error: Exception) -> None:
        at = max(self.bytes_read - PACKED_CHUNK_BYTES, 0)
        problem = f"{self.name} is damaged after byte {at}: {error}."
        fix = f"Get a sound copy ({name} finds this one broken too) and import it again."
        self.flaw = InputError(problem, fix=fix)
