"""How a request reaches a collector: one method, to be replaced where HTTP goes another way."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from idweave.core.errors import ConfigError, DeliveryError

ANSWER_BYTES_MAX = 64 * 1024
"""No more of an answer is read: ours are empty or name a few errors."""


class Answer(NamedTuple):
    """What a collector said; ``retry_after_s`` is 0 where it did not."""

    status: int
    body: bytes = b""
    retry_after_s: float = 0.0


class Transport(Protocol):
    """Posts a form and returns the answer whatever its status; DeliveryError where none came."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post ``body`` to ``url``."""


class HttpTransport:
    """The standard library's HTTP, with the proxies and certificates of the system."""

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post ``body`` to ``url``."""
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        request = urllib.request.Request(checked_url(url), body, form, method="POST")  # noqa: S310 - checked_url
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310 - as above
                return Answer(answer.status, answer.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                wait = error.headers.get("Retry-After", "")
                seconds = float(wait) if wait.isascii() and wait.isdigit() else 0.0
                return Answer(error.code, error.read(ANSWER_BYTES_MAX), seconds)
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(
                f"{url} did not answer: {getattr(error, 'reason', None) or error}."
            ) from error


def checked_url(url: str) -> str:
    """The address, if it is one of http; else ConfigError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{url!r} is no collector's address.",
            fix="Give one such as http://localhost:8106/sa?project=default.",
        )
    return url
