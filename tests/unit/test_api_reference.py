"""The reference says what the server does: every route, every parameter, every example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idweave.core.rejection import Code
from idweave.server import settings
from idweave.server.api.openapi import document
from idweave.server.api.problems import NO_KEY, NO_ROUTE, NOT_JSON, TOO_LARGE, WRONG_HOST, busy
from idweave.server.api.routes import ROUTES, Row
from idweave.stores import open_store
from tests.e2e.serving import Served, served
from tests.e2e.test_api import EVENTS, STORY

DOCS = Path(__file__).parents[2] / "docs" / "reference"
API = (DOCS / "http-api.md").read_text("utf-8")
COLLECTOR = (DOCS / "collector.md").read_text("utf-8")

EXAMPLE = re.compile(r"```\n(GET|POST) (\S+)\n(.*?)```\n```json\n(.*?)```", re.DOTALL)
VARIES = {"store_bytes", "text"}
"""What depends on how a store keeps things, and what is too long for a page."""


def test_the_checked_in_openapi_document_is_the_one_that_is_served() -> None:
    """To write it anew: ``python -m idweave.server.api > docs/reference/openapi.json``."""
    assert json.loads((DOCS / "openapi.json").read_text("utf-8")) == document()


def section(row: Row) -> str:
    """The part of the page about a route."""
    _, found, rest = API.partition(f"\n### {row.method} {row.path}\n")
    assert found, f"{row.method} {row.path} is not documented"
    return rest.partition("\n### ")[0]


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_every_route_is_documented_with_its_parameters_and_an_example(row: Row) -> None:
    text = section(row)
    assert row.summary in text
    named = {parameter.name for parameter in row.parameters if not parameter.in_path}
    assert named == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) - metrics(text)
    is_json = row.answers not in {str, dict}
    assert bool(EXAMPLE.search(text)) is is_json


def metrics(text: str) -> set[str]:
    return set(re.findall(r"^\| `(idweave_\w+)` \|", text, re.MULTILINE))


def test_no_route_is_documented_that_does_not_exist() -> None:
    told = re.findall(r"^### (\w+) (\S+)$", API, re.MULTILINE)
    assert told == [(row.method, row.path) for row in ROUTES]


@pytest.fixture(scope="module")
def told() -> Iterator[Served]:
    """A server that was told the story of the examples."""
    with served(open_store("memory:")) as server:
        server.send(STORY[EVENTS])
        server.send(*STORY)
        yield server


@pytest.mark.parametrize("example", EXAMPLE.findall(API), ids=lambda one: f"{one[0]} {one[1]}")
def test_an_example_is_what_the_server_answers(
    told: Served, example: tuple[str, str, str, str]
) -> None:
    method, path, body, answer = example
    headers = {"Content-Type": "application/json"} if body else {}
    found = told.api.request(method, path, content=body or None, headers=headers).json()
    assert without(found) == without(json.loads(answer))


def without(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in VARIES}


def test_every_metric_is_documented(told: Served) -> None:
    page = told.api.get("/metrics").text
    assert metrics(API) == set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))


@pytest.mark.parametrize("problem", [NO_KEY, NO_ROUTE, NOT_JSON, TOO_LARGE, WRONG_HOST, busy(1)])
def test_every_problem_is_documented(problem: Any) -> None:
    assert f"| {problem.status} | `{problem.code}` |" in API


def test_the_example_of_debug_mode_is_what_the_collector_answers(told: Served) -> None:
    ((method, path, _, answer),) = EXAMPLE.findall(COLLECTOR)
    assert told.collector.request(method, path).json() == json.loads(answer)


def test_the_collectors_bounds_are_those_of_the_code() -> None:
    waiting = f"{settings.QUEUE_REQUESTS_MAX}, {settings.QUEUE_BYTES_MAX // settings.MIB} MiB"
    batch = f"{settings.BATCH_REQUESTS_MAX}, {settings.BATCH_BYTES_MAX // settings.MIB} MiB"
    values = (
        f"{settings.BODY_BYTES_MAX // settings.MIB} MiB",
        waiting,
        batch,
        str(settings.CONNECTIONS_MAX),
        f"{settings.REQUEST_S_MAX:.0f} s",
        f"{settings.KEEP_ALIVE_S} s",
        f"{settings.GRACE_S} s",
    )
    for value in values:
        assert f"| {value} |" in COLLECTOR


@pytest.mark.parametrize("code", Code)
def test_every_code_of_a_rejection_is_documented(code: Code) -> None:
    assert f"| `{code.value}` |" in COLLECTOR
