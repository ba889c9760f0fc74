"""The API keeps what its own OpenAPI document promises, whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from idweave.server.api.governing import ApplyRequest, SimulateRequest, TryRequest
from idweave.server.api.openapi import document
from idweave.server.api.routes import ROUTES, Row
from idweave.stores import open_store

from .serving import Served, record, served

SCHEMA = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def asked() -> Iterator[Served]:
    """A server that knows a little."""
    with served(open_store("memory:")) as server:
        assert server.send(*(record(n) for n in range(5)), record(9, event="?")).is_success
        yield server


IN_A_LANGUAGE = (TryRequest, ApplyRequest, SimulateRequest)
"""Bodies with text that has rules of its own (policies, typed events): no schema says which is
sound, so that any may be refused."""


def is_sound(mode: GenerationMode) -> bool:
    """Without parameters there is nothing to ask wrongly."""
    return mode is GenerationMode.POSITIVE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "mode"),
    [(row, mode) for row in ROUTES for mode in GenerationMode if row.parameters or is_sound(mode)],
    ids=lambda value: value.name,
)
def test_the_api_keeps_its_own_description(asked: Served, row: Row, mode: GenerationMode) -> None:
    operation = SCHEMA[row.path][row.method.lower()]

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def asks(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        free: list[Any] = [positive_data_acceptance] if row.body in IN_A_LANGUAGE else []
        case.call_and_validate(base_url=asked.running.api_url, excluded_checks=free)

    asks()
