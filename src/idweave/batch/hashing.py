"""Hashing and numbering of millions of texts at once, by numpy: no Python per text.

A text is read eight bytes at a time; each half word is multiplied with a secret odd number of its
place and all are added up. For any two texts the chance over the secrets that one such sum agrees
is at most 2^-33, and for two sums with other secrets at most 2^-66, whoever chose the texts; for
texts that were not chosen against it, 2^-128. No result depends on the secrets.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .arrays import Ints, Longs, Words

ROWS_AT_ONCE = 16_384
"""Rows of one step: its arrays stay in the processor's cache."""

WORDS_MAX = 4096
"""Words of one text that have secrets of their own: 32 KiB. Ids end at 255 characters, and longer
texts are refused before they are hashed."""

_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_WORD = np.uint64(64)
_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


class Secrets:
    """The numbers that one run multiplies with, from a seed that nobody outside knows."""

    def __init__(self, seed: int) -> None:
        drawn = np.random.default_rng(seed).integers(0, 1 << 63, (4, WORDS_MAX + 1), np.uint64)
        self.low, self.high = (drawn[:2] << np.uint64(1)) | np.uint64(1), drawn[2:] | np.uint64(1)

    def whole(self, which: int, place: int) -> np.uint64:
        """A number for something that is no text: a kind, a column."""
        return np.uint64(self.low[which, WORDS_MAX - place])


def hashed(texts: pa.Array, secrets: Secrets, sums: int = 2) -> tuple[Words, ...]:
    """So many sums of each text; a null counts as the empty text."""
    starts, words = words_of(texts)
    found = tuple(np.empty(len(texts), np.uint64) for _ in range(sums))
    for start in range(0, len(texts), ROWS_AT_ONCE):
        end = min(start + ROWS_AT_ONCE, len(texts))
        for part, which in zip(
            _sums(starts[start : end + 1], words, secrets, sums), range(sums), strict=True
        ):
            found[which][start:end] = part
    return found


def glimpses(texts: pa.Array, secrets: Secrets) -> Words:
    """A sum of the length, the first eight bytes and the last eight of each text: equal texts have
    equal ones, and different ids mostly others, at half the cost of :func:`hashed`."""
    starts, words = words_of(texts)
    found = np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), ROWS_AT_ONCE):
        end = min(start + ROWS_AT_ONCE, len(texts))
        begins, lengths = starts[start:end], np.diff(starts[start : end + 1])
        first = word_of(begins, lengths, words, 0)
        skipped = np.maximum(lengths - 8, 0)
        last = word_of(begins + skipped, lengths - skipped, words, 0)
        total = first * secrets.low[0, 0] + (last ^ (last >> _HALF)) * secrets.high[0, 0]
        found[start:end] = total + lengths.astype(np.uint64) * secrets.low[1, 0]
    return found


