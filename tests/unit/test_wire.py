"""Every bound and every liberality of the decoder, and what a sender is told when it is neither."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from idweave.core.record import Code, Rejection
from idweave.wire import (
    INFLATED_BYTES_MAX,
    PARSED_NESTING_MAX,
    RECORDS_MAX,
    Decoded,
    decode,
    encode_data_list,
    java_hash,
    read_payload,
)

ONE = {"type": "track", "event": "E", "n": 1}
TEXT = json.dumps(ONE).encode()
ODD = {"type": "track", "a": "ÿþ~~??>>😀"}  # its base64 has both + and /


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def form(data: bytes, name: str = "data", extra: str = "") -> bytes:
    return f"{name}={quote(b64(data), safe='')}{extra}".encode()


def posted(data: bytes) -> Decoded:
    return decode(form(data), "")


def refused(decoded: Decoded) -> Rejection:
    assert decoded.rejection is not None
    assert decoded.records == ()
    assert decoded.rejection.reason.endswith(".")
    assert decoded.rejection.fix.endswith(".")
    return decoded.rejection


# -- where the data is -----------------------------------------------------------------------------

VALUE = quote(b64(TEXT), safe="")
PLACES = [
    (f"data={VALUE}", ""),
    (f"data_list={VALUE}", ""),
    ("", f"data={VALUE}"),
    ("", f"?project=p&data_list={VALUE}"),
    (f"data=&data_list={VALUE}", "data=bad"),
    (f"data={VALUE}&data=bad", "data_list=bad"),
    ("gzip=0", f"data={VALUE}"),
    (f"x=1&&y&data={VALUE}&z=", ""),
    (f"data={VALUE}\r\n", ""),
    (json.dumps({"data_list": VALUE}), ""),
    (json.dumps({"data": b64(TEXT), "gzip": 1, "x": None}), ""),
    (f' \r\n{{"data": "{VALUE}"}}', "data=bad"),
]


@pytest.mark.parametrize(("body", "query"), PLACES)
def test_the_data_is_found(body: str, query: str) -> None:
    assert decode(body.encode(), query).records == (ONE,)


@pytest.mark.parametrize(
    "body", [b"", b"data=", b"mydata=x", b"{}", b"[]", b'{"data":', b'{"data":true}']
)
@pytest.mark.parametrize("query", ["", "data=", "info_id=5", "\udc80\0"])
def test_a_request_without_data_is_empty(body: bytes, query: str) -> None:
    decoded = decode(body, query)
    assert (decoded.empty, decoded.records, decoded.rejection, decoded.payload) == (
        True,
        (),
        None,
        b"",
    )


def test_project_and_token_are_told_whatever_happens() -> None:
    query = "project=my%20shop+1&token=%E5%BE%AE&project=other"
    for body in (b"", form(TEXT), b"data=!", b"project=&token="):
        decoded = decode(body, query)
        assert (decoded.project, decoded.token) == ("my shop 1", "微")
    assert decode(b"", "").project is None


# -- liberal base64 --------------------------------------------------------------------------------

ODD_TEXT = json.dumps(ODD, ensure_ascii=False).encode()
LIBERAL: list[Callable[[str], str]] = [
    lambda text: quote(text, safe=""),
    lambda text: text,
    lambda text: text.replace("+", " "),
    lambda text: text.replace("+", "%20"),
    lambda text: text.replace("+", "-").replace("/", "_"),
    lambda text: text.rstrip("="),
    lambda text: text + "==",
    lambda text: "%0D%0A".join(text[at : at + 16] for at in range(0, len(text), 16)),
    lambda text: quote(quote(text, safe=""), safe=""),
]


@pytest.mark.parametrize("number", range(len(LIBERAL)))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_base64_is_read_liberally(number: int, pack: Any) -> None:
    text = b64(pack(ODD_TEXT))
    assert decode(f"data={LIBERAL[number](text)}".encode(), "").records == (ODD,)


@pytest.mark.parametrize("text", ["!", "a", "abc%00", "ab=c", "%FF", "abcde", "%7Bx", "%5B1%5D"])
def test_what_is_not_base64_is_kept_with_its_body(text: str) -> None:
    body = f"data={text}".encode()
    decoded = decode(body, "project=p")
    assert refused(decoded).code is Code.INVALID_ENCODING
    assert gzip.decompress(decoded.payload) == body


def test_a_refused_query_is_kept_with_the_body() -> None:
    assert gzip.decompress(decode(b"", "project=p&data=!").payload) == b"project=p&data=!"
    assert gzip.decompress(decode(b"x=1", "data=!").payload) == b"x=1\ndata=!"


# -- gzip ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["", "&gzip=0", "&gzip=1", "&gzip=true"])
def test_gzip_is_told_by_its_bytes_and_not_by_the_flag(flag: str) -> None:
    assert decode(form(TEXT, extra=flag), "").records == (ONE,)
    assert decode(form(gzip.compress(TEXT), extra=flag), "").records == (ONE,)


def test_gzip_is_kept_as_received_and_json_is_compressed_the_same_every_time() -> None:
    packed = gzip.compress(TEXT, 9, mtime=77)
    assert posted(packed).payload == packed
    assert posted(TEXT).payload == posted(TEXT).payload
    assert gzip.decompress(posted(TEXT).payload) == TEXT


BROKEN_GZIP = [
    gzip.compress(TEXT)[:-1],
    gzip.compress(TEXT)[:12],
    b"\x1f\x8b",
    gzip.compress(TEXT) + b"\0",
    gzip.compress(TEXT) * 2,
    gzip.compress(TEXT)[:-8] + b"\0" * 8,
]


@pytest.mark.parametrize("number", range(len(BROKEN_GZIP)))
def test_anything_but_one_whole_member_is_refused(number: int) -> None:
    assert refused(posted(BROKEN_GZIP[number])).code is Code.INVALID_ENCODING


def test_one_level_of_gzip_is_taken_off() -> None:
    assert refused(posted(gzip.compress(gzip.compress(TEXT)))).code is Code.INVALID_ENCODING


def test_a_bomb_is_stopped_at_the_bound() -> None:
    packer = zlib.compressobj(1, wbits=31)
    block = b" " * 1024 * 1024
    packed = b"".join(packer.compress(block) for _ in range(INFLATED_BYTES_MAX // len(block)))
    bound = packed + packer.copy().flush()
    over = packed + packer.compress(b"  ") + packer.flush()
    assert refused(posted(bound)).code is Code.INVALID_JSON
    started = time.perf_counter()
    assert "64 MiB" in refused(posted(over)).reason
    assert time.perf_counter() - started < 5
    assert len(posted(over).payload) < 400_000


# -- JSON ------------------------------------------------------------------------------------------


def many(count: int) -> bytes:
    return b"[" + b",".join([b'{"type":"a"}'] * count) + b"]"


def test_a_list_in_data_and_an_object_in_data_list_are_fine() -> None:
    assert decode(form(many(2), "data"), "").records == ({"type": "a"},) * 2
    assert decode(form(TEXT, "data_list"), "").records == (ONE,)
    empty = posted(b"[]")
    assert (empty.records, empty.rejection, empty.empty) == ((), None, False)


def test_records_are_counted() -> None:
    assert len(posted(many(RECORDS_MAX)).records) == RECORDS_MAX
    rejection = refused(posted(many(RECORDS_MAX + 1)))
    assert (rejection.code, rejection.field) == (Code.INVALID_JSON, "data")
    assert str(RECORDS_MAX) in rejection.reason


NO_JSON = [
    b"{",
    b"1",
    b"null",
    b'"x"',
    b"[1,]",
    b"\xef\xbb\xbf",
    b"[" + b"9" * 5000 + b"]",
    b"\0",
]


@pytest.mark.parametrize("text", NO_JSON)
def test_what_is_no_record_and_no_list_is_refused(text: bytes) -> None:
    assert refused(posted(text)).code is Code.INVALID_JSON


def test_a_refusal_says_where_the_json_breaks() -> None:
    assert "at character 5" in refused(posted(b'{"a":}')).reason


def test_text_must_be_utf8() -> None:
    assert refused(posted(b'{"type":"\xff"}')).code is Code.INVALID_ENCODING
    assert posted(b"\xef\xbb\xbf" + TEXT).records == (ONE,)


EMOJI = [
    b'{"type":"\xf0\x9f\x98\x80"}',
    b'{"type":"\xed\xa0\xbd\xed\xb8\x80"}',
    rb'{"type":"\ud83d\ude00"}',
]


@pytest.mark.parametrize("text", EMOJI)
def test_a_character_in_two_halves_is_put_together(text: bytes) -> None:
    decoded = posted(text)
    assert decoded.records == ({"type": "😀"},)
    assert read_payload(decoded.payload) == decoded.records


def test_integers_are_exact_and_the_last_of_equal_keys_wins() -> None:
    digits = "1" + "0" * 4000
    assert posted(f'{{"type":"a","n":1,"n":{digits}}}'.encode()).records == (
        {"type": "a", "n": 10**4000},
    )


FLAWED = [
    (rb'{"type":"\u0000"}', Code.INVALID_JSON, "type"),
    (b'{"type":"\xed\xa0\xbd"}', Code.INVALID_JSON, "type"),
    (rb'{"type":"\ude00"}', Code.INVALID_JSON, "type"),
    (b'{"a":{"b":NaN}}', Code.INVALID_JSON, "a.b"),
    (b'{"a":-Infinity}', Code.INVALID_JSON, "a"),
    (b'{"a":1e400}', Code.INVALID_JSON, "a"),
    (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", Code.TOO_DEEP, "a" + "[0]" * 31),
    (b"7", Code.INVALID_JSON, ""),
    (b"[]", Code.INVALID_JSON, ""),
    (b'{"ekey":"x","pkv":1,"payloads":["x"]}', Code.UNSUPPORTED_ENCRYPTION, "data"),
]


@pytest.mark.parametrize(("text", "code", "field"), FLAWED)
def test_a_flawed_record_is_refused_in_its_place_and_the_others_stay(
    text: bytes, code: Code, field: str
) -> None:
    decoded = posted(b"[" + TEXT + b"," + text + b"," + TEXT + b"]")
    assert decoded.rejection is None
    first, flawed, last = decoded.records
    assert first == last == ONE
    assert isinstance(flawed, Rejection)
    assert (flawed.code, flawed.field) == (code, field)
    assert read_payload(decoded.payload) == decoded.records


def deep(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_only_absurd_nesting_refuses_the_whole_request() -> None:
    (flaw,) = posted(deep(PARSED_NESTING_MAX)).records
    assert isinstance(flaw, Rejection)
    assert flaw.code is Code.TOO_DEEP
    for levels in (PARSED_NESTING_MAX + 1, 800, 100_000):
        assert refused(posted(deep(levels))).code is Code.TOO_DEEP
        assert read_payload(gzip.compress(deep(levels))) == ()


# -- encryption ------------------------------------------------------------------------------------

ENVELOPE = {"ekey": "x", "pkv": 2, "payloads": ["x"]}
ENCRYPTED = [
    (f"data={VALUE}&gzip=9", ""),
    (f"data_list={VALUE}&gzip=13", ""),
    (f"data={VALUE}", "gzip=9"),
    ("data=" + quote(json.dumps(ENVELOPE)), ""),
    ("data_list=" + quote(json.dumps([ENVELOPE])), ""),
    ("", "data=" + quote(json.dumps({"key_id": 1, "payload": "x"}))),
]


@pytest.mark.parametrize(("body", "query"), ENCRYPTED)
def test_encrypted_data_is_kept_and_named(body: str, query: str) -> None:
    assert refused(decode(body.encode(), query)).code is Code.UNSUPPORTED_ENCRYPTION


# -- crc -------------------------------------------------------------------------------------------

HASHES = [("", 0), ("a", 97), ("eyJhIjoxfQ==", -1930075513), ("微信😀", 751125142)]


def slow_hash(text: str) -> int:
    units = text.encode("utf-16-be", "surrogatepass")
    hashed = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        hashed = (hashed * 31 + high * 256 + low) & 0xFFFFFFFF
    return hashed - (1 << 32) if hashed >> 31 else hashed


@pytest.mark.parametrize(("text", "expected"), HASHES)
def test_the_check_number_is_javas_hash(text: str, expected: int) -> None:
    assert java_hash(text) == slow_hash(text) == expected


@pytest.mark.parametrize("length", [1, 7, 8, 9, 255, 4095, 4096, 4097, 10_000])
@pytest.mark.parametrize("alphabet", ["\x7f", "eyJhIjoxfQ", "\0"])
def test_the_check_number_is_right_at_every_length(length: int, alphabet: str) -> None:
    text = (alphabet * length)[:length]
    assert java_hash(text) == slow_hash(text)


def test_a_megabyte_is_checked_in_a_blink() -> None:
    started = time.perf_counter()
    java_hash("eyJhIjoxfQ" * 100_000)
    assert time.perf_counter() - started < 0.5  # a loop over the characters takes a second


CRC = java_hash(b64(TEXT))
CHECKED = [
    ("", None),
    (f"&crc={CRC}", True),
    (f"&crc={CRC % (1 << 32)}", True),
    (f"&crc=%20{CRC}", True),
    (f"&ext=crc%3D{CRC}", True),
    (f"&ext=a%3D1%26crc%3D{CRC}", True),
    (f"&crc={CRC + 1}", False),
    ("&ext=crc%3D1", False),
    ("&crc=x", None),
    ("&crc=12345678901", None),
    ("&crc=", None),
]


@pytest.mark.parametrize(("extra", "crc_ok"), CHECKED)
def test_a_wrong_check_number_is_noted_and_the_data_believed(extra: str, crc_ok: Any) -> None:
    decoded = decode(form(TEXT, extra=extra), "")
    assert (decoded.crc_ok, decoded.records) == (crc_ok, (ONE,))


# -- payloads and encoding -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"\x1f\x8b", b"x", gzip.compress(b"data=!", mtime=0), b"[[1]"]
)
def test_what_is_no_payload_holds_nothing(payload: bytes) -> None:
    assert read_payload(payload) == ()


def test_a_batch_is_encoded_as_the_sdks_do() -> None:
    body = encode_data_list([ONE, ODD])
    assert body == encode_data_list([ONE, ODD])
    names = [part.split(b"=")[0] for part in body.split(b"&")]
    assert names == [b"crc", b"gzip", b"data_list"]
    decoded = decode(body, "")
    assert (decoded.records, decoded.crc_ok) == ((ONE, ODD), True)


def test_what_is_no_json_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_data_list([{"type": float("nan")}])
