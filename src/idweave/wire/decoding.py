"""The normative decoder: any request → records, or why not. Everything else must agree with it."""

from __future__ import annotations

import binascii
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from idweave.core.rejection import Code, Rejection
from idweave.core.soundness import find_flaw, not_an_object

from .checksum import java_hash
from .parameters import Parameters, of_body, of_query

INFLATED_BYTES_MAX = 64 * 1024 * 1024
"""Inflating stops here. 10 MiB of form body are 7.5 MiB of gzip, and JSON shrinks to a tenth at
the utmost; more is a bomb."""

RECORDS_MAX = 5000
"""Records of one request. SDKs send up to 1000; one transaction must stay short."""

PARSED_NESTING_MAX = 200
"""Levels past which a request is refused as a whole. Up to here Python's parser never runs out of
stack, whoever calls; past it that would depend on the caller, and a payload must read the same
for ever. Records nested deeper than ``soundness.NESTING_MAX`` are refused one by one."""

GZIP_MAGIC = b"\x1f\x8b"
GZIP_LEVEL = 1
"""Payloads are compressed on the way in, so by the fastest level: 2 % larger on SDK records."""

ENCRYPTED_FLAGS = frozenset({"9", "13"})
ENVELOPE_FIELDS = frozenset({"ekey", "pkv", "payload", "payloads", "key_id"})
"""What encryption plugins send instead of a record. No record has one of these without a type."""

_URLSAFE = bytes.maketrans(b" -_", b"++/")
_LINE_ENDS = b"\r\n\t"
_BOM = b"\xef\xbb\xbf"

