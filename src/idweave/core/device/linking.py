"""From a mini program into its web view: the id travels in the page's address (DEVICE.md §2.4)."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from .platforms import Platform
from .state import DeviceState, ids_of
from .values import DeviceId

PARAMETER = "_sasdk"


def web_view_url(
    platform: Platform, state: DeviceState, url: str, *, after_hash: bool = False
) -> str | None:
    """The address with ``_sasdk`` in it: ``f`` and the login, or ``d`` and the anonymous id, in
    base64. None for what is no http address."""
    if not url.startswith(("http://", "https://")):
        return None
    ids = ids_of(platform, state)
    value = ("f" if ids.login_id is not None else "d") + _packed(ids.distinct_id)
    page, mark, fragment = url.partition("#")
    if after_hash:
        return f"{page}#{_with(fragment, value)}"
    return _with(page, value) + mark + fragment


def _with(part: str, value: str) -> str:
    path, _, query = part.partition("?")
    pairs = query.split("&") if query else []
    named = f"{PARAMETER}={value}"
    replaced = [named if pair.startswith(f"{PARAMETER}=") else pair for pair in pairs]
    if named not in replaced:
        replaced.append(named)
    return f"{path}?{'&'.join(replaced)}"


def _packed(value: DeviceId | None) -> str:
    raw = base64.urlsafe_b64encode(str(value).encode("utf-8", "surrogatepass"))
    return raw.decode("ascii").rstrip("=")


class Linked(NamedTuple):
    """What an address says: whether the id is a login, and the id."""

    is_login: bool
    value: str


def linked_id(url: str) -> Linked | None:
    """The id that a mini program put into an address; None where there is none."""
    parts = urlsplit(url)
    queries = (parts.query, parts.fragment.partition("?")[2])
    found = [v for q in queries for k, v in parse_qsl(q) if k == PARAMETER and len(v) > 1]
    if not found or found[0][0] not in "df":
        return None
    text = found[0][1:]
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return Linked(found[0][0] == "f", value) if value else None
