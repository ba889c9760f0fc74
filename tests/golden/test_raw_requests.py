"""What the released SDKs really put on the wire decodes to what they meant."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from idweave.core.record import Code
from idweave.wire import Decoded, decode, read_payload

from .vectors import load

CASES = load("raw_requests")
PLAIN = [case for case in CASES if not case.get("encrypted") and case["method"] != "OPTIONS"]
ENCRYPTED = [case for case in CASES if case.get("encrypted")]
PREFLIGHTS = [case for case in CASES if case["method"] == "OPTIONS"]


def decoded(case: dict[str, Any]) -> Decoded:
    return decode(base64.b64decode(case["body_base64"] or ""), case["query"] or "")


def by_id(case: dict[str, Any]) -> str:
    return str(case["id"])


@pytest.mark.parametrize("case", PLAIN, ids=by_id)
def test_a_request_decodes_to_its_events(case: dict[str, Any]) -> None:
    result = decoded(case)
    assert result.rejection is None
    assert list(result.records) == case["decoded_events"]
    assert result.crc_ok is not False


@pytest.mark.parametrize("case", PLAIN, ids=by_id)
def test_the_stored_payload_reads_back_as_the_same_records(case: dict[str, Any]) -> None:
    result = decoded(case)
    assert read_payload(result.payload) == result.records


@pytest.mark.parametrize("case", ENCRYPTED, ids=by_id)
def test_an_encrypted_request_is_kept_as_such(case: dict[str, Any]) -> None:
    result = decoded(case)
    assert result.rejection is not None
    assert result.rejection.code is Code.UNSUPPORTED_ENCRYPTION
    assert read_payload(result.payload) == result.records == ()


@pytest.mark.parametrize("case", PREFLIGHTS, ids=by_id)
def test_a_preflight_carries_the_request_that_follows_it(case: dict[str, Any]) -> None:
    """The browser asks with the URL it will use; the collector answers without decoding it."""
    assert case["decoded_events"] == []
    assert [record["event"] for record in decoded(case).records if isinstance(record, dict)]


def test_every_check_number_of_the_released_sdks_fits() -> None:
    checked = [decoded(case).crc_ok for case in PLAIN]
    assert checked.count(True) > 10
    assert False not in checked
