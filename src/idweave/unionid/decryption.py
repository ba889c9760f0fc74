"""Encrypted user data of mini programs (WECHAT.md §4): AES-128-CBC, and what must hold inside."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from hashlib import sha1
from typing import Any

from .errors import DecryptionError
from .extras import need
from .secret import Secret

BLOCK_BYTES = 16
AGE_MS_MAX = 5 * 60_000
"""How old data may be, as old as a login code: older data may be a replay."""

AHEAD_MS_MAX = 60_000
"""How far the platform's clock may be ahead of ours."""

ENCRYPTED_CHARS_MAX = 1024 * 1024
"""A profile has 600 characters, a long list of shared data some thousands."""

KEY, IV, DATA, CONTENT = -41001, -41002, -41003, -41004

_AGAIN = "Log in again (wx.login) before asking for the data, and use that login's session key."
_CLIENT = "Send what the client got, unchanged, as base64."


def decrypt_user_data(
    encrypted: str,
    iv: str,
    session_key: Secret,
    *,
    appid: str,
    now_ms: int,
    age_ms_max: int | None = AGE_MS_MAX,
) -> dict[str, Any]:
    """The data that the platform encrypted for this app, with its ``watermark``.

    ``age_ms_max`` None: of any age. Raises DecryptionError; nothing of the data is in its text.
    """
    need("cryptography")
    key = _base64(session_key.reveal(), KEY, "session key", _AGAIN)
    vector = _base64(iv, IV, "iv", _CLIENT)
    data = _base64(encrypted, DATA, "data", _CLIENT)
    if len(key) != BLOCK_BYTES:
        raise DecryptionError("The session key is not 16 bytes.", errcode=KEY, fix=_AGAIN)
    if len(vector) != BLOCK_BYTES:
        raise DecryptionError("The iv is not 16 bytes.", errcode=IV, fix=_CLIENT)
    if not data or len(data) % BLOCK_BYTES:
        raise DecryptionError("The data is cut off: no whole blocks.", errcode=DATA, fix=_CLIENT)
    payload = _object(_unpadded(_decrypted(data, key, vector)))
    _check_watermark(payload, appid, now_ms, age_ms_max)
    return payload


def signature_holds(raw_data: str, session_key: Secret, signature: str) -> bool:
    """Whether ``rawData`` is what the platform signed: sha1 of it and the session key."""
    # the platform's own scheme; not ours to choose
    digest = sha1((raw_data + session_key.reveal()).encode(), usedforsecurity=False).hexdigest()
    return hmac.compare_digest(digest.encode(), signature.lower().encode())


def _base64(text: str, errcode: int, what: str, fix: str) -> bytes:
    if len(text) > ENCRYPTED_CHARS_MAX:
        raise DecryptionError(f"The {what} is too long.", errcode=errcode, fix=fix)
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionError(f"The {what} is not base64.", errcode=errcode, fix=fix) from None


def _decrypted(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return cipher.update(data) + cipher.finalize()


def _unpadded(padded: bytes) -> bytes:
    """Without PKCS#7 padding: 1 to 16 bytes that all say how many they are."""
    count = padded[-1]
    if not 1 <= count <= BLOCK_BYTES or padded[-count:] != bytes([count]) * count:
        raise DecryptionError(
            "The data does not open with this session key and iv.", errcode=DATA, fix=_AGAIN
        )
    return padded[:-count]


def _object(text: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise DecryptionError("What was inside is no JSON object.", errcode=CONTENT, fix=_AGAIN)
    return payload


def _check_watermark(
    payload: dict[str, Any], appid: str, now_ms: int, age_ms_max: int | None
) -> None:
    mark = payload.get("watermark")
    made = mark.get("timestamp") if isinstance(mark, dict) else None
    if not isinstance(mark, dict) or not isinstance(made, int) or isinstance(made, bool):
        raise DecryptionError("The data has no watermark.", errcode=CONTENT, fix=_AGAIN)
    if mark.get("appid") != appid:
        fix = f"Use the session key of the app that made it; this was opened for {appid}."
        raise DecryptionError("The data was made for another app.", errcode=CONTENT, fix=fix)
    age_ms = now_ms - made * 1000
    if age_ms_max is not None and not -AHEAD_MS_MAX <= age_ms <= age_ms_max:
        fix = "Ask the client for fresh data; for old data on purpose, lift the limit of age."
        seconds = age_ms // 1000
        raise DecryptionError(f"The data is {seconds} s old.", errcode=CONTENT, fix=fix)
