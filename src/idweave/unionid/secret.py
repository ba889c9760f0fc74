"""Secrets that cannot be printed by accident, and texts that have had theirs taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hmac import compare_digest
from typing import NoReturn

HIDDEN = "***"

SECRET_NAMES = (
    "access_token",
    "app_access_token",
    "app_secret",
    "appsecret",
    "auth_code",
    "authorizer_access_token",
    "authorizer_refresh_token",
    "anonymous_code",
    "client_secret",
    "code",
    "component_access_token",
    "component_appsecret",
    "component_verify_ticket",
    "js_code",
    "refresh_token",
    "secret",
    "session_key",
    "sign",
    "sk",
)
"""Parameters of the platforms whose values are nobody's to read in a log."""

_PAIR = re.compile(
    rf"(?<![A-Za-z_])({'|'.join(sorted(SECRET_NAMES, key=len, reverse=True))})"
    r"""(["']?\s*[=:]\s*["']?)(?!\s)([^\s&"',}]+)"""
)
_CODE_NUMBER = re.compile(r"-?\d{1,6}\Z")

REDACTED_MIN = 4
"""Shorter values are not searched for: every text holds them by chance."""


class Secret:
    """A text that only :meth:`reveal` gives out; ``repr``, ``str`` and formats say ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself: for the request that needs it and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """The text without these secrets, and without the value of any parameter in SECRET_NAMES.
    A ``code`` that is a short number stays: it is an error code."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= REDACTED_MIN:
            text = text.replace(value, HIDDEN)
    return _PAIR.sub(_hide, text)


def _hide(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    keep = name == "code" and _CODE_NUMBER.match(value)
    return f"{name}{between}{value if keep else HIDDEN}"
