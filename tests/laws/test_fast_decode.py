"""The collector's fast decoder and the normative one give one answer, whatever arrives."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idweave.server.decode import _hot, fast_decode
from idweave.wire import RECORDS_MAX, decode, encode_data_list

from .strategies_wire import REQUESTS, any_text, mutated, repacked, sound_records

pytestmark = pytest.mark.slow


def assert_same(body: bytes, query: str) -> None:
    """``repr`` tells 1 from 1.0 and 0.0 from -0.0, where ``==`` does not."""
    assert repr(fast_decode(body, query)) == repr(decode(body, query))


def form(text: bytes, *, pack: Any = gzip.compress) -> bytes:
    return b"data_list=" + quote(base64.b64encode(pack(text)), safe="").encode()


@pytest.mark.parametrize(("body", "query"), REQUESTS)
def test_a_recorded_request_gets_the_same_answer(body: bytes, query: str) -> None:
    assert_same(body, query)


@given(mutated())
@settings(max_examples=250, deadline=None)
def test_a_broken_request_gets_the_same_answer(request: tuple[bytes, str]) -> None:
    assert_same(*request)


@given(repacked())
@example((b"data=QQ%%", ""))
@example((b"data=QUJD%", ""))
@example((b"data=%\nQUJD", ""))
@example((b"data=%3DQUJD=&crc=1", ""))
@example((b"data=" + b"%51%55%4A%44=", "crc=1"))
@settings(max_examples=250, deadline=None)
def test_odd_json_in_good_packing_gets_the_same_answer(request: tuple[bytes, str]) -> None:
    assert_same(*request)


@given(st.lists(sound_records, max_size=4), any_text)
@settings(max_examples=100, deadline=None)
def test_sound_records_get_the_same_answer(records: list[dict[str, Any]], query: str) -> None:
    assert_same(encode_data_list(records), query)


VALUES = [
    *rb"0 -0 -0.0 1.0 1E5 1e400 -1e400 1e-400 NaN 5e-324 1.7976931348623157e308 0.1e1".split(),
    *rb"9007199254740993.0 123456789012345678901234567890 18446744073709551616".split(),
    *(b"9" * 4300, b"9" * 4301, b"9" * 400 + b".0", b"0." + b"1" * 400, b"[" * 40 + b"]" * 40),
    *(b'"\\u0000"', b'"\\\\u0000"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\uD83D\\uDE00"'),
    *(b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xff"', b'"\x7f"', b'"\x1f"', b'"\0"', b'"\\/"', b'"\\x"'),
]
TEXTS = [
    *(b'{"type":"a","n":[' + value + b"]}" for value in VALUES),
    *(b"", b"[]", b"{}", b"[{}]", b"1", b"null", b'[{"type":1},2]', b" [] \n", b"[]x"),
    *(b'{"type":"a","type":"b"}', b'{"ekey":1}', b'{"type":1,"ekey":1}', b'{"type":"a","\xff":1}'),
    b"\xef\xbb\xbf[]",
    b"[" + b",".join([b'{"type":"a"}'] * RECORDS_MAX) + b"]",
    b"[" + b",".join([b'{"type":"a"}'] * (RECORDS_MAX + 1)) + b"]",
    b'{"type":' * 100_000,
]


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_numbers_and_text_are_read_the_same(number: int, pack: Any) -> None:
    assert_same(form(TEXTS[number], pack=pack), "project=p&token=t")


PACKED = gzip.compress(b'{"type":"a"}')
MEMBERS = [PACKED[:-1], PACKED + b"x", PACKED * 2, PACKED[:-8] + b"\0" * 8, PACKED[:-4] + b"\0" * 4]


@pytest.mark.parametrize("number", range(len(MEMBERS)))
def test_broken_gzip_is_refused_the_same(number: int) -> None:
    assert_same(form(MEMBERS[number], pack=bytes), "")


def test_what_sdks_send_takes_the_fast_road() -> None:
    """Else this file would prove that ``wire.decode`` equals itself."""
    posted = [(body, query) for body, query in REQUESTS if body]
    fast = [body for body, query in posted if _hot(body, query) is not None]
    assert len(fast) > 0.75 * len(posted)
    ios = base64.encodebytes(gzip.compress(json.dumps([{"type": "a"}] * 9).encode()))
    for data in (ios, ios.replace(b"\n", b"\r\n")):
        assert _hot(b"crc=1&gzip=1&data_list=" + quote(data, safe="").encode(), "") is not None