Records = tuple[dict[str, Any] | Rejection, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a request held.

    ``records`` has a rejection in the place of what is no sound record. ``payload`` is gzip:
    of the JSON, as received where it came so; or, where ``rejection`` refuses the request as a
    whole, of the raw body (and of the query, where the data was there). ``crc_ok`` is None where
    no check number was sent or nothing could be checked. ``empty``: neither data nor data_list.
    """

    records: Records
    payload: bytes
    rejection: Rejection | None = None
    crc_ok: bool | None = None
    project: str | None = None
    token: str | None = None
    empty: bool = False


class _Refused(Exception):
    """Carries the rejection of a whole request up to :func:`decode`, and no further."""

    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection


def decode(body: bytes, query: str) -> Decoded:
    """Decode a request's body and query (PROTOCOL.md §1). Never raises, whatever the bytes.

    The body as received is bounded by the collector (``BODY_BYTES_MAX``), not here.
    """
    parameters = Parameters(of_body(body), of_query(query))
    project, token = parameters.text("project"), parameters.text("token")
    data = parameters.data()
    if data is None:
        return Decoded((), b"", project=project, token=token, empty=True)
    text, crc_ok = unquote_to_bytes(data), None
    try:
        _refuse_encrypted(text, parameters.text("gzip"))
        crc_ok = check_crc(text, parameters.crc())
        payload = _unpacked(text)
        records, payload = _read(payload), compressed(payload)
    except _Refused as refused:
        evidence = _evidence(body, query, is_in_query=parameters.is_in_query)
        return Decoded((), evidence, refused.rejection, crc_ok, project, token)
    return Decoded(records, payload, None, crc_ok, project, token)


def read_payload(payload: bytes) -> Records:
    """The records of a stored payload, each in the place :func:`decode` gave it. Empty for the
    payload of a request that was refused as a whole. Never raises."""
    try:
        return _read(payload)
    except _Refused:
        return ()


# -- text ------------------------------------------------------------------------------------------


def check_crc(text: bytes, crc: int | None) -> bool | None:
    """Whether a check number fits the base64 text. Some clients send it unsigned."""
    if crc is None or not text.isascii():
        return None
    return (java_hash(text.replace(b" ", b"+").decode("ascii")) - crc) % (1 << 32) == 0


def _refuse_encrypted(text: bytes, flag: str | None) -> None:
    if flag is not None and flag.strip() in ENCRYPTED_FLAGS:
        raise _Refused(_ENCRYPTED)
    if text.lstrip()[:1] in {b"{", b"["}:  # JSON where base64 should be
        try:
            sent = json.loads(text)
        except (ValueError, RecursionError):
            raise _Refused(_NO_BASE64) from None
        first = sent[0] if isinstance(sent, list) and sent else sent
        raise _Refused(_ENCRYPTED if is_envelope(first) else _NO_BASE64)


def is_envelope(sent: object) -> bool:
    """Whether something in a record's place is an encryption plugin's envelope."""
    return isinstance(sent, Mapping) and "type" not in sent and not ENVELOPE_FIELDS.isdisjoint(sent)


def _unpacked(text: bytes) -> bytes:
    """The bytes of liberal base64: blanks are ``+`` (a form decoder was there), both alphabets,
    line ends, with or without padding, perhaps percent-encoded once more."""
    if b"%" in text:
        text = unquote_to_bytes(text)
    text = text.translate(_URLSAFE, _LINE_ENDS).rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        raise _Refused(_NO_BASE64) from None


# -- payload ---------------------------------------------------------------------------------------


def _read(payload: bytes) -> Records:
    """The records of a payload, gzip or JSON."""
    is_gzip = payload.startswith(GZIP_MAGIC)
    return _records(_parsed(_inflated(payload) if is_gzip else payload))


def compressed(payload: bytes) -> bytes:
    """A payload as it is stored: gzip as received, JSON as gzip of ours."""
    is_gzip = payload.startswith(GZIP_MAGIC)
    return payload if is_gzip else gzip.compress(payload, GZIP_LEVEL, mtime=0)


def _evidence(body: bytes, query: str, *, is_in_query: bool) -> bytes:
    """The raw request, to be looked at: refused requests are never decoded from it."""
    raw = body
    if is_in_query:
        raw += (b"\n" if body else b"") + query.encode("utf-8", "surrogatepass")
    return gzip.compress(raw, GZIP_LEVEL, mtime=0)


def _inflated(payload: bytes) -> bytes:
    """The content of one gzip member, which must be all there is."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(payload, INFLATED_BYTES_MAX + 1)
    except zlib.error:
        raise _Refused(_BAD_GZIP) from None
    if len(content) > INFLATED_BYTES_MAX:
        raise _Refused(_BOMB)
    if not inflater.eof or inflater.unused_data:
        raise _Refused(_BAD_GZIP)
    return content


def _parsed(content: bytes) -> Any:
    if len(content) > INFLATED_BYTES_MAX:
        raise _Refused(_BOMB)
    try:
        return json.loads(_text(content))
    except RecursionError:
        raise _Refused(_TOO_DEEP) from None
    except ValueError as error:  # also a number of more digits than Python converts
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise _Refused(_no_json(where)) from None


def _text(content: bytes) -> str:
    """UTF-8, as mini programs write it: a character outside the BMP may be two surrogates of
    three bytes each, which are put together. Halves that remain are for the record's check."""
    content = content.removeprefix(_BOM)
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    try:
        units = content.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        raise _Refused(_NO_UTF8) from None
    return units.decode("utf-16-le", "surrogatepass")


def _records(parsed: Any) -> Records:
    """One record or a list of them, each checked as a whole."""
    if isinstance(parsed, dict):
        parsed = [parsed]
    elif not isinstance(parsed, list):
        raise _Refused(not_an_object(parsed))
    if len(parsed) > RECORDS_MAX:
        raise _Refused(_TOO_MANY)
    return tuple(_record(raw) for raw in parsed)


def _record(raw: Any) -> dict[str, Any] | Rejection:
    flaw = find_flaw(raw)
    if flaw is None:
        sound: dict[str, Any] = raw
        return _ENCRYPTED if "type" not in sound and is_envelope(sound) else sound
    if _depth_exceeds(raw, PARSED_NESTING_MAX):
        raise _Refused(_TOO_DEEP)
    return flaw


def _depth_exceeds(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        below = [inner for outer in level for inner in _inside(outer)]
        if not below:
            return False
        level = below
    return True


def _inside(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
    return [value for value in values if isinstance(value, dict | list)]


# -- rejections ------------------------------------------------------------------------------------


def _whole(code: Code, reason: str, fix: str) -> Rejection:
    return Rejection(code, "data", reason, fix)


def _no_json(where: str) -> Rejection:
    fix = "Send data as base64 of one JSON object, data_list as base64 of a JSON list."
    return _whole(Code.INVALID_JSON, f"The decoded data is not JSON{where}.", fix)


_ENCRYPTED = _whole(
    Code.UNSUPPORTED_ENCRYPTION,
    "The data is encrypted by an SDK plugin, and idweave holds no keys.",
    "Switch the encryption plugin off and send over HTTPS.",
)
_NO_BASE64 = _whole(
    Code.INVALID_ENCODING,
    "The data is not base64.",
    "Encode the JSON (or the gzip of it) as base64, then percent-encode that.",
)
_BAD_GZIP = _whole(
    Code.INVALID_ENCODING,
    "The data begins like gzip, but is not exactly one whole gzip member.",
    "Send one gzip stream with its check sum and nothing after it; look for a proxy that cuts.",
)
_BOMB = _whole(
    Code.INVALID_ENCODING,
    f"The data inflates to more than {INFLATED_BYTES_MAX // 1024 // 1024} MiB.",
    "Send fewer records in a request.",
)
_NO_UTF8 = _whole(
    Code.INVALID_ENCODING,
    "The decoded data is not UTF-8.",
    "Write the JSON in UTF-8, whatever the text of the application is in.",
)
_TOO_MANY = _whole(
    Code.INVALID_JSON,
    f"The request holds more than {RECORDS_MAX} records.",
    "Send fewer records in a request, or import them from a file.",
)
_TOO_DEEP = _whole(
    Code.TOO_DEEP,
    f"Objects and lists are nested more than {PARSED_NESTING_MAX} deep.",
    "Send flat properties; put deeper structure into text.",
)
