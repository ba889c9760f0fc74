"""Whatever arrives, there is one answer to it, the same every time, and never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idweave.core.policy_file import preset
from idweave.core.record import Code, Project, Rejection, parse_decoded, parse_record
from idweave.wire import decode, encode_data_list, read_payload

from .strategies_wire import (
    almost_records,
    any_json,
    any_text,
    mutated,
    repacked,
    sound_records,
)

NOW_MS = 1_700_000_100_000
PROJECTS = [
    Project("default", preset(name), clock_correction=correction)
    for name in ("sensors", "simple-many-to-one")
    for correction in (False, True)
]

pytestmark = pytest.mark.slow

requests = st.tuples(st.binary(max_size=200), any_text) | mutated() | repacked()


@given(requests)
@example((b"data=" + b"%5B" * 100_000, ""))
@example((b'{"data":' * 100_000, ""))
@settings(max_examples=150, deadline=None)
def test_any_request_is_decoded_or_refused_the_same_way_twice(request: tuple[bytes, str]) -> None:
    once = decode(*request)
    assert repr(decode(*request)) == repr(once)
    assert once.empty == (once.payload == b"")
    if once.rejection is not None:
        assert once.records == ()
        assert_storable(once.rejection)


@given(requests)
@settings(max_examples=150, deadline=None)
def test_the_payload_reads_back_as_the_records_in_their_places(request: tuple[bytes, str]) -> None:
    decoded = decode(*request)
    if decoded.rejection is None and not decoded.empty:
        assert repr(read_payload(decoded.payload)) == repr(decoded.records)


@given(st.binary(max_size=200))
def test_any_bytes_read_as_a_payload_never_raise(payload: bytes) -> None:
    assert isinstance(read_payload(payload), tuple)


@given(st.lists(sound_records, max_size=5))
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_decodes_to_itself(records: list[dict[str, Any]]) -> None:
    decoded = decode(encode_data_list(records), "")
    assert repr(list(decoded.records)) == repr(records)
    assert decoded.crc_ok is True
    assert decoded.rejection is None


@given(almost_records | any_json)
@settings(max_examples=300, deadline=None)
def test_any_json_is_a_record_or_a_rejection_the_same_twice(raw: Any) -> None:
    for project in PROJECTS:
        parsed = parse_record(raw, project, NOW_MS)
        assert parse_record(raw, project, NOW_MS) == parsed
        if isinstance(parsed, Rejection):
            assert_storable(parsed)


@given(repacked())
@settings(max_examples=150, deadline=None)
def test_records_of_the_decoder_need_no_second_check(request: tuple[bytes, str]) -> None:
    for raw in decode(*request).records:
        if not isinstance(raw, Rejection):
            for project in PROJECTS:
                checked = parse_record(raw, project, NOW_MS)
                assert parse_decoded(raw, project, NOW_MS) == checked


def assert_storable(rejection: Rejection) -> None:
    """Any store keeps it, any page shows it, and it says what to do."""
    assert rejection.code in Code
    for text in (rejection.field, rejection.reason, rejection.fix):
        assert "\0" not in text
        assert len(json.dumps(text).encode()) < 1000
        text.encode()
    assert rejection.reason
    assert rejection.fix
