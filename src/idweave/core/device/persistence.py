"""The persisted form: what the released SDKs left in storage (DEVICE.md §2.1, §3).

A stored value is what the host's storage holds: an object, JSON text, or a cookie's text. What
cannot be read is an empty state, never an error: a device with a broken file must go on.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from .platforms import Form, Platform
from .state import DeviceState

Stored: TypeAlias = Mapping[str, Any] | str
"""What storage holds under a key."""

ROT_FLAG: Final = "data:enc;"
SWAP_FLAG: Final = "dfm-enc-"

_ROT_UNITS: Final = 126
_ROT = {unit: (unit + 13) % _ROT_UNITS for unit in range(_ROT_UNITS)}
_UNROT = {rotated: unit for unit, rotated in _ROT.items()}

_SWAP_PAIRS = (
    "0A 1E 2s 3I 4S 5H 6n 7R 8t 9G BL Cv DX FT Jx KU Mw NQ Op PY Vd WZ ai bu cy er fg hz jq kl mo"
)
_SWAP = {ord(p[i]): p[1 - i] for p in _SWAP_PAIRS.split() for i in (0, 1)}
"""The web SDK's ``encrypt_cookie``: letters and digits change places in pairs."""


def rotated(text: str) -> str:
    """Every character below code 126 moved on by 13, the mini programs' disguise."""
    return text.translate(_ROT)


def unrotated(text: str) -> str:
    """The inverse of :func:`rotated`."""
    return text.translate(_UNROT)


# -- reading ---------------------------------------------------------------------------------------


def decode(stored: object) -> dict[str, Any] | None:
    """The persisted state with its identities in the clear; None when there is nothing at all.

    Takes every form of every build: the forms tell themselves apart. What cannot be read is ``{}``.
    """
    if stored is None or stored == "":
        return None
    state = _object(stored)
    if "identities" in state:
        state["identities"] = _identities(state["identities"])
    return state


def _object(stored: object) -> dict[str, Any]:
    value: object = stored
    for _ in range(3):  # text of a flag of text of an object, and no deeper
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, str):
            break
        value = _opened(value)
    return dict(value) if isinstance(value, Mapping) else {}


def _opened(text: str) -> object:
    if text.startswith(ROT_FLAG):
        text = unrotated(text.removeprefix(ROT_FLAG))
    elif text.startswith(SWAP_FLAG):
        text = _unquoted(text.removeprefix(SWAP_FLAG)).translate(_SWAP)
    elif text.startswith("%"):
        text = _unquoted(text)
        if text.startswith((ROT_FLAG, SWAP_FLAG)):
            return text
    return _json(text)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _identities(held: object) -> dict[str, Any]:
    if isinstance(held, str):
        text = unrotated(held) if held.startswith("\n") else _from_base64(held)
        held = _json(text)
    return dict(held) if isinstance(held, Mapping) else {}


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return ""


# -- writing ---------------------------------------------------------------------------------------


def plain(state: DeviceState) -> dict[str, Any]:
    """The state as the SDKs' persisted object, identities in the clear. Shadows are not kept."""
    fields: dict[str, Any] = {"distinct_id": state.distinct_id, "first_id": state.first_id}
    fields |= {"props": state.props, "openid": state.openid}
    fields |= {"identities": state.identities and dict(state.identities)}
    if state.history is not None:
        fields["history_login_id"] = state.history._asdict()
    return {name: value for name, value in fields.items() if value is not None} | dict(state.more)


def encode(platform: Platform, state: DeviceState, *, disguised: bool = False) -> Stored:
    """The state as this platform's build would store it; ``disguised`` is its ``encrypt_storage``
    or ``encrypt_cookie``."""
    fields = plain(state)
    cookie = platform.form is Form.COOKIE
    hide: Callable[[str], str] = _to_base64 if cookie else rotated
    if "identities" in fields:
        fields["identities"] = hide(_text(fields["identities"]))
    if cookie:
        text = _text(fields)
        if disguised:
            return SWAP_FLAG + _quoted(text.translate(_SWAP))
        return _quoted(text)
    if disguised and platform.device_key is not None:  # ID-Mapping 2 builds do not know it
        hidden = ROT_FLAG + rotated(_text(fields))
        return hidden if platform.form is Form.OBJECT else _text(hidden)
    return fields if platform.form is Form.OBJECT else _text(fields)


_UNQUOTED = "!'()*"
"""What encodeURIComponent leaves as it is, besides letters, digits, ``-_.~``."""


def _quoted(text: str) -> str:
    return quote(text, safe=_UNQUOTED, errors="surrogatepass")


def _unquoted(text: str) -> str:
    return unquote(text, errors="surrogatepass")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
