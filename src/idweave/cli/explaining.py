"""``why``, ``how``, ``separate``: what makes one user of identities, and what keeps them apart."""

from __future__ import annotations

from typing import Annotated

import typer

from idweave.core.identity import Identity
from idweave.engine.explained import (
    Evidence,
    GapAnswer,
    MoveAnswer,
    Named,
    SeparationAnswer,
    WhyAnswer,
)

from .keys import identity_typed
from .offering import CursorOption, LimitOption, number_typed, offer
from .output import Output, time_text, visible
from .session import Session

app = typer.Typer()

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The key of the one, or a unique part of it.")
]
ValueArgument = Annotated[str, typer.Argument(metavar="VALUE", help="Its value.")]
OtherKeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key of the other.")]
OtherValueArgument = Annotated[str, typer.Argument(metavar="VALUE", help="Its value.")]

EVENT_COLUMNS = ("time", "kind", "event", "sent by", "reference")


def pair_typed(session: Session, *words: str) -> tuple[Identity, Identity]:
    """The two identities that four words mean."""
    policy = session.policy(session.project_name)
    key, value, other_key, other_value = words
    return identity_typed(key, value, policy), identity_typed(other_key, other_value, policy)


@offer(app, "why")
def why(
    session: Session,
    key: KeyArgument,
    value: ValueArgument,
    *,
    other_key: OtherKeyArgument,
    other_value: OtherValueArgument,
) -> None:
    """Why two identities are one user: the shortest chain of events. Or why they are not.

    \b
    Example:
      idweave why mobile 13800000000 mp_id device-1
      idweave why login_id alice login_id bob --json
    """
    output = session.output
    pair = pair_typed(session, key, value, other_key, other_value)
    with session.reading() as engine:
        answer = engine.why(session.project_name, *pair)
    if output.json:
        output.document(answer)
        return
    _say_pair(answer, output)
    if answer.links:
        rows = [(named(one.one), named(one.other), *event_row(one.by)) for one in answer.links]
        output.say()
        output.table(("this", "and this", *EVENT_COLUMNS), rows)
    for gap in answer.gaps:
        _say_gap(gap, output)


def _say_pair(answer: WhyAnswer | SeparationAnswer, output: Output) -> None:
    for one in (answer.one, answer.other):
        output.say(f"{visible(named(one))}  {_holder(one)}", style="bold")
    output.say(answer.says)


def named(one: Named) -> str:
    """An identity in one word."""
    return f"{one.key}={one.value}"


def _holder(one: Named) -> str:
    return f"of user {one.canonical_id}" if one.canonical_id else "held by nobody now"


def event_row(by: Evidence) -> tuple[str, ...]:
    """An event as cells of EVENT_COLUMNS."""
    return (time_text(by.time_ms), by.kind, by.event or by.type, by.sent_by or "-", by.reference)


def _say_gap(gap: GapAnswer, output: Output) -> None:
    ends = [f"{visible(named(one))} ({_holder(one)})" for one in (gap.one, gap.other)]
    count = "1 event carries" if gap.events == 1 else f"{gap.events} events carry"
    times = f"{time_text(gap.first.time_ms)} to {time_text(gap.last.time_ms)}"
    output.say()
    output.say(f"{' and '.join(ends)}: {count} something of both, {times}", style="bold")
    for bar in gap.refused:
        output.say(
            f"  {visible(bar.key)}={visible(bar.value)} was refused {bar.count} x: {bar.reason}"
            f" ({bar.meaning})"
        )
        output.say(f"    rule: {visible(bar.rule)}")
        if bar.holder is not None:
            output.say(f"    held by {bar.holder} since {time_text(bar.held_since_ms)}")
        output.say(f"    first {bar.first}, last {bar.last}")
        output.say(f"    what would allow it: {visible(bar.remedy)}")
    for left in gap.left:
        output.say(
            f"  {visible(left.key)}={visible(left.value)} left {left.left} by"
            f" {left.by.kind} {left.by.reference}, {time_text(left.by.time_ms)}"
        )
        output.say(f"    what would bring it back: {left.remedy}")


@offer(app, "how")
def how(
    session: Session,
    canonical_id: Annotated[str, typer.Argument(metavar="ID", help="A canonical_id, old or new.")],
    *,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
) -> None:
    """How a user was made: every event that changed it, in order, and what it did.

    \b
    Example:
      idweave how 4183427905582315520
    """
    output, offset = session.output, number_typed(cursor, "cursor")
    with session.reading() as engine:
        page = engine.decisions(session.project_name, canonical_id, offset=offset, limit=limit)
    if output.json:
        output.document(page)
        return
    output.say(f"User {page.canonical_id}", style="bold cyan")
    rows = [(*event_row(done.by), "; ".join(map(move_text, done.moves))) for done in page.decisions]
    output.table((*EVENT_COLUMNS, "what it did"), rows)
    if page.next_cursor:
        output.note(f"more: --cursor {page.next_cursor}")


MOVES = {
    "founded": "founded {canonical_id}",
    "joined": "{key}={value} joined {canonical_id}",
    "left": "{key}={value} left {canonical_id}",
    "merged": "{other_id} merged into {canonical_id}",
    "refused": "{key}={value} was refused: {reason}",
    "unbound": "{key}={value} is unbound",
    "crowded": "{key}={value} is crowded",
    "freed": "{key}={value} may link again",
}
"""What an event did, in words."""


def move_text(move: MoveAnswer) -> str:
    """One thing that an event did."""
    return MOVES[move.what].format(
        canonical_id=move.canonical_id,
        other_id=move.other_id,
        key=move.key,
        value=move.value,
        reason=move.reason,
    )


@offer(app, "separate")
def separate(
    session: Session,
    key: KeyArgument,
    value: ValueArgument,
    *,
    other_key: OtherKeyArgument,
    other_value: OtherValueArgument,
) -> None:
    """What would separate two identities: the fewest events whose retraction parts them.

    Nothing is changed.

    \b
    Example:
      idweave separate login_id alice mp_id kiosk-1
    """
    output = session.output
    pair = pair_typed(session, key, value, other_key, other_value)
    with session.reading() as engine:
        answer = engine.separation(session.project_name, *pair)
    if output.json:
        output.document(answer)
        return
    _say_pair(answer, output)
    if answer.events:
        output.say()
        output.table(EVENT_COLUMNS, map(event_row, answer.events))
        if answer.count > len(answer.events):
            output.note(f"{answer.count - len(answer.events)} more are not shown")
