"""What the released SDKs left in storage is read, and written back to the same state."""

from __future__ import annotations

import json
from typing import Any

import pytest

from idweave.core.device import PLATFORMS, Form, Platform
from idweave.core.device.persistence import decode, encode, plain
from idweave.core.device.start import Options, resume

from .vectors import load

CASES = load("raw_storage")


def by_id(case: dict[str, Any]) -> str:
    return f"{case['id']} {case['platform']}@{case['version']} {case['variant']}"


def stored(case: dict[str, Any]) -> Any:
    """The value under the storage key, as the host's storage or the Cookie header has it."""
    if "cookies" not in case:
        return case["storage_raw"]
    (value,) = [c["value"] for c in case["cookies"] if c["name"] == case["storage_key"]]
    return value


def unused_id() -> str:
    return "made-up"


def resumed(case: dict[str, Any], row: Platform) -> Any:
    fields = decode(stored(case))
    assert fields is not None
    return resume(row, fields, unused_id, Options("wx0a1b2c3d4e5f6789")).state


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_stored_value_decodes_to_its_state(case: dict[str, Any]) -> None:
    assert decode(stored(case)) == case["decoded"]


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_state_is_written_back_equal(case: dict[str, Any]) -> None:
    row = PLATFORMS[case["platform"]]
    state = resumed(case, row)
    disguised = case["variant"].startswith("encrypt")
    written = encode(row, state, disguised=disguised)
    assert decode(written) == plain(state)
    assert resume(row, decode(written) or {}, unused_id, Options()).state == state
    if row.id_mapping == 2 or "identities" in case["decoded"]:
        assert decode(written) == case["decoded"]


@pytest.mark.parametrize(
    "case", [c for c in CASES if PLATFORMS[c["platform"]].version == c["version"]], ids=by_id
)
def test_todays_build_gets_back_what_it_wrote(case: dict[str, Any]) -> None:
    """To the byte, but for the order of an object's fields, which no reader minds."""
    row = PLATFORMS[case["platform"]]
    disguised = case["variant"].startswith("encrypt")
    written = encode(row, resumed(case, row), disguised=disguised)
    raw = stored(case)
    assert type(written) is type(raw)
    assert decode(written) == decode(raw)
    if row.form is Form.TEXT and not disguised:
        assert json.loads(str(written)) == json.loads(str(raw))
    if row.form is Form.OBJECT and not disguised:
        assert written == raw
    if row.form is Form.COOKIE:
        assert written == raw
