"""``lookup``, ``user``, ``events``, ``refusals``, ``stats``: who is this, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from idweave.engine.answers import (
    Event,
    IdentityAnswer,
    Stats,
    UserAnswer,
)
from idweave.engine.engine import ATTRIBUTIONS

from .keys import identity_typed
from .offering import CursorOption, LimitOption, number_typed, offer
from .output import Output, as_json, bytes_text, number_text, time_text, visible
from .session import Session

app = typer.Typer()


@offer(app, "lookup")
def lookup(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its key, or a unique part of it.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value.")],
) -> None:
    """Who holds an identity.

    \b
    Example:
      idweave lookup mobile 13800000000
      idweave lookup '$identity_login_id' alice --json
    """
    project, output = session.project_name, session.output
    with session.reading() as engine:
        policy = session.policy(project)
        answer = engine.lookup(project, identity_typed(key, value, policy))
    if output.json:
        name = None if answer.user is None else answer.user.canonical_id
        output.document(as_json(answer) | {"canonical_id": name})
        return
    _say_identity(answer, output)
    if answer.user is not None:
        show_user(answer.user, output)


def _say_identity(answer: IdentityAnswer, output: Output) -> None:
    output.say(visible(answer.identity), style="bold")
    output.say(
        f"first seen {time_text(answer.first_seen_ms)}, last {time_text(answer.last_seen_ms)}"
    )
    if answer.unbound_at_ms is not None:
        output.say(
            f"unbound since {time_text(answer.unbound_at_ms)}: it comes back on purpose only"
        )
    if answer.crowded_since_ms is not None:
        since = time_text(answer.crowded_since_ms)
        output.say(f"crowded since {since}: too many users asked for it, so it links nothing")
    if answer.user is None:
        left = f"; it left {answer.last_held_by} last" if answer.last_held_by else ""
        output.say(f"Nobody holds it now{left}.")


@offer(app, "user")
def user(
    session: Session,
    canonical_id: Annotated[str, typer.Argument(metavar="ID", help="A canonical_id, old or new.")],
    *,
    profile: Annotated[bool, typer.Option("--profile", help="Show the profile too.")] = False,
) -> None:
    """A user: its identities now, and those that left.

    \b
    Example:
      idweave user 4183427905582315520
      idweave user 4183427905582315520 --profile
    """
    project, output = session.project_name, session.output
    with session.reading() as engine:
        answer = engine.user(project, canonical_id)
        told = engine.profile(project, canonical_id) if profile else None
    if output.json:
        output.document(answer if told is None else {"user": answer, "profile": told})
        return
    show_user(answer, output)
    if told is not None:
        rows = sorted(told.properties.items())
        output.say()
        output.table(("property", "value"), rows, title=f"Profile ({len(rows)})", folds=("value",))


def show_user(answer: UserAnswer, output: Output) -> None:
    """A user as a card."""
    output.say()
    output.say(f"User {answer.canonical_id}", style="bold cyan")
    if answer.asked != answer.canonical_id:
        output.say(f"{answer.asked} is an older name of it")
    output.say(f"project {visible(answer.project)}, founded {time_text(answer.founded_at_ms)}")
    if answer.names:
        output.say(f"merged from {', '.join(answer.names)}")
    held = [
        (
            *one.identity,
            time_text(one.first_seen_ms),
            time_text(one.last_seen_ms),
            "crowded" if one.crowded else "",
        )
        for one in answer.identities
    ]
    output.say()
    columns = ("key", "value", "first seen", "last seen", "")
    output.table(columns, held, title=f"Identities ({len(held)})")
    if answer.former:
        rows = [(*one.identity, time_text(one.left_at_ms)) for one in answer.former]
        output.say()
        output.table(("key", "value", "left"), rows, title=f"Left ({len(rows)})")


@offer(app, "events")
def events(
    session: Session,
    canonical_id: Annotated[str, typer.Argument(metavar="ID", help="A canonical_id, old or new.")],
    *,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    attribution: Annotated[
        str,
        typer.Option(
            metavar="|".join(ATTRIBUTIONS),
            help="Whose an event is: as it was seen, merges followed; or its identity's owner now.",
        ),
    ] = ATTRIBUTIONS[0],
) -> None:
    """A user's events, newest first.

    \b
    Example:
      idweave events 4183427905582315520 --limit 50
      idweave events 4183427905582315520 --attribution latest --json
    """
    output = session.output
    with session.reading() as engine:
        page = engine.events(
            session.project_name, canonical_id, attribution=attribution, cursor=cursor, limit=limit
        )
    if output.json:
        found = [event_json(event) for event in page.events]
        output.document({"events": found, "next_cursor": page.next_cursor})
        return
    rows = [_event_row(event) for event in page.events]
    output.table(("time", "type", "event", "sent by", "reference"), rows)
    if page.next_cursor:
        output.note(f"more: --cursor {page.next_cursor}")


def event_json(event: Event) -> dict[str, object]:
    """An event for machines: the answer's fields and its reference."""
    return {
        "reference": event.reference,
        "time_ms": event.time_ms,
        "event_id": event.event_id,
        "type": event.type,
        "canonical_id": event.canonical_id,
        "received_at_ms": event.received_at_ms,
        "record": event.record,
    }


def _event_row(event: Event) -> tuple[str, ...]:
    record = event.record or {}
    lib = record.get("lib")
    sender = lib.get("$lib", "") if isinstance(lib, dict) else ""
    name = record.get("event") or ""
    return (time_text(event.time_ms), event.type, str(name), str(sender), event.reference)


@offer(app, "refusals")
def refusals(
    session: Session,
    *,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Only of this user.")] = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
) -> None:
    """Identities that the rules did not let in, and why; newest first.

    \b
    Example:
      idweave refusals
      idweave refusals --user 4183427905582315520
    """
    output, offset = session.output, number_typed(cursor, "cursor")
    with session.reading() as engine:
        found = engine.refusals(
            session.project_name, canonical_id=user, offset=offset, limit=limit + 1
        )
    found, more = found[:limit], str(offset + limit) if len(found) > limit else None
    if output.json:
        output.document({"refusals": found, "next_cursor": more})
        return
    if not found:
        output.say("No refusals." if not offset else "No more refusals.")
        return
    rows = [(one.home or "-", *one.identity, one.reason, one.count, one.last) for one in found]
    output.table(("user", "key", "value", "reason", "times", "last event"), rows, right=("times",))
    for reason, meaning in sorted({(one.reason, one.meaning) for one in found}):
        output.say(f"{reason}: {meaning}")
    if more:
        output.note(f"more: --cursor {more}")


@offer(app, "stats")
def stats(session: Session) -> None:
    """What a project received, and whom that makes; all projects where none is named.

    \b
    Example:
      idweave stats
      idweave stats --project shop --json
    """
    output = session.output
    with session.reading() as engine:
        named = [session.project] if session.project else engine.project_names()
        found = [engine.stats(name) for name in named]
    if output.json:
        output.document(found)
        return
    columns = ("project", "received", "accepted", "rejected", "duplicates", "users", "identities")
    output.table(columns, map(_stats_row, found), right=columns[1:])
    rejected = [(one.project, *row) for one in found for row in one.rejections_by_code.items()]
    if rejected:
        output.say()
        output.table(("project", "rejected", "records"), rejected, right=("records",))
    output.say()
    output.say(f"The store takes {bytes_text(max((one.store_bytes for one in found), default=0))}.")


def _stats_row(one: Stats) -> tuple[str, ...]:
    counts = (one.received, one.accepted, one.rejected, one.duplicates, one.users, one.identities)
    return (one.project, *map(number_text, counts))
