"""API keys: random, shown once, kept only as their hash."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

KEY_BYTES = 32
"""256 random bits: nobody guesses them, so a plain hash of them is safe to keep."""

PREFIX = "idw_"
"""Lets people and secret scanners see what a leaked string is."""


def new_key() -> str:
    """A new key, to be shown once; configure :func:`hash_key` of it."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_key(key: str) -> str:
    """What is configured and compared: SHA-256 in hex."""
    return sha256(key.encode()).hexdigest()


def is_key(authorization: bytes, hashes: Sequence[str]) -> bool:
    """Whether an Authorization header carries a key with one of these hashes. Takes as long for a
    wrong one as for a right one."""
    scheme, _, key = authorization.partition(b" ")
    given = sha256(key.strip()).hexdigest()
    matches = [hmac.compare_digest(given, known) for known in hashes]
    return scheme.lower() == b"bearer" and any(matches)
