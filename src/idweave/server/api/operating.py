"""Routes for operators: state, preview, list, take back."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from idweave.core.errors import InputError
from idweave.core.record import TIME_MAX_MS
from idweave.engine.erased import Erasing, ErasureAnswer
from idweave.engine.operated import OperatorAnswer, OperatorFacts
from idweave.engine.operators import (
    AUTHOR_LENGTH_MAX,
    IDENTITIES_MAX,
    REASON_LENGTH_MAX,
    Statement,
)
from idweave.engine.ruling import OperatorKind

from .handlers import Asked, as_stored

_NOT_BLANK = "[!-~]"
_UNIQUE = {"uniqueItems": True}

Author = Annotated[str, Meta(max_length=AUTHOR_LENGTH_MAX, pattern=_NOT_BLANK)]
Because = Annotated[str, Meta(max_length=REASON_LENGTH_MAX, pattern=_NOT_BLANK)]
CanonicalId = Annotated[str, Meta(pattern="^[0-9]{1,18}$|^[0-8][0-9]{18}$|^9[01][0-9]{17}$")]
Time = Annotated[int, Meta(ge=0, le=TIME_MAX_MS)]


class IdentityGiven(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An identity."""

    key: str
    value: str


Two = Annotated[list[IdentityGiven], Meta(min_length=2, max_length=2, extra_json_schema=_UNIQUE)]
Some = Annotated[
    list[IdentityGiven], Meta(min_length=1, max_length=IDENTITIES_MAX, extra_json_schema=_UNIQUE)
]


class Timed(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True):
    """What holds since a time; without: now."""

    identities: Some
    time_ms: Time | None = None


class Join(msgspec.Struct, tag_field="kind", tag="join", forbid_unknown_fields=True):
    """Two identities are one person's."""

    identities: Two
    time_ms: Time | None = None


class Detach(Timed, tag="detach"):
    """Identities leave their user."""


class Release(Timed, tag="release"):
    """Identities may link again."""


class Retract(msgspec.Struct, tag_field="kind", tag="retract", forbid_unknown_fields=True):
    """An event is taken out, as if it had never come."""

    event: str


class Block(msgspec.Struct, tag_field="kind", tag="block", forbid_unknown_fields=True):
    """Identities link nothing."""

    identities: Some


class Apart(msgspec.Struct, tag_field="kind", tag="apart", forbid_unknown_fields=True):
    """Two identities never share a user."""

    identities: Two


class StatementRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What an operator states, who and why. With ``dry_run`` nothing is written."""

    statement: Join | Detach | Release | Retract | Block | Apart
    author: Author
    reason: Because
    dry_run: bool = False


class RemovalRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who takes an operator fact back, and why."""

    author: Author
    reason: Because
    dry_run: bool = False


class ErasedUser(msgspec.Struct, tag_field="kind", tag="user", forbid_unknown_fields=True):
    """A person: a user with all that is its alone; ``identities`` by themselves go with it."""

    canonical_id: CanonicalId
    identities: Annotated[
        list[IdentityGiven], Meta(max_length=IDENTITIES_MAX, extra_json_schema=_UNIQUE)
    ] = []


class ErasedIdentities(
    msgspec.Struct, tag_field="kind", tag="identities", forbid_unknown_fields=True
):
    """Identities by themselves: all that carries them."""

    identities: Some


class ErasureRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to erase, who says so and why. With ``dry_run`` nothing is written."""

    erase: ErasedUser | ErasedIdentities
    author: Author
    reason: Because
    forever: bool = False
    dry_run: bool = False


Request = TypeVar("Request")


def body_of(asked: Asked, kind: type[Request]) -> Request:
    """The body of a question. Raises InputError."""
    try:
        return msgspec.json.decode(asked.body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        fix = f"GET /openapi.json describes {kind.__name__}."
        raise InputError(f"The body cannot be used: {error}.", fix=fix) from None


def state(asked: Asked) -> OperatorAnswer:
    """State an operator fact."""
    given = body_of(asked, StatementRequest)
    fields: dict[str, Any] = msgspec.structs.asdict(given.statement)
    listed: list[IdentityGiven] = fields.get("identities", [])
    said = Statement(
        OperatorKind(str(given.statement.__struct_config__.tag)),
        given.author,
        given.reason,
        tuple(as_stored(asked, one.key, one.value) for one in listed),
        event=fields.get("event"),
        time_ms=fields.get("time_ms"),
    )
    return asked.engine.operate(asked.project, said, dry_run=given.dry_run)


def remove(asked: Asked) -> OperatorAnswer:
    """Take an operator fact back."""
    given = body_of(asked, RemovalRequest)
    by = (given.author, given.reason)
    number = _number(asked.text("operator_id"))
    return asked.engine.take_back(asked.project, number, by, dry_run=given.dry_run)


def erase(asked: Asked) -> ErasureAnswer:
    """Erase a person."""
    given = body_of(asked, ErasureRequest)
    who = given.erase
    said = Erasing(
        given.author,
        given.reason,
        who.canonical_id if isinstance(who, ErasedUser) else None,
        tuple(as_stored(asked, one.key, one.value) for one in who.identities),
        given.forever,
    )
    return asked.engine.erase(asked.project, said, dry_run=given.dry_run)


def _number(given: str) -> int:
    if given.isascii() and given.isdigit() and len(given) <= 18:
        return int(given)
    fix = "Use an operator_id of GET …/operators."
    raise InputError(f"{given[:50]!r} is not the number of an operator fact.", fix=fix)


def operators(asked: Asked) -> OperatorFacts:
    """What operators stated."""
    removed = asked.text("removed") == "true"
    return OperatorFacts(tuple(asked.engine.operators(asked.project, removed=removed)))
