"""One record, its project's settings and the receive time decide: a fact, or a rejection's code."""

from __future__ import annotations

from typing import Any

import pytest

from idweave.core.identity import ANONYMOUS_KEY, Fact, Identity, Kind
from idweave.core.policy_file import preset
from idweave.core.record import Project, Rejection, parse_record

from .vectors import load

CASES = load("records")


def project(case: dict[str, Any]) -> Project:
    settings = case["settings"]
    assert settings.keys() <= {"time_window", "clock_correction", "bare_distinct_id"}
    return Project(
        "default",
        preset(case["preset"]),
        time_window=settings.get("time_window") != "off",
        clock_correction=settings.get("clock_correction", False),
        bare_distinct_id=settings.get("bare_distinct_id", ANONYMOUS_KEY),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_record_is_believed_or_rejected_as_recorded(case: dict[str, Any]) -> None:
    parsed = parse_record(case["record"], project(case), case["received_at"])
    rejection, fact = case["expect"]["rejection"], case["expect"]["fact"]
    if isinstance(parsed, Rejection):
        assert parsed.code == rejection
        return
    assert rejection is None
    assert parsed.fact == (fact and expected(fact, parsed.event_id))


def expected(fact: dict[str, Any], event_id: str) -> Fact:
    identities = tuple(Identity(key, value) for key, value in fact["identities"])
    kind = Kind[fact["kind"].upper()]
    return Fact(fact["time"], event_id, kind, identities, fact["distinct_id"])
