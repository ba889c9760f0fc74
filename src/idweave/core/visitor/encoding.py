"""How visitor ids lie in cookies and travel in bodies: gioenc, cookies, XOR (VISITOR.md §4, §8).

We read gioenc and write plain text: the encoding cannot tell ``[`` from ``Z`` nor a back-quote from
``a``. ``gioenc`` is here for tests of readers and for tools that must write what the SDK writes.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

PREFIX = "gioenc-"

_KEPT = frozenset("AaZz@{")
"""Flipping these would turn letters into marks, so the SDK lets them be."""

_COOKIE_SAFE = "!#$&'()*+/:<=>?@[]^`{|}~"
"""What cookie values show as it is, besides letters, digits and ``-._``."""


def _flip(text: str) -> str:
    """Each UTF-16 unit with its lowest bit flipped: pairs stay pairs."""
    encoded = bytearray(text.encode("utf-16-le", "surrogatepass"))
    for at in range(0, len(encoded), 2):
        if encoded[at + 1] or chr(encoded[at]) not in _KEPT:
            encoded[at] ^= 1
    return encoded.decode("utf-16-le", "surrogatepass")


def gioenc(text: str) -> str:
    """A value as the web SDK encodes it."""
    return PREFIX + _flip(text)


def gioenc_decode(stored: str) -> str:
    """A stored value as the web SDK reads it; without the prefix it is taken as it is."""
    plain = _flip(stored.removeprefix(PREFIX)) if stored.startswith(PREFIX) else stored
    return plain or stored


def cookie_pair(name: str, text: str) -> str:
    """``name=value`` as the web SDK writes it: gioenc, then percent-encoded; empty stays empty."""
    return f"{name}={quote(gioenc(text) if text else '', safe=_COOKIE_SAFE, errors='replace')}"


def cookie_value(raw: str) -> str:
    """A raw cookie value as the web SDK reads it: percent-decoded, then gioenc-decoded."""
    return gioenc_decode(unquote(raw.strip('"')))


def xor_body(sent_ms: int, body: bytes) -> bytes:
    """A body under ``X-Crypt-Codec: 1``; the same call encrypts and decrypts.

    ``sent_ms`` is the ``stm`` of the URL; its low byte is the key. Applied after compression.
    """
    return bytes(byte ^ (sent_ms & 0xFF) for byte in body)
