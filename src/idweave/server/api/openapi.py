"""The OpenAPI 3.1 document, built from the table of routes and the shapes of its answers."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from idweave import __version__

from .metrics import CONTENT_TYPE
from .parameters import Parameter
from .routes import ROUTES, Row
from .shapes import Moved, Problem
from .streaming import EVENT_STREAM

_REF = "#/components/schemas/{name}"
_PROBLEMS = {
    "400": "A parameter or body cannot be used.",
    "401": "No valid API key.",
    "404": "There is no such project, user or identity.",
    "409": "It contradicts what holds already; nothing was changed.",
    "413": "The body is too large.",
    "415": "The body is not declared as JSON.",
    "421": "The Host header is not this server's.",
    "503": "Too much to do, or the store cannot answer. Retry later.",
}


@cache
def document() -> dict[str, Any]:
    """The whole document; the same for the same version."""
    shapes = sorted({row.answers for row in ROUTES} - {str, dict}, key=lambda shape: shape.__name__)
    bodies = [row.body for row in ROUTES if row.body is not None]
    _, schemas = msgspec.json.schema_components(
        [*shapes, *bodies, Moved, Problem], ref_template=_REF
    )
    paths: dict[str, Any] = {}
    for row in ROUTES:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "idweave",
            "version": __version__,
            "description": "Who is who: users, their identities and events, and what was kept out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _operation(row: Row) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": row.name, "summary": row.summary}
    if row.parameters:
        operation["parameters"] = [_parameter(one) for one in row.parameters]
    if row.body is not None:
        schema = _ref(row.body)
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {"200": _answer(row)}
    if row.redirects:
        operation["responses"]["308"] = {
            "description": "The user goes by another name now.",
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": _ref(Moved)}},
        }
    for status in _statuses(row):
        operation["responses"][status] = {
            "description": _PROBLEMS[status],
            "content": {"application/problem+json": {"schema": _ref(Problem)}},
        }
    if row.is_open:
        operation["security"] = []
    return operation


def _parameter(row: Parameter) -> dict[str, Any]:
    return {
        "name": row.name,
        "in": "path" if row.in_path else "query",
        "required": row.required,
        "description": row.text,
        "schema": dict(row.schema),
    }


def _answer(row: Row) -> dict[str, Any]:
    if row.answers is str:
        content = {CONTENT_TYPE: {"schema": {"type": "string"}}}
    else:
        schema = {"type": "object"} if row.answers is dict else _ref(row.answers)
        content = {"application/json": {"schema": schema}}
    if row.streams:
        content[EVENT_STREAM] = {"schema": {"type": "string"}}
    return {"description": row.summary + ".", "content": content}


def _statuses(row: Row) -> list[str]:
    found = ["400", "421", "503"]
    found += [] if row.is_open else ["401"]
    found += ["404"] if row.parameters else []
    found += ["409"] if row.conflicts else []
    found += ["413", "415"] if row.body is not None else []
    return sorted(found)


def _ref(shape: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=shape.__name__)}
