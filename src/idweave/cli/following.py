"""``changes``: what changed of who is who, and what changes from now on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from idweave.core.errors import NotFound
from idweave.engine.engine import PAGE_MAX, Engine
from idweave.engine.following import ChangeAnswer
from idweave.ports import ChangeKind

from .keys import sound_text
from .offering import LimitOption, number_typed, offer
from .output import time_text, visible
from .session import Session

app = typer.Typer()

LOOK_S = 0.25
"""How often the store is asked while nothing happens: a look takes some 50 µs, and a person sees
no difference."""

SENTENCES: dict[ChangeKind, str] = {
    ChangeKind.CREATED: "{user} is a new user",
    ChangeKind.JOINED: "{identity} joined {user}",
    ChangeKind.LEFT: "{identity} left {user}{reason}",
    ChangeKind.MERGED: "{other} was merged into {user}",
    ChangeKind.SPLIT: "{user} was split from {other}",
    ChangeKind.RENAMED: "{other} is called {user} now",
    ChangeKind.GONE: "{user} is no more",
    ChangeKind.ERASED: "{user} was erased",
}
MOVED = "{identity} moved from {other} to {user}"

REASONS = {
    "unbind": "it was unbound",
    "detach": "an operator detached it",
    "evicted": "it made room for another value",
    "parent": "it left with its parent",
    "crowded": "too many users asked for it",
    "anew": "what had brought it was decided anew",
}
"""Why an identity left, in words."""

Wanted = Callable[[ChangeAnswer], bool]
"""Whether a change is to be shown."""


@offer(app, "changes")
def changes(
    session: Session,
    *,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Those after this one; without: the last.")
    ] = None,
    limit: LimitOption = 20,
    kind: Annotated[
        list[ChangeKind] | None, typer.Option(help="Only of this kind; may be repeated.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Only about this user, by any of its names.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
) -> None:
    """What changed of who is who, and why: one line a change, oldest first; JSON lines with --json.

    With --follow it begins with the last --limit changes, or right after --after, and goes on,
    also beside a running server. The cursor to go on from is named at the end, on stderr.

    \b
    Example:
      idweave changes
      idweave changes --kind merged --kind split --limit 50
      idweave changes --follow --after 0 --json
    """
    with session.reading() as engine:
        teller = _Teller(engine, session)
        teller.wanted = _wanted(engine, session.project_name, kind, user)
        if after is None:
            teller.last(limit)
        else:
            teller.cursor = number_typed(after, "cursor")
            teller.go_on(None if follow else limit)
        with suppress(KeyboardInterrupt):
            while follow:
                session.output.flush()
                time.sleep(LOOK_S)
                teller.go_on(None)
    if not (teller.shown or follow or session.output.json):
        session.output.say("No changes.")
    session.output.note(f"go on with --after {teller.cursor}")


def _wanted(
    engine: Engine, project: str, kinds: list[ChangeKind] | None, user: str | None
) -> Wanted:
    """What the options ask for. A user is meant by any name that it ever had."""
    among = set(kinds or ChangeKind)
    if user is None:
        return lambda one: one.kind in among
    names = {sound_text(user)}
    with suppress(NotFound):  # a name that leads nowhere now may still have changes
        found = engine.user(project, user)
        names |= {found.canonical_id, *found.names}
    return lambda one: one.kind in among and not names.isdisjoint((one.canonical_id, one.other_id))


class _Teller:
    """Shows changes, and knows the cursor to go on from."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self.cursor = 0
        self.shown = 0
        self.wanted: Wanted = bool
        self._engine = engine
        self._project = session.project_name
        self._output = session.output

    def last(self, limit: int) -> None:
        """Show the last changes that are wanted, looked for from the end."""
        found: list[ChangeAnswer] = []
        self.cursor = end = int(self._engine.changes(self._project, limit=1).last_cursor)
        while end > 0 and len(found) < limit:
            start = max(0, end - PAGE_MAX)
            page = self._engine.changes(self._project, after=start, limit=end - start)
            found = [*filter(self.wanted, page.changes), *found]
            end = start
        for one in found[-limit:]:
            self._show(one)

    def go_on(self, most: int | None) -> None:
        """Show what comes after the cursor, at most so many."""
        left = most
        ask = partial(self._engine.changes, self._project, limit=PAGE_MAX)
        while page := ask(after=self.cursor).changes:
            for one in page:
                self.cursor = int(one.cursor)
                if self.wanted(one):
                    self._show(one)
                    left = None if left is None else left - 1
                if left == 0:
                    return

    def _show(self, one: ChangeAnswer) -> None:
        self.shown += 1
        if self._output.json:
            self._output.line(one)
        else:
            cursor, moment = one.cursor.rjust(6), time_text(one.recorded_at_ms)
            self._output.say(f"{cursor}  {moment}  {sentence_of(one)}{_cause(one)}")


def sentence_of(one: ChangeAnswer) -> str:
    """A change in words."""
    identity = "an identity that was erased" if one.key is None else f"{one.key}={one.value}"
    moved = one.kind is ChangeKind.JOINED and one.other_id is not None
    form = MOVED if moved else SENTENCES[one.kind]
    reason = f": {REASONS[one.reason]}" if one.reason else ""
    named = {"user": one.canonical_id, "other": one.other_id, "identity": visible(identity)}
    return form.format(**named, reason=reason)


def _cause(one: ChangeAnswer) -> str:
    if one.operator_id is not None:
        return f"  (operator fact {one.operator_id})"
    return f"  ({visible(one.event)})" if one.event else ""
