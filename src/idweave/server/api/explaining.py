"""Routes that explain: their answers are the engine's as they are, every id already text."""

from __future__ import annotations

from dataclasses import dataclass

from idweave.core.identity import Identity
from idweave.engine.access import export_person
from idweave.engine.answers import EventPage
from idweave.engine.explained import DecisionAnswer, DecisionPage, SeparationAnswer, WhyAnswer
from idweave.engine.guarding import GuardReport
from idweave.engine.operated import OperatorFact

from . import shapes
from .handlers import Asked, as_stored


def pair(asked: Asked) -> tuple[Identity, Identity]:
    """The two identities of a question."""
    return (
        as_stored(asked, asked.text("key"), asked.text("value")),
        as_stored(asked, asked.text("other_key"), asked.text("other_value")),
    )


def why(asked: Asked) -> WhyAnswer:
    """Why two identities are one user, or why not."""
    return asked.engine.why(asked.project, *pair(asked))


def separation(asked: Asked) -> SeparationAnswer:
    """What would part two identities."""
    return asked.engine.separation(asked.project, *pair(asked))


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that is held about one person."""

    user: shapes.User
    profile: shapes.Profile
    events: tuple[shapes.StoredEvent, ...]
    decisions: tuple[DecisionAnswer, ...]
    refusals: tuple[shapes.Refusal, ...]
    operators: tuple[OperatorFact, ...]
    rejections: tuple[shapes.Rejected, ...]
    retracted: tuple[shapes.StoredEvent, ...]


def person(asked: Asked) -> Person:
    """Everything that is held about a user."""
    found = export_person(asked.engine, asked.project, asked.text("canonical_id"))
    return Person(
        shapes.user_of(found.user),
        shapes.profile_of(found.profile),
        shapes.events_of(EventPage(found.events, None)).events,
        found.decisions,
        shapes.refusals_of(found.refusals, None).refusals,
        found.operators,
        shapes.rejections_of(found.rejections, None).rejections,
        shapes.events_of(EventPage(found.retracted, None)).events,
    )


def decisions(asked: Asked) -> DecisionPage:
    """A page of the decisions that made a user."""
    return asked.engine.decisions(
        asked.project,
        asked.text("canonical_id"),
        offset=asked.whole("cursor"),
        limit=asked.whole("limit"),
    )


def guard(asked: Asked) -> GuardReport:
    """What looks like many people taken for one."""
    return asked.engine.guard(asked.project)
