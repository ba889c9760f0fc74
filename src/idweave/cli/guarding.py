"""``guard``: what looks like many people taken for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import typer

from idweave.engine.guarding import GuardReport

from .offering import offer
from .output import Output, time_text
from .session import Session

app = typer.Typer()


@offer(app, "guard")
def guard(session: Session) -> None:
    """What looks like many people taken for one: users, identities, events; and what to do.

    Nothing is changed.

    \b
    Example:
      idweave guard
      idweave guard --project shop --json
    """
    output = session.output
    with session.reading() as engine:
        found = engine.guard(session.project_name)
    if output.json:
        output.document(found)
        return
    _show(found, output)


def _show(found: GuardReport, output: Output) -> None:
    user = ("user", "identities", "joined last week", "people")
    _list(output, "Largest users", (user, map(_user, found.largest)), found.largest)
    growing = [row for row in found.growing if row.joined_lately > 1]
    _list(output, "Growing fastest", (user, map(_user, growing)), growing)
    rows = [(one.key, one.value, one.people, one.events) for one in found.shared]
    columns: Sequence[str] = ("key", "value", "people", "events")
    _list(output, "Shared by several people", (columns, rows), found.shared)
    crowded = [
        (one.key, one.value, time_text(one.since_ms), one.holder or "nobody", ", ".join(one.askers))
        for one in found.crowded
    ]
    columns = ("key", "value", "since", "held by", "asked for by")
    _list(output, "Crowded", (columns, crowded), found.crowded)
    bridges = [
        (one.reference, one.survivor, one.survivor_identities, one.absorbed_identities)
        for one in found.bridges
    ]
    columns = ("event", "made one user", "it held", "the other held")
    _list(output, "Bridges", (columns, bridges), found.bridges)
    keys = [(one.key, one.identities, one.without_person) for one in found.without_person]
    columns = ("key", "identities", "without a person")
    _list(output, "Keys without a person", (columns, keys), found.without_person)


def _user(row: Any) -> tuple[object, ...]:
    return (row.canonical_id, row.identities, row.joined_lately, row.people)


Shown = tuple[Sequence[str], Iterable[Sequence[object]]]


def _list(output: Output, title: str, shown: Shown, rows: Sequence[Any]) -> None:
    columns, cells = shown
    output.say()
    if not rows:
        output.say(f"{title}: none.", style="dim")
        return
    output.table(columns, cells, title=f"{title} ({len(rows)})")
    output.say(f"What to do: {rows[0].fix}")
