"""Everything that is held about one person, for who asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .answers import Event, ProfileAnswer, RefusalAnswer, RejectionAnswer, UserAnswer
from .engine import PAGE_MAX, Engine
from .explained import DecisionAnswer
from .operated import OperatorFact


@dataclass(frozen=True, slots=True)
class PersonExport:
    """One person: identities with first and last time, older names, events with their records as
    sent, the profile that these come to, how the user was made, what was refused, what operators
    stated of it, and records that were not believed but carry one of its values."""

    user: UserAnswer
    profile: ProfileAnswer
    events: tuple[Event, ...]
    decisions: tuple[DecisionAnswer, ...]
    refusals: tuple[RefusalAnswer, ...]
    operators: tuple[OperatorFact, ...]
    rejections: tuple[RejectionAnswer, ...]


def export_person(engine: Engine, project: str, canonical_id: str) -> PersonExport:
    """Everything that is held about a user, whatever its size. Raises NotFound."""
    user = engine.user(project, canonical_id)
    name = user.canonical_id
    held = {one.identity for one in user.identities} | {one.identity for one in user.former}
    values = {identity.value for identity in held}
    stated = (
        one
        for one in engine.operators(project, removed=True)
        if held & {(named.key, named.value) for named in one.identities}
    )
    return PersonExport(
        user,
        engine.profile(project, name),
        tuple(_events(engine, project, name)),
        tuple(_decisions(engine, project, name)),
        tuple(_refusals(engine, project, name)),
        tuple(stated),
        tuple(one for one in _rejections(engine, project) if _carries(one.raw, values)),
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


def _rejections(engine: Engine, project: str) -> Iterator[RejectionAnswer]:
    after = 0
    while page := engine.rejections(project, after=after, limit=PAGE_MAX):
        yield from page
        after = page[-1].rejection_id


def _carries(raw: str, values: set[str]) -> bool:
    """Whether the text of a record holds one of these values, as text or as a number."""
    return any(value in raw for value in values)
