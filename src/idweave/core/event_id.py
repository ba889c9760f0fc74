"""The name of a fact: equal records have equal ids, wherever and whenever they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from json import JSONEncoder
from typing import Any

DIGEST_BYTES = 16
"""128 bits: among 10^12 records of a project the chance of one collision is below 10^-14."""

_NAMED = ("type", "event", "distinct_id", "time", "_track_id")
_UNNAMED = ("_flush_time", "lib")
"""What a client changes when it sends the same record again."""

_json = JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def project_of(raw: Mapping[str, Any], url_project: str) -> str:
    """The project that a record names, else the URL's. What is no text names a project nobody has,
    so that it is seen instead of filling another project."""
    named = raw.get("project")
    if named is None or named == "":
        return url_project
    return named if type(named) is str else _json(named)


def token_of(raw: Mapping[str, Any], url_token: str | None) -> str:
    """The token that a record carries, else the URL's, else empty."""
    token = raw.get("token")
    return token if isinstance(token, str) and token else url_token or ""


def event_id(raw: Mapping[str, Any], project_name: str) -> str:
    """The id of a sound record (``soundness.find_flaw``): 32 lower-case hex digits.

    BLAKE2b over what names the record, each part followed by one zero byte (PROTOCOL.md §3): as
    sent, so that neither settings nor the time of arrival change it. ``project_name`` counts where
    the record itself names no project.
    """
    parts = [project_of(raw, project_name)]
    for name in _NAMED:
        value = raw.get(name, "")
        if type(value) is str:
            parts.append(value)
        else:
            parts.append(str(value) if type(value) is int else _json(value))
    identities = raw.get("identities")
    if identities:
        parts += _pairs(identities)
    if raw.get("_track_id") is None:
        parts.append(_json({k: v for k, v in raw.items() if k not in _UNNAMED}))
    parts.append("")
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=DIGEST_BYTES).hexdigest()


def _pairs(identities: Any) -> list[str]:
    if type(identities) is not dict:  # the record will be rejected for it
        return [_json(identities)]
    pairs = sorted(identities.items())
    return [f"{key}={v if type(v) is str else _json(v)}" for key, v in pairs]
