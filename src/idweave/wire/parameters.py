"""Where a request keeps its data: form or text body, JSON body, or query; first non-empty wins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

NAMES = ("data_list", "data", "gzip", "crc", "ext", "project", "token")
"""The only parameters anybody reads; the others cost a glance each."""

DATA_NAMES = ("data", "data_list")

_FORM = re.compile(rb"(?:^|&)(" + "|".join(NAMES).encode() + rb")=([^&]+)")
_CRC_IN_EXT = re.compile(rb"(?:^|&)crc=([^&]+)")
_CRC = re.compile(rb"\s*(-?[0-9]{1,10})\s*\Z")

Values = dict[str, bytes]
"""Values by name as they stand in the request, still percent-encoded, in order of appearance."""


class Parameters:
    """What a request says: its data, and the values beside it, those of the body first."""

    __slots__ = ("_body", "_query")

    def __init__(self, body: Values, query: Values) -> None:
        self._body = body
        self._query = query

    def data(self) -> bytes | None:
        """The ``data`` or ``data_list``, still percent-encoded; None where there is neither."""
        return _data(self._body) or _data(self._query)

    @property
    def is_in_query(self) -> bool:
        """Whether the data stood in the query."""
        return _data(self._body) is None and _data(self._query) is not None

    def text(self, name: str) -> str | None:
        """A value as text, blanks decoded; None where it is absent or empty."""
        value = self._value(name)
        return unquote_plus(value.decode("utf-8", "replace")) if value else None

    def crc(self) -> int | None:
        """The check number, signed, wherever it stands: a parameter, or inside ``ext``."""
        value = self._value("crc")
        if value is None:
            inside = _CRC_IN_EXT.search(unquote_to_bytes(self._value("ext") or b""))
            value = inside.group(1) if inside else None
        match = _CRC.match(unquote_to_bytes(value)) if value else None
        return int(match.group(1)) if match else None

    def _value(self, name: str) -> bytes | None:
        return self._body.get(name) or self._query.get(name)


def _data(values: Values) -> bytes | None:
    return next((value for name, value in values.items() if name in DATA_NAMES), None)


def _of_form(form: bytes) -> Values:
    values: Values = {}
    for match in _FORM.finditer(form):
        values.setdefault(match[1].decode("ascii"), match[2])
    return values


def of_query(query: str) -> Values:
    """The values of a URL's query."""
    return _of_form(query.removeprefix("?").encode("utf-8", "surrogatepass"))


def of_body(body: bytes) -> Values:
    """The values of a body by its shape: what clients write into Content-Type says nothing."""
    if body[:1] == b"{" or body[:16].lstrip()[:1] == b"{":
        try:
            return _of_json(json.loads(body))
        except (ValueError, RecursionError):
            return {}
    return _of_form(body)


def _of_json(sent: Mapping[str, Any]) -> Values:
    """A cloud adapter's JSON body: its texts are percent-encoded, as in a form."""
    values: Values = {}
    for name, value in sent.items():
        is_value = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
        if name in NAMES and is_value:
            values[name] = str(value).encode("utf-8", "surrogatepass")
    return values
