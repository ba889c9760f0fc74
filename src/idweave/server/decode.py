"""The collector's fast decoder: what ``wire.decode`` answers, for the shapes that SDKs send.

It takes only the straight road: a form of known parameters, clean base64, one gzip member or
none, JSON of sound records. Whatever is unusual at any step goes to ``wire.decode`` from the
start, so this module decides nothing; ``tests/laws/test_fast_decode.py`` holds the two equal.
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import Any

import pybase64
from isal import isal_zlib

from idweave.fastjson import sound_records
from idweave.wire import RECORDS_MAX, Decoded, decode
from idweave.wire.decoding import ENCRYPTED_FLAGS, GZIP_MAGIC, check_crc, compressed
from idweave.wire.parameters import DATA_NAMES, NAMES, Parameters, Values, of_query

FORM_PARTS_MAX = 8
"""Parameters of a form that is read here. SDKs send at most four."""

INFLATED_HOT_MAX = 16 * 1024 * 1024
"""Larger requests are rare, and ``wire.decode`` counts them against its own bound."""

QUERIES_CACHED = 256
QUERY_CACHED_LENGTH_MAX = 200
"""Senders repeat a few short queries (a project, a token); what is longer holds data."""

_BYTE_NAMES = {name.encode(): name for name in NAMES}

_cached_query = lru_cache(QUERIES_CACHED)(of_query)


def fast_decode(body: bytes, query: str) -> Decoded:
    """Exactly what ``wire.decode(body, query)`` answers, sooner. Never raises."""
    decoded = _hot(body, query) if len(query) <= QUERY_CACHED_LENGTH_MAX else None
    return decode(body, query) if decoded is None else decoded


def _hot(body: bytes, query: str) -> Decoded | None:
    """The answer to a request of a usual shape; None for any other."""
    values = _form(body)
    if values is None:
        return None
    parameters = Parameters(values, _cached_query(query))
    flag, data = parameters.text("gzip"), _data(values)
    if data is None or (flag is not None and flag.strip() in ENCRYPTED_FLAGS):
        return None
    text = _unquoted(data)
    payload = None if text is None else _unpacked(text)
    records = None if payload is None else _records(payload)
    if text is None or payload is None or records is None:
        return None
    return Decoded(
        records,
        compressed(payload),
        crc_ok=check_crc(text, parameters.crc()),
        project=parameters.text("project"),
        token=parameters.text("token"),
    )


def _form(body: bytes) -> Values | None:
    """The values of a short form, as ``parameters.of_body`` reads them."""
    if not body[:1].isalpha():
        return None
    values: Values = {}
    parts = body.split(b"&", FORM_PARTS_MAX)
    for part in parts:
        name, _, value = part.partition(b"=")
        known = _BYTE_NAMES.get(name)
        if known is not None and value:
            values.setdefault(known, value)
    return values if len(parts) <= FORM_PARTS_MAX else None


def _data(values: Values) -> bytes | None:
    return next((value for name, value in values.items() if name in DATA_NAMES), None)


def _unquoted(data: bytes) -> bytes | None:
    """Percent-decoding by the decoder of quoted-printable, which differs in its mark alone and is
    compiled; None for data with its mark or its line ends, or with an escape that is none."""
    escapes = data.count(b"%")
    if not escapes:
        return data
    if b"=" in data or b"\n" in data or b"\r" in data:
        return None
    text = binascii.a2b_qp(data.replace(b"%", b"="))
    return text if len(text) == len(data) - 2 * escapes else None


def _unpacked(text: bytes) -> bytes | None:
    """The bytes of clean base64, which may hold line ends (iOS)."""
    if b"\n" in text or b"\r" in text:
        text = text.translate(None, b"\r\n")
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return None


def _records(payload: bytes) -> tuple[dict[str, Any], ...] | None:
    """The records of a payload that are sound to the last; None where one may not be."""
    content = _inflated(payload) if payload.startswith(GZIP_MAGIC) else payload
    records = None if content is None else sound_records(content)
    return tuple(records) if records is not None and len(records) <= RECORDS_MAX else None


def _inflated(payload: bytes) -> bytes | None:
    """The content of exactly one gzip member of moderate size."""
    inflater = isal_zlib.decompressobj(wbits=31)
    try:
        content: bytes = inflater.decompress(payload, INFLATED_HOT_MAX)
    except isal_zlib.error:  # type: ignore[misc]  # its stub declares an instance, not a class
        return None
    return content if inflater.eof and not inflater.unused_data else None
