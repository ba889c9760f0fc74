"""One function a route: a question to the engine, and its answer as a shape.

They run in threads of the API and may block; errors are the engine's, problems are refused later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

import msgspec

from idweave.core.errors import InputError, NotFound
from idweave.core.identity import Identity
from idweave.engine.engine import Engine

from ..commits import GroupCommit
from ..meters import Meters
from . import shapes
from .metrics import exposition
from .parameters import PROJECT_NAME, Value
from .problems import Refused, not_ready

RETRIED_IDS_MAX = 1000
"""Rejections of one retry by id: what a person marks on a page, or a script takes from one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from."""

    engine: Engine
    meters: Meters
    commits: GroupCommit
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the source, the values of path and query, and the body."""

    source: Source
    values: Mapping[str, Value | None] = field(default_factory=dict)
    body: bytes = b""

    @property
    def engine(self) -> Engine:
        """Who answers."""
        return self.source.engine

    @property
    def project(self) -> str:
        """The project of the path. Raises NotFound for what can be no project's name."""
        name = self.text("project")
        if not PROJECT_NAME.fullmatch(name):
            fix = "GET /v1/projects lists all projects."
            raise NotFound(f"There is no project {name[:100]!r}.", fix=fix)
        return name

    def text(self, name: str) -> str:
        """A value that is text."""
        return cast(str, self.values[name])

    def whole(self, name: str) -> int:
        """A value that is a number."""
        return cast(int, self.values[name])


def lookup(asked: Asked) -> shapes.Lookup:
    """Who holds an identity."""
    identity = Identity(asked.text("key"), asked.text("value"))
    return shapes.lookup_of(asked.engine.lookup(asked.project, identity))


def users(asked: Asked) -> shapes.Users:
    """The largest users."""
    found = asked.engine.top_users(asked.project, asked.whole("limit"))
    return shapes.Users(tuple(map(shapes.user_of, found)))


def user(asked: Asked) -> shapes.User | shapes.Moved:
    """A user, or where it is when an older name was asked for."""
    answer = asked.engine.user(asked.project, asked.text("canonical_id"))
    if answer.asked == answer.canonical_id:
        return shapes.user_of(answer)
    project = quote(asked.project, safe="")
    location = f"/v1/projects/{project}/users/{answer.canonical_id}"
    return shapes.Moved(answer.canonical_id, location)


def events(asked: Asked) -> shapes.Events:
    """A page of a user's events."""
    page = asked.engine.events(
        asked.project,
        asked.text("canonical_id"),
        attribution=asked.text("attribution"),
        cursor=cast(str | None, asked.values["cursor"]),
        limit=asked.whole("limit"),
    )
    return shapes.events_of(page)


def profile(asked: Asked) -> shapes.Profile:
    """A user's profile."""
    return shapes.profile_of(asked.engine.profile(asked.project, asked.text("canonical_id")))


def refusals(asked: Asked) -> shapes.Refusals:
    """A page of refusals of a project, or of one user."""
    offset, limit = asked.whole("cursor"), asked.whole("limit")
    found = asked.engine.refusals(
        asked.project,
        canonical_id=cast(str | None, asked.values.get("canonical_id")),
        offset=offset,
        limit=limit + 1,
    )
    more = str(offset + limit) if len(found) > limit else None
    return shapes.refusals_of(found[:limit], more)


def rejections(asked: Asked) -> shapes.Rejections:
    """A page of rejections of a project."""
    limit = asked.whole("limit")
    found = asked.engine.rejections(asked.project, after=asked.whole("cursor"), limit=limit + 1)
    page = found[:limit]
    more = str(page[-1].rejection_id) if len(found) > limit else None
    return shapes.rejections_of(page, more)


class RetryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which rejections to try again: these, or all of the project."""

    ids: list[str] | None = None


def retry(asked: Asked) -> shapes.Retried:
    """Try rejections again."""
    ids = _ids(_retry_request(asked.body).ids)
    return shapes.retried_of(asked.engine.retry_rejections(asked.project, ids))


def _retry_request(body: bytes) -> RetryRequest:
    try:
        return msgspec.json.decode(body, type=RetryRequest) if body.strip() else RetryRequest()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fix = 'Send nothing or {} for all rejections, or {"ids": ["1", "2"]} for these.'
        raise InputError("The body is not a retry request.", fix=fix) from None


def _ids(given: Sequence[str] | None) -> list[int] | None:
    if given is None:
        return None
    is_sound = all(one.isascii() and one.isdigit() and len(one) <= 18 for one in given)
    if is_sound and len(given) <= RETRIED_IDS_MAX:
        return sorted({int(one) for one in given})
    fix = f"Give at most {RETRIED_IDS_MAX} ids as GET …/rejections shows them."
    raise InputError("The ids cannot be used.", fix=fix)


def stats(asked: Asked) -> shapes.ProjectStats:
    """Counts of a project."""
    return shapes.stats_of(asked.engine.stats(asked.project))


def projects(asked: Asked) -> shapes.Projects:
    """All projects."""
    declared = asked.engine.projects
    names = asked.engine.project_names()
    return shapes.Projects(tuple(shapes.ProjectName(name, name in declared) for name in names))


def health(asked: Asked) -> shapes.Health:
    """The process is alive."""
    return shapes.Health("ok")


def readiness(asked: Asked) -> shapes.Health | Refused:
    """Whether records are taken: the store can be read, and took the last commit."""
    asked.engine.project_names()
    if not asked.source.commits.is_ready:
        return not_ready(asked.source.retry_after_s)
    return shapes.Health("ready")


def metrics(asked: Asked) -> str:
    """Everything that is counted, as Prometheus reads it."""
    engine = asked.engine
    counted = [engine.stats(name) for name in engine.project_names()]
    return exposition(counted, asked.source.meters, is_ready=asked.source.commits.is_ready)


def described(asked: Asked) -> Mapping[str, Any]:
    """This API in OpenAPI's words."""
    from .openapi import document

    return document()
