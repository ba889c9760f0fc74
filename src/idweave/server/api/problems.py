"""Everything that the API refuses, as RFC 9457 problems: one row a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from idweave.core.errors import (
    Conflict,
    IdweaveError,
    InputError,
    NotFound,
    PolicyError,
    StoreError,
)

from .shapes import Problem


@dataclass(frozen=True, slots=True)
class Refused:
    """A problem to be sent, with the headers that belong to its status."""

    status: int
    code: str
    detail: str
    fix: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Problem:
        """The problem as it is sent."""
        title = HTTPStatus(self.status).phrase
        kind = f"urn:idweave:problem:{self.code}"
        return Problem(kind, title, self.status, self.detail, self.code, self.fix)


STATUSES: tuple[tuple[type[IdweaveError], int], ...] = (
    (NotFound, 404),
    (InputError, 400),
    (PolicyError, 400),
    (Conflict, 409),
    (StoreError, 503),
    (IdweaveError, 500),
)
"""What each kind of error is in HTTP; the first row that fits counts."""


def of_error(error: IdweaveError, retry_after_s: int) -> Refused:
    """An error of the engine as a problem."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {"Retry-After": str(retry_after_s)} if status == 503 else {}
    detail = str(error).removesuffix(error.fix).strip()  # a mistake in a file names its line
    return Refused(status, error.code, detail, error.fix, headers)


NO_ROUTE = Refused(404, "NOT_FOUND", "There is no such path.", "GET /openapi.json lists all paths.")
NO_KEY = Refused(
    401,
    "UNAUTHORIZED",
    "The request carries no valid API key.",
    "Send the header Authorization: Bearer KEY, with a key whose SHA-256 the server knows.",
    {"WWW-Authenticate": 'Bearer realm="idweave"'},
)
WRONG_HOST = Refused(
    421,
    "HOST_NOT_ALLOWED",
    "The Host header names no host of this server.",
    "Ask for 127.0.0.1 or localhost, or add the name to allowed_hosts.",
)
TOO_LARGE = Refused(
    413,
    "BODY_TOO_LARGE",
    "The body is larger than any question of this API.",
    "Send fewer ids in a request.",
)
NOT_JSON = Refused(
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    "The request does not say that its body is JSON.",
    "Send the header Content-Type: application/json, also with an empty body.",
)
FAULT = Refused(
    500,
    "INTERNAL",
    "A fault of idweave's kept it from answering.",
    "Look into the server's log, and please report what it says.",
)


def no_method(allowed: str) -> Refused:
    """A path that exists, asked in a way that does not."""
    fix = f"Use {allowed}."
    return Refused(
        405, "METHOD_NOT_ALLOWED", "The path has no such method.", fix, {"Allow": allowed}
    )


def busy(retry_after_s: int) -> Refused:
    """More questions than are answered at once."""
    headers = {"Retry-After": str(retry_after_s)}
    return Refused(503, "BUSY", "Too many questions wait.", "Ask again a little later.", headers)


def occupied(retry_after_s: int) -> Refused:
    """Another question that takes long is being answered."""
    headers = {"Retry-After": str(retry_after_s)}
    problem = "A question that goes through a whole project is being answered."
    return Refused(503, "BUSY", problem, "Ask again when it is done.", headers)


def not_ready(retry_after_s: int) -> Refused:
    """The last commit failed."""
    headers = {"Retry-After": str(retry_after_s)}
    fix = "Look into the server's log for the store's error; it is ready after the next commit."
    return Refused(
        503, "NOT_READY", "The store did not take the last commit, or hangs.", fix, headers
    )
