"""What strangers send: JSON of every kind, and real requests with something broken in them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.golden.vectors import load

REQUESTS = [
    (base64.b64decode(case["body_base64"] or ""), case["query"] or "")
    for case in load("raw_requests")
]

KEYS = ["$identity_login_id", "$identity_mp_id", "$mp_id", "$identity_mobile", "user_id", "type"]
WORDS = ["track", "track_signup", "track_id_unbind", "profile_set", "d1", "$identity_mobile+1", ""]

any_text = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(WORDS)
numbers = st.integers() | st.floats() | st.sampled_from([1700000000, 1700000099000, 10**30, -0.0])
leaves = st.none() | st.booleans() | numbers | any_text
any_key = st.sampled_from(KEYS) | st.text(max_size=4)
any_json = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_key, inner, max_size=4),
    max_leaves=12,
)

FIELDS = [
    *("login_id", "anonymous_id", "original_id", "identities", "time", "_track_id", "_flush_time"),
    *("project", "token", "properties", "lib", "time_free", "item_id", "item_type"),
]
almost_records: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["track", "track_signup", "track_id_bind", "item_set"]) | any_json,
        "event": st.just("E") | any_json,
        "distinct_id": st.just("d1") | leaves,
    },
    optional={
        **dict.fromkeys(FIELDS, any_json),
        "identities": st.dictionaries(any_key, leaves, max_size=4) | any_json,
    },
)
"""Objects that are near enough to a record to get past the first checks."""

sound_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
sound_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | sound_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(sound_text, inner, max_size=4),
    max_leaves=12,
)
sound_records: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda fields: {"type": "track", **fields}, st.dictionaries(sound_text, sound_json, max_size=5)
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[bytes, str]:
    """A real request with a few bytes of its body and characters of its query changed."""
    body, query = draw(st.sampled_from(REQUESTS))
    changed = bytearray(body)
    for _ in range(draw(st.integers(0, 3)) if body else 0):
        at = draw(st.integers(0, len(changed)))
        changed[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | SPLINTERS)
    if query and draw(st.booleans()):
        at = draw(st.integers(0, len(query)))
        query = query[:at] + draw(any_text) + query[at + draw(st.integers(0, 3)) :]
    return bytes(changed), query


SPLINTERS = st.sampled_from(
    [
        b"+",
        b" ",
        b"%",
        b"%25",
        b"=",
        b"&",
        b"-",
        b"_",
        b"\r\n",
        b"data=",
        b"gzip=9",
        b"\0",
        b"crc=1",
    ]
)


@st.composite
def repacked(draw: st.DrawFn) -> tuple[bytes, str]:
    """JSON text with splinters in it, packed rightly: what is broken lies deeper."""
    records = draw(st.lists(almost_records | any_json, max_size=4) | almost_records)
    text = json.dumps(records, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(JSON_SPLINTERS) + text[at + draw(st.integers(0, 2)) :]
    packed = gzip.compress(text, 1, mtime=0) if draw(st.booleans()) else text
    value = quote_from_bytes(base64.b64encode(packed), safe=draw(st.sampled_from(["", "/+="])))
    form = f"{draw(st.sampled_from(['data', 'data_list']))}={value}{draw(EXTRAS)}"
    return (form.encode(), "project=p") if draw(st.booleans()) else (b"", form)


EXTRAS = st.sampled_from(
    ["", "&gzip=1", "&crc=12", "&gzip=9", "&ext=crc%3D5", "&project=q&token=t"]
)
JSON_SPLINTERS = st.sampled_from(
    [
        *rb"\u0000 \ud800 \ud83d\ude00 \u0000\\u0000 NaN 1e400 -0 -0.0 1E5 1.0 0".split(),
        *rb'"type": {"ekey":1} , " \ \" { } [ ] [[[]]]'.split(),
        *(b"\xed\xa0\xbd\xed\xb8\x80", b"\xed\xa0\xbd", b"\xff", b"\xef\xbb\xbf", b"\n", b" "),
        *(b"9" * 5000, b"9" * 40, b"[" * 40, b"]" * 40),
    ]
)
