"""The collector's answers, made once: a table of statuses, headers and bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")
JSON: Header = (b"content-type", b"application/json")
IMAGE: Header = (b"content-type", b"image/gif")
NO_STORE: Header = (b"cache-control", b"no-store")

ANY_ORIGIN: tuple[Header, ...] = ((b"access-control-allow-origin", b"*"),)
PREFLIGHT_ANY: tuple[Header, ...] = (
    *ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Dry-Run"),
    (b"access-control-max-age", b"86400"),
)
PREFLIGHT_DEBUG: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"dry-run"),
    (b"access-control-max-age", b"86400"),
)

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
"""One transparent pixel, 43 bytes."""


class Reply:
    """An answer as the two messages that send it."""

    __slots__ = ("body", "start", "status")

    def __init__(
        self, status: int, body: bytes = b"", kind: Header = TEXT, more: Sequence[Header] = ()
    ) -> None:
        size = () if status == 304 else ((b"content-length", str(len(body)).encode()),)
        headers = [kind, *size, NO_STORE, *more]
        self.status = status
        self.start: dict[str, Any] = {
            "type": "http.response.start",
            "status": status,
            "headers": headers,
        }
        self.body: dict[str, Any] = {"type": "http.response.body", "body": body}
