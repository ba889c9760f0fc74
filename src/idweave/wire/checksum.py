"""The ``crc`` of the SDKs: Java's ``String.hashCode``, a check of transport and no signature."""

from __future__ import annotations

_CHUNK = 4096
"""Characters folded at once, a power of two: long enough that Python's cost per step is lost."""

_UINT32 = (1 << 32) - 1


def java_hash(text: str) -> int:
    """Java's ``hashCode`` of a string, a signed 32-bit number: Σ unit · 31^(what follows it).

    ASCII text takes about 5 ns a character, other text 20 times that.
    """
    hashed = 0
    if text.isascii():
        data = text.encode("ascii")
        data = b"\0" * (-len(data) % _CHUNK) + data  # zeros in front count nothing
        for start in range(0, len(data), _CHUNK):
            hashed = hashed * _POWER + _fold(int.from_bytes(data[start : start + _CHUNK], "big"))
            hashed &= _UINT32
    else:
        units = text.encode("utf-16-be", "surrogatepass")
        for high, low in zip(units[::2], units[1::2], strict=True):
            hashed = (hashed * 31 + (high << 8) + low) & _UINT32
    return hashed - (hashed >> 31 << 32)


def _fold(lanes: int) -> int:
    """The hash of one chunk, whose characters are the 8-bit lanes of a number.

    Neighbours are added up in pairs, the left one weighted, until lanes are 64 bits wide and
    hold 8 characters; then halves are folded onto each other. Each step is a few operations on
    one long number, where a loop would take some for every character.
    """
    for width, mask, weight in _PAIRS:
        lanes = ((lanes >> width) & mask) * weight + (lanes & mask)
    lanes &= _LANES
    for bits, rest, weight in _HALVES:
        lanes = ((lanes >> bits) * weight + (lanes & rest)) & _LANES
    return lanes


def _every(bits: int, width: int) -> int:
    """The lowest ``bits`` of every lane of that width in a chunk."""
    return int.from_bytes(((1 << bits) - 1).to_bytes(width // 8, "big") * (8 * _CHUNK // width))


_POWER = pow(31, _CHUNK, 1 << 32)
_LANES = _every(32, 64)
_PAIRS = [(width, _every(width, 2 * width), 31 ** (width // 8)) for width in (8, 16, 32)]
_HALVES = [
    (8 * chars, (1 << 8 * chars) - 1, pow(31, chars, 1 << 32))
    for chars in (_CHUNK >> step for step in range(1, _CHUNK.bit_length() - 3))
]
