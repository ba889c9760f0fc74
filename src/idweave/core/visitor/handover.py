"""A mini program opens a web page: the page takes over visitor, session and user (VISITOR.md §4).

The mini program puts its ids into the page's URL; the page believes them only when project and
mini program are the ones it was told at ``init``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from .text import js_text

LOCAL_KEY = "gdp_query_string"
"""The local-storage key under which a page keeps the hand-over for its next load."""


class Parameter(NamedTuple):
    """One URL parameter of a hand-over and our name of it."""

    name: str
    field: str


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("gioappid", "app_id"),
    Parameter("giocs1", "user_id"),
    Parameter("gioplatform", "platform"),
    Parameter("gioprojectid", "project_id"),
    Parameter("gios", "session_id"),
    Parameter("giou", "visitor_id"),
    Parameter("giodatacollect", "data_collect"),
    Parameter("giodatasourceid", "data_source_id"),
    Parameter("giouserkey", "user_key"),
)
"""In the order in which the mini-program SDK writes them."""

EXTRAS = frozenset(
    {
        *("gioappchannel", "giocircleroomid", "giodevicebrand", "giodevicemodel", "giodevicetype"),
        *("giolanguage", "gionetworkstate", "giooperatingsystem", "gioplatformversion"),
        *("gioscreenheight", "gioscreenwidth"),
    }
)
"""Parameters that say nothing of identity; they leave the address with the others."""

_FIELD_OF = {row.name: row.field for row in PARAMETERS}
_EMPTY = frozenset({"", "undefined", "null"})


@dataclass(frozen=True, slots=True)
class Handover:
    """What a mini program hands to its web view. A field is None when its parameter is missing."""

    app_id: str | None = None
    user_id: str | None = None
    platform: str | None = None
    project_id: str | None = None
    session_id: str | None = None
    visitor_id: str | None = None
    data_collect: str | None = None
    data_source_id: str | None = None
    user_key: str | None = None

    def is_for(self, project_id: str, app_id: str) -> bool:
        """Whether a page of this project, told of this mini program, may believe it."""
        return self.project_id == project_id and self.app_id == app_id


def read_url(url: str) -> Handover | None:
    """The hand-over in a URL's query, or None without ``gioprojectid``.

    Names are read without case; ``undefined`` and ``null`` are what broken pages write for nothing.
    """
    pairs = (part.split("=") for part in urlsplit(url).query.split("&"))
    raw = {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}
    if "gioprojectid" not in raw:
        return None
    found: dict[str, str] = {}
    for name, value in raw.items():
        field = _FIELD_OF.get(name.lower())
        if field:
            text = unquote(value)
            found[field] = "" if text in _EMPTY else text
    return Handover(**found)


def handover_query(handover: Handover) -> str:
    """The URL parameters a mini program adds to the address of its web view."""
    values: Mapping[str, str | None] = {
        row.name: getattr(handover, row.field) for row in PARAMETERS
    }
    return "&".join(f"{k}={quote(v, safe='')}" for k, v in values.items() if v is not None)


def without_parameters(url: str) -> str:
    """The address a page shows after a hand-over: the SDK takes its own parameters out."""
    if read_url(url) is None:
        return url
    parts = urlsplit(url)
    kept = [
        part
        for part in parts.query.split("&")
        if part.split("=")[0].lower() not in EXTRAS.union(_FIELD_OF)
    ]
    return parts._replace(query="&".join(kept)).geturl()


def dump(handover: Handover) -> str:
    """A hand-over as the page keeps it in local storage: JSON by parameter name."""
    values = {row.name: getattr(handover, row.field) for row in PARAMETERS}
    return json.dumps({k: v for k, v in values.items() if v is not None}, ensure_ascii=False)


def load(text: str) -> Handover | None:
    """A hand-over out of local storage; None for anything else."""
    try:
        kept = json.loads(text)
    except ValueError:
        return None
    if not isinstance(kept, dict) or "gioprojectid" not in kept:
        return None
    found = {_FIELD_OF[k]: js_text(v) for k, v in kept.items() if k in _FIELD_OF}
    return Handover(**found)