def bytes_of(texts: pa.Array) -> tuple[Longs, npt.NDArray[np.uint8]]:
    """Where each text begins, in bytes, with the end of the last; and all bytes."""
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    _, offsets, content = texts.buffers()
    if not len(texts):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    held = np.frombuffer(offsets, np.int64 if wide else np.int32)
    starts: Longs = held[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    begin, end = int(starts[0]), int(starts[-1])
    text = np.empty(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    return starts - begin, text[begin:end]


def words_of(texts: pa.Array) -> tuple[Longs, Words]:
    """Where each text begins, in bytes, and all bytes as words with room behind them."""
    starts, content = bytes_of(texts)
    padded = np.empty((len(content) + 23) // 8 * 8, np.uint8)
    padded[: len(content)] = content
    padded[len(content) :] = 0
    words = padded.view(np.dtype("<u8"))
    return starts, words if sys.byteorder == "little" else words.byteswap()


def word_of(begins: Longs, lengths: Longs, words: Words, nth: int) -> Words:
    """The nth eight bytes of each text, zeros behind its end; the first byte is the lowest."""
    at = np.minimum((begins >> 3) + nth, len(words) - 2)
    shift = ((begins & 7) << 3).astype(np.uint64)
    word: Words = (words.take(at) >> shift) | (words.take(at + 1) << (_WORD - shift))
    word &= _MASKS.take(np.clip(lengths - 8 * nth, 0, 8))
    return word


def _sums(starts: Longs, words: Words, secrets: Secrets, sums: int) -> list[Words]:
    begins, lengths = starts[:-1], np.diff(starts)
    found = [lengths.astype(np.uint64) * secrets.low[which, 0] for which in range(sums)]
    for nth in range((int(lengths.max(initial=0)) + 7) // 8):
        word = word_of(begins, lengths, words, nth)
        low, high = word & _LOW, word >> _HALF
        place = 1 + nth % (WORDS_MAX - 1000)
        for which in range(sums):
            found[which] += low * secrets.low[which, place]
            found[which] += high * secrets.high[which, place]
    return found


class Numbering:
    """Gives equal pairs of sums equal numbers, 0, 1, 2 …: a hash table that is filled and asked by
    whole arrays."""

    def __init__(self) -> None:
        self.count = 0
        self._bits = 16
        self._slots = np.full(1 << self._bits, -1, np.int32)
        self._one = np.empty(1 << 15, np.uint64)
        self._other = np.empty(1 << 15, np.uint64)

    def of(self, one: Words, other: Words) -> tuple[Ints, Longs]:
        """The number of each row, and the rows that got new numbers, in the order of these."""
        self._make_room(self.count + len(one))
        numbers = np.empty(len(one), np.int32)
        fresh: list[Longs] = [np.empty(0, np.int64)]
        rows, places = np.arange(len(one)), self._places(one)
        while len(rows):
            found = self._slots.take(places)
            free = np.flatnonzero(found < 0)
            if len(free):
                won = self._claim(free, places.take(free))
                self._learn(one.take(won), other.take(won))
                fresh.append(rows.take(won))
                found = self._slots.take(places)
            numbers[rows] = found
            differs = self._one.take(found) != one
            differs |= self._other.take(found) != other
            missed = np.flatnonzero(differs)  # another's place: the next one is tried
            rows, one, other = rows.take(missed), one.take(missed), other.take(missed)
            places = (places.take(missed) + 1) & (len(self._slots) - 1)
        return numbers, np.concatenate(fresh)

    def _places(self, one: Words) -> Longs:
        return (one >> np.uint64(64 - self._bits)).astype(np.int64)

    def _claim(self, rows: Longs, places: Longs) -> Longs:
        """Of all rows that want a free slot the last one gets it; returns those that got one."""
        self._slots[places] = np.arange(len(rows), dtype=np.int32)
        won = np.flatnonzero(self._slots[places] == np.arange(len(rows), dtype=np.int32))
        self._slots[places[won]] = self.count + np.arange(len(won), dtype=np.int32)
        return rows[won]

    def _learn(self, one: Words, other: Words) -> None:
        end = self.count + len(one)
        self._one[self.count : end] = one
        self._other[self.count : end] = other
        self.count = end

    def _grown(self, sums: Words, size: int) -> Words:
        """The same with room for more, which takes no memory until it is used."""
        found = np.empty(size, np.uint64)
        found[: self.count] = sums[: self.count]
        return found

    def _make_room(self, count: int) -> None:
        if count > len(self._one):
            size = max(count, 2 * len(self._one))
            self._one, self._other = self._grown(self._one, size), self._grown(self._other, size)
        if 2 * count <= len(self._slots):
            return
        self._bits = max(self._bits, int(2 * count - 1).bit_length())
        self._slots = np.full(1 << self._bits, -1, np.int32)
        for start in range(0, self.count, ROWS_AT_ONCE):
            self._place(np.arange(start, min(start + ROWS_AT_ONCE, self.count)))

    def _place(self, rows: Longs) -> None:
        """Put numbers into slots."""
        places = self._places(self._one[rows])
        while len(rows):
            free = np.flatnonzero(self._slots[places] < 0)
            self._slots[places[free]] = rows[free]
            lost = self._slots[places] != rows
            rows, places = rows[lost], (places[lost] + 1) & (len(self._slots) - 1)
