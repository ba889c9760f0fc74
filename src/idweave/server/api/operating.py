"""Routes for operators: state, preview, list, take back."""

from __future__ import annotations

import msgspec

from idweave.core.errors import InputError
from idweave.core.identity import Identity
from idweave.engine.operated import (
    OperatorAnswer,
    OperatorFacts,
)
from idweave.engine.operators import Statement
from idweave.engine.ruling import OperatorKind

from .handlers import Asked


class IdentityGiven(msgspec.Struct, forbid_unknown_fields=True):
    """An identity."""

    key: str
    value: str


class StatementRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What an operator states; ``event`` only of a retract, ``time_ms`` only of what has a time.
    With ``dry_run`` nothing is written."""

    kind: OperatorKind
    author: str
    reason: str
    identities: list[IdentityGiven] = []
    event: str | None = None
    time_ms: int | None = None
    dry_run: bool = False


class RemovalRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who takes an operator fact back, and why."""

    author: str
    reason: str
    dry_run: bool = False


def state(asked: Asked) -> OperatorAnswer:
    """State an operator fact."""
    try:
        given = msgspec.json.decode(asked.body, type=StatementRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        fix = "GET /openapi.json describes StatementRequest."
        raise InputError(f"The body is not a statement: {error}.", fix=fix) from None
    identities = tuple(Identity(one.key, one.value) for one in given.identities)
    said = Statement(
        given.kind, given.author, given.reason, identities, event=given.event, time_ms=given.time_ms
    )
    return asked.engine.operate(asked.project, said, dry_run=given.dry_run)


def remove(asked: Asked) -> OperatorAnswer:
    """Take an operator fact back."""
    try:
        given = msgspec.json.decode(asked.body, type=RemovalRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        fix = 'Send {"author": "…", "reason": "…"}.'
        raise InputError(f"The body is not a removal: {error}.", fix=fix) from None
    by = (given.author, given.reason)
    number = _number(asked.text("operator_id"))
    return asked.engine.take_back(asked.project, number, by, dry_run=given.dry_run)


def _number(given: str) -> int:
    if given.isascii() and given.isdigit() and len(given) <= 18:
        return int(given)
    fix = "Use an operator_id of GET …/operators."
    raise InputError(f"{given[:50]!r} is not the number of an operator fact.", fix=fix)


def operators(asked: Asked) -> OperatorFacts:
    """What operators stated."""
    removed = asked.text("removed") == "true"
    return OperatorFacts(tuple(asked.engine.operators(asked.project, removed=removed)))
