"""The one table of routes: Starlette, OpenAPI and the documentation's test are made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idweave.engine import applied, erased, explained, guarding, operated, past, whatif
from idweave.engine.following import ChangePage

from . import explaining, following, governing, handlers, looking_back, operating, shapes
from .governing import ApplyRequest, BackRequest, SimulateRequest, Simulation, TryRequest
from .handlers import Asked, RetryRequest
from .operating import ErasureRequest, RemovalRequest, StatementRequest
from .parameters import (
    AFTER,
    AT,
    ATTRIBUTION,
    CANONICAL_ID,
    COUNT_CURSOR,
    EVENT,
    EVENT_CURSOR,
    FROM,
    FROM_POSITION,
    GROUP_CURSOR,
    ID_CURSOR,
    KEY,
    LIMIT,
    LIMIT_LARGEST,
    NUMBER,
    OPERATOR_ID,
    OTHER_KEY,
    OTHER_VALUE,
    POSITION,
    PROJECT,
    REMOVED,
    TO,
    TO_POSITION,
    VALUE,
    Parameter,
)
from .problems import Refused

Answer = Refused | str | Mapping[str, Any] | Any
"""A shape (200), :class:`.shapes.Moved` (308), a problem, or text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One route. ``is_open``: answered without a key. ``is_instant``: answered at once, however
    many questions wait. ``streams``: as server-sent events, too. ``conflicts``: it may contradict
    what holds. ``is_long``: it goes through a whole project, and one at a time does. ``answers``:
    the shape of its 200."""

    method: str
    path: str
    summary: str
    handler: Callable[[Asked], Answer]
    answers: type
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False
    is_instant: bool = False
    body: type | None = None
    redirects: bool = False
    streams: bool = False
    conflicts: bool = False
    is_long: bool = False

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.handler.__name__ if "{canonical_id}/" not in self.path else self._of_user

    @property
    def _of_user(self) -> str:
        return f"user_{self.handler.__name__}"


_IN = "/v1/projects/{project}"
_USER = _IN + "/users/{canonical_id}"
_OF_USER = (PROJECT, CANONICAL_ID)
_PAIR = (PROJECT, KEY, VALUE, OTHER_KEY, OTHER_VALUE)

ROUTES: tuple[Row, ...] = (
    Row("GET", "/v1/projects", "All projects", handlers.projects, shapes.Projects),
    Row(
        "GET",
        _IN + "/lookup",
        "Who holds an identity",
        handlers.lookup,
        shapes.Lookup,
        (PROJECT, KEY, VALUE),
    ),
    Row(
        "GET",
        _IN + "/users",
        "The users with the most identities",
        handlers.users,
        shapes.Users,
        (PROJECT, LIMIT_LARGEST),
    ),
    Row(
        "GET",
        _USER,
        "A user with its identities; an older name redirects",
        handlers.user,
        shapes.User,
        _OF_USER,
        redirects=True,
    ),
    Row(
        "GET",
        _USER + "/events",
        "A user's events, newest first",
        handlers.events,
        shapes.Events,
        (*_OF_USER, ATTRIBUTION, EVENT_CURSOR, LIMIT),
    ),
    Row("GET", _USER + "/profile", "A user's profile", handlers.profile, shapes.Profile, _OF_USER),
    Row(
        "GET",
        _USER + "/refusals",
        "What the rules did not let into a user",
        handlers.refusals,
        shapes.Refusals,
        (*_OF_USER, COUNT_CURSOR, LIMIT),
    ),
    Row(
        "GET",
        _USER + "/decisions",
        "How a user was made: the events that changed it, in order",
        explaining.decisions,
        explained.DecisionPage,
        (*_OF_USER, COUNT_CURSOR, LIMIT),
    ),
    Row(
        "GET",
        _USER + "/export",
        "Everything that is held about one person",
        explaining.person,
        explaining.Person,
        _OF_USER,
    ),
    Row(
        "GET",
        _IN + "/why",
        "Why two identities are one user, or why not",
        explaining.why,
        explained.WhyAnswer,
        _PAIR,
    ),
    Row(
        "GET",
        _IN + "/separation",
        "The fewest events whose retraction parts two identities",
        explaining.separation,
        explained.SeparationAnswer,
        _PAIR,
    ),
    Row(
        "GET",
        _IN + "/refusals",
        "What the rules did not let in",
        handlers.refusals,
        shapes.Refusals,
        (PROJECT, COUNT_CURSOR, LIMIT),
    ),
    Row(
        "GET",
        _IN + "/rejections",
        "Records that were kept and not believed",
        handlers.rejections,
        shapes.Rejections,
        (PROJECT, ID_CURSOR, LIMIT),
    ),
    Row(
        "POST",
        _IN + "/rejections/retry",
        "Try rejections again under today's rules",
        handlers.retry,
        shapes.Retried,
        (PROJECT,),
        body=RetryRequest,
    ),
    Row(
        "GET",
        _IN + "/stats",
        "Counts of a project",
        handlers.stats,
        shapes.ProjectStats,
        (PROJECT,),
    ),
    Row(
        "GET",
        _IN + "/guard",
        "What looks like many people taken for one",
        explaining.guard,
        guarding.GuardReport,
        (PROJECT,),
    ),
    Row(
        "GET",
        _IN + "/changes",
        "Every change of who is who, oldest first; a stream with Accept: text/event-stream",
        following.changes,
        ChangePage,
        (PROJECT, AFTER, LIMIT),
        streams=True,
        conflicts=True,
    ),
    Row(
        "GET",
        _IN + "/past/lookup",
        "Who held an identity at an instant",
        looking_back.past_lookup,
        past.PastIdentity,
        (PROJECT, KEY, VALUE, AT, POSITION),
    ),
    Row(
        "GET",
        _IN + "/past/users/{canonical_id}",
        "A user as it was at an instant",
        looking_back.past_user,
        past.PastUser,
        (PROJECT, CANONICAL_ID, AT, POSITION),
    ),
    Row(
        "GET",
        _IN + "/past/event",
        "Whose an event was, as seen from an instant",
        looking_back.past_event,
        past.PastEvent,
        (PROJECT, EVENT, AT, POSITION),
    ),
    Row(
        "GET",
        _IN + "/past/difference",
        "What differs between two instants",
        looking_back.past_difference,
        operated.DifferenceAnswer,
        (PROJECT, FROM, TO, FROM_POSITION, TO_POSITION),
        conflicts=True,
        is_long=True,
    ),
    Row(
        "GET",
        _IN + "/past/users",
        "Everybody as they were at an instant",
        looking_back.past_users,
        past.PastPage,
        (PROJECT, AT, POSITION, GROUP_CURSOR, LIMIT),
    ),
    Row(
        "GET",
        _IN + "/policy",
        "The policy in force",
        governing.policy,
        applied.PolicyAnswer,
        (PROJECT, NUMBER),
    ),
    Row(
        "GET",
        _IN + "/policy/history",
        "Which policies were in force, since when, by whom, why",
        governing.policy_history,
        applied.PolicyHistory,
        (PROJECT,),
    ),
    Row(
        "POST",
        _IN + "/policy/try",
        "What the history would be under another policy",
        governing.try_policy,
        whatif.WhatIf,
        (PROJECT,),
        body=TryRequest,
        conflicts=True,
        is_long=True,
    ),
    Row(
        "POST",
        _IN + "/policy/apply",
        "Put a policy in force, history included",
        governing.apply_policy,
        applied.AppliedPolicy,
        (PROJECT,),
        body=ApplyRequest,
        conflicts=True,
        is_long=True,
    ),
    Row(
        "POST",
        _IN + "/policy/back",
        "Put an earlier policy in force again, history included",
        governing.policy_back,
        applied.AppliedPolicy,
        (PROJECT,),
        body=BackRequest,
        conflicts=True,
        is_long=True,
    ),
    Row(
        "POST",
        _IN + "/simulate",
        "What a few typed events come to, step by step",
        governing.simulated,
        Simulation,
        (PROJECT,),
        body=SimulateRequest,
    ),
    Row(
        "POST",
        _IN + "/operators",
        "State an operator fact, or preview it",
        operating.state,
        operated.OperatorAnswer,
        (PROJECT,),
        body=StatementRequest,
        conflicts=True,
    ),
    Row(
        "GET",
        _IN + "/operators",
        "What operators stated",
        operating.operators,
        operated.OperatorFacts,
        (PROJECT, REMOVED),
    ),
    Row(
        "POST",
        _IN + "/operators/{operator_id}/remove",
        "Take an operator fact back, or preview that",
        operating.remove,
        operated.OperatorAnswer,
        (PROJECT, OPERATOR_ID),
        body=RemovalRequest,
        conflicts=True,
    ),
    Row(
        "POST",
        _IN + "/erasures",
        "Erase a person or identities, or preview it",
        operating.erase,
        erased.ErasureAnswer,
        (PROJECT,),
        body=ErasureRequest,
    ),
    Row(
        "GET",
        "/healthz",
        "Whether the process is alive",
        handlers.health,
        shapes.Health,
        is_open=True,
        is_instant=True,
    ),
    Row(
        "GET",
        "/readyz",
        "Whether records are taken",
        handlers.readiness,
        shapes.Health,
        is_open=True,
        is_instant=True,
    ),
    Row("GET", "/metrics", "Everything counted, for Prometheus", handlers.metrics, str),
    Row(
        "GET",
        "/openapi.json",
        "This API's description",
        handlers.described,
        dict,
        is_open=True,
    ),
)

OPEN_PATHS = frozenset(row.path for row in ROUTES if row.is_open)
"""What is answered without a key: nothing of it tells about anybody."""
