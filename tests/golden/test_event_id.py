"""The event id is the one thing two implementations must agree on to the bit."""

from __future__ import annotations

from typing import Any

import pytest

from idweave.core.record import event_id

from .vectors import load


@pytest.mark.parametrize("case", load("event_id"), ids=lambda case: case["event_id"])
def test_a_record_has_the_recorded_id(case: dict[str, Any]) -> None:
    assert event_id(case["record"], case["project"]) == case["event_id"]
