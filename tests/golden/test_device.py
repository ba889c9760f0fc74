"""Our trackers do what the released SDKs were recorded doing, step by step.

Compared: the records (ids, identities, type, event, the app's own properties), what calls return,
the state after each step, and where it is stored. Traces left out and deviations are computed from
the trace (``device_traces``); the ones left out show up as skipped, each with its reason.
"""

from __future__ import annotations

from typing import Any

import pytest

from . import device_traces, server_traces
from .vectors import load

TRACES = [*load("miniprogram"), *load("web")]
OUT = [trace for trace in TRACES if device_traces.left_out(trace)]
COMPARED = [trace for trace in TRACES if not device_traces.left_out(trace)]
ALIKE = [trace for trace in COMPARED if not device_traces.deviations(trace)]
UNLIKE = [trace for trace in COMPARED if device_traces.deviations(trace)]


def by_name(trace: dict[str, Any]) -> str:
    return str(trace["name"])


def with_causes(trace: dict[str, Any]) -> str:
    return f"{trace['name']}: {', '.join(device_traces.deviations(trace))}"


@pytest.mark.parametrize("trace", ALIKE, ids=by_name)
def test_every_step_is_as_recorded(trace: dict[str, Any]) -> None:
    assert list(device_traces.replayed(trace)) == []


@pytest.mark.parametrize("trace", UNLIKE, ids=with_causes)
def test_a_named_deviation_does_what_we_decided_and_all_else_is_as_recorded(
    trace: dict[str, Any],
) -> None:
    assert list(device_traces.replayed(trace)) == []


@pytest.mark.parametrize("trace", OUT, ids=by_name)
def test_left_out(trace: dict[str, Any]) -> None:
    pytest.skip(f"{trace['name']}: {device_traces.left_out(trace)}")


@pytest.mark.parametrize("trace", load("python"), ids=by_name)
def test_the_server_tracker_sends_and_refuses_as_recorded(trace: dict[str, Any]) -> None:
    assert list(server_traces.replayed(trace)) == []


def test_traces_are_compared() -> None:
    """Whatever a folder of vectors holds, a run that compares nothing proves nothing."""
    assert ALIKE, f"all {len(TRACES)} traces are left out or deviate"
