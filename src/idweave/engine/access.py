"""Everything that is held about one person, for who asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .answers import Event, ProfileAnswer, RefusalAnswer, RejectionAnswer, UserAnswer
from .engine import PAGE_MAX, Engine
from .explained import DecisionAnswer
from .intake import UNKNOWN_PROJECT
from .mentions import Mentions
from .operated import OperatorFact
from .ruling import OperatorKind


@dataclass(frozen=True, slots=True)
class PersonExport:
    """One person: identities with first and last time, older names, events with their records as
    sent, the profile that these come to, how the user was made, what was refused, what operators
    stated of it, records that were not believed but carry one of its values, and events that
    operators retracted (now or once) and that do."""

    user: UserAnswer
    profile: ProfileAnswer
    events: tuple[Event, ...]
    decisions: tuple[DecisionAnswer, ...]
    refusals: tuple[RefusalAnswer, ...]
    operators: tuple[OperatorFact, ...]
    rejections: tuple[RejectionAnswer, ...]
    retracted: tuple[Event, ...]


def export_person(engine: Engine, project: str, canonical_id: str) -> PersonExport:
    """Everything that is held about a user, whatever its size. Raises NotFound."""
    user = engine.user(project, canonical_id)
    name = user.canonical_id
    held = {one.identity for one in user.identities} | {one.identity for one in user.former}
    mentions = Mentions(held)
    stated = engine.operators(project, removed=True)
    references = (one.event for one in stated if one.kind == OperatorKind.RETRACT)
    taken_out = {one: engine.event(project, one) for one in references if one is not None}
    retracted = {
        reference: event
        for reference, event in taken_out.items()
        if event is not None and mentions.are_in_record(event.record)
    }
    about = (
        one
        for one in stated
        if held & {(named.key, named.value) for named in one.identities}
        or one.event in retracted
        or mentions.are_in(f"{one.author} {one.reason} {one.removed_because}")
    )
    return PersonExport(
        user,
        engine.profile(project, name),
        tuple(_events(engine, project, name)),
        tuple(_decisions(engine, project, name)),
        tuple(_refusals(engine, project, name)),
        tuple(about),
        tuple(one for one in _rejections(engine) if _is_of(one, project, mentions)),
        tuple(retracted.values()),
    )


def _events(engine: Engine, project: str, name: str) -> Iterator[Event]:
    page = engine.events(project, name, limit=PAGE_MAX)
    yield from page.events
    while page.next_cursor is not None:
        page = engine.events(project, name, cursor=page.next_cursor, limit=PAGE_MAX)
        yield from page.events


def _decisions(engine: Engine, project: str, name: str) -> Iterator[DecisionAnswer]:
    page = engine.decisions(project, name, limit=PAGE_MAX)
    yield from page.decisions
    while page.next_cursor is not None:
        offset = int(page.next_cursor)
        page = engine.decisions(project, name, offset=offset, limit=PAGE_MAX)
        yield from page.decisions


def _refusals(engine: Engine, project: str, name: str) -> Iterator[RefusalAnswer]:
    offset = 0
    while page := engine.refusals(project, canonical_id=name, offset=offset, limit=PAGE_MAX):
        yield from page
        offset += len(page)


def _rejections(engine: Engine) -> Iterator[RejectionAnswer]:
    after = 0
    while page := engine.rejections(after=after, limit=PAGE_MAX):
        yield from page
        after = page[-1].rejection_id


def _is_of(one: RejectionAnswer, project: str, mentions: Mentions) -> bool:
    """Whether a rejection holds a value, as text or as a number: the same that an erasure takes."""
    return one.project in (project, UNKNOWN_PROJECT) and mentions.are_in(one.raw)
