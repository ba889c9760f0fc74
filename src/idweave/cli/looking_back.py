"""``past``: who was who at an instant, or as known at a position of the log."""

from __future__ import annotations

from typing import Annotated

import typer

from idweave.core.errors import InputError
from idweave.engine.past import Instant, PastUser

from .keys import identity_typed
from .offering import group, number_typed, offer
from .operating import show_difference
from .output import Output, time_text, visible
from .session import Session
from .times import time_typed

app = group("past", "Who was who at an instant: look-up, user, event, everybody, and a diff.")

AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="As of events up to then: ISO text, or ms."),
]
PositionOption = Annotated[
    str | None,
    typer.Option("--position", metavar="N", help="As known when N payloads had been received."),
]


def instant_typed(at: str | None, position: str | None) -> Instant:
    """The instant that two words mean. Raises InputError where neither was given."""
    if at is None and position is None:
        raise InputError("No instant is named.", fix="Add --at TIME, --position N, or both.")
    time_ms = None if at is None else time_typed(at)
    return Instant(time_ms, None if position is None else number_typed(position, "position"))


@offer(app, "lookup")
def lookup(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its key, or a unique part of it.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value.")],
    *,
    at: AtOption = None,
    position: PositionOption = None,
) -> None:
    """Who held an identity then.

    \b
    Example:
      idweave past lookup mobile 13800000000 --at 2026-11-01
    """
    output, instant = session.output, instant_typed(at, position)
    identity = identity_typed(key, value, session.policy(session.project_name))
    with session.reading() as engine:
        answer = engine.past_lookup(session.project_name, identity, instant)
    if output.json:
        output.document(answer)
        return
    output.say(visible(identity), style="bold")
    if answer.user is None:
        output.say("Nobody held it then.")
        return
    show_past(answer.user, output)


@offer(app, "user")
def user(
    session: Session,
    canonical_id: Annotated[str, typer.Argument(metavar="ID", help="A name that it had then.")],
    *,
    at: AtOption = None,
    position: PositionOption = None,
) -> None:
    """A user as it was then.

    \b
    Example:
      idweave past user 4183427905582315520 --at 2026-11-01T12:00
    """
    output, instant = session.output, instant_typed(at, position)
    with session.reading() as engine:
        answer = engine.past_user(session.project_name, canonical_id, instant)
    if output.json:
        output.document(answer)
        return
    show_past(answer, output)


def show_past(answer: PastUser, output: Output) -> None:
    """A user of then, as a card."""
    output.say(f"User {answer.canonical_id}", style="bold cyan")
    output.say(f"founded {time_text(answer.founded_at_ms)}, {answer.events} events")
    held = [(one.key, one.value, time_text(one.joined_at_ms)) for one in answer.identities]
    output.table(("key", "value", "joined"), held, title=f"Identities ({len(held)})")
    if answer.former:
        left = [(one.key, one.value, time_text(one.left_at_ms)) for one in answer.former]
        output.table(("key", "value", "left"), left, title=f"Left ({len(left)})")


@offer(app, "event")
def event(
    session: Session,
    reference: Annotated[str, typer.Argument(metavar="EVENT", help="Its reference.")],
    *,
    at: AtOption = None,
    position: PositionOption = None,
) -> None:
    """Whose an event was, as seen from then.

    \b
    Example:
      idweave past event 1700000000002-a439cf976aac1eed05bca5ce13f3092e --at 2026-11-01
    """
    output, instant = session.output, instant_typed(at, position)
    with session.reading() as engine:
        answer = engine.past_event(session.project_name, reference, instant)
    if output.json:
        output.document(answer)
        return
    decided = f", by {visible(answer.key)}={visible(answer.value)}" if answer.key else ""
    output.say(f"{answer.reference} was of {answer.canonical_id or 'nobody'}{decided}")


@offer(app, "users")
def users(session: Session, *, at: AtOption = None, position: PositionOption = None) -> None:
    """Everybody as they were then, one JSON object a line; always JSON.

    \b
    Example:
      idweave past users --at 2026-11-01 > then.jsonl
    """
    instant = instant_typed(at, position)
    with session.reading() as engine:
        for one in engine.past_users(session.project_name, instant):
            session.output.line(one)


@offer(app, "diff")
def diff(
    session: Session,
    *,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="The earlier instant.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The later one; without: now.")
    ] = None,
    since_position: Annotated[
        str | None, typer.Option("--from-position", metavar="N", help="The earlier log position.")
    ] = None,
    until_position: Annotated[
        str | None, typer.Option("--to-position", metavar="N", help="The later; without: now.")
    ] = None,
) -> None:
    """What changed between two instants: users made, merged, split, renamed; identities moved.

    \b
    Example:
      idweave past diff --from 2026-11-01 --to 2026-11-02
    """
    first = instant_typed(since, since_position)
    then = Instant()
    if until is not None or until_position is not None:
        then = instant_typed(until, until_position)
    with session.reading() as engine:
        answer = engine.past_difference(session.project_name, (first, then))
    if session.output.json:
        session.output.document(answer)
        return
    show_difference(answer, session.output)
