"""One function a route: a question to the engine, and its answer as a shape.

They run in threads of the API and may block; errors are the engine's, problems are refused later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast
from urllib.parse import quote

import msgspec

from idweave.core.errors import InputError, NotFound
from idweave.core.evidence import identities_of
from idweave.core.identity import Identity
from idweave.core.rejection import Rejection
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


def as_stored(asked: Asked, key: str, value: str) -> Identity:
    """An identity that is written as records write it, as it is stored."""
    identity = Identity(key, value)
    declared = asked.engine.projects.get(asked.project)
    known = None if declared is None else identities_of([identity], declared.policy)
    return known[0] if known and not isinstance(known, Rejection) else identity


def lookup(asked: Asked) -> shapes.Lookup:
    """Who holds an identity, which is written as records write it."""
    identity = as_stored(asked, asked.text("key"), asked.text("value"))
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


RejectionId = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]


class RetryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which rejections to try again: these, or (null) all of the project."""

    ids: Annotated[list[RejectionId], msgspec.Meta(max_length=RETRIED_IDS_MAX)] | None = None


def retry(asked: Asked) -> shapes.Retried:
    """Try rejections again."""
    given = _retry_request(asked.body).ids
    ids = None if given is None else sorted({int(one) for one in given})
    return shapes.retried_of(asked.engine.retry_rejections(asked.project, ids))


def _retry_request(body: bytes) -> RetryRequest:
    try:
        return msgspec.json.decode(body, type=RetryRequest) if body.strip() else RetryRequest()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fix = (
            'Send {} for all rejections, or {"ids": ["1", "2"]} for these,'
            f" at most {RETRIED_IDS_MAX}."
        )
        raise InputError("The body is not a retry request.", fix=fix) from None


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
    """Whether records are taken: the store took the last commit, and does not hang."""
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
