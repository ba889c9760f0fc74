"""The command ``import``."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Annotated

import typer

from idweave.batch.files.content import Content
from idweave.engine.engine import Engine

from ..applying import warn_unapplied
from ..exits import Exit
from ..offering import offer
from ..session import Session, clock
from .marks import Marks
from .run import Import, stoppable
from .tally import Tally, summary

app = typer.Typer()


@offer(app, "import")
def import_files(
    session: Session,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON lines; - is stdin.")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Read from the start what an import left unfinished.")
    ] = False,
) -> Exit:
    """Import files of records or of saved requests, one JSON object a line, plain, gzip or zstd.

    Times are not held to the time window, and no token is asked for: whoever may write the store
    is believed. What is in already is a duplicate, so a file can be imported again; an
    interrupted import goes on where it stopped. Lines that cannot be used are kept as rejections.
    The exit code is 5 where there are any.

    \b
    Example:
      idweave import events.jsonl
      idweave import 2024-*.jsonl.gz --project shop
      zcat old.gz | idweave import -
    """
    project = session.project_name
    session.settings.project(project)
    believed = {name: replace(one, token=None) for name, one in session.projects.items()}
    tallies: list[Tally] = []
    with ExitStack() as opened, stoppable() as stop:
        contents = [opened.enter_context(closing(Content(name))) for name in files]
        store = opened.enter_context(session.opened())
        engine = Engine(store, believed, clock=clock)
        warn_unapplied(engine, session)
        for content in contents:
            run = Import(engine, Marks(store, project), project, stop)
            tallies.append(run.read(content, session.output, again=again))
            if stop.is_asked:
                break
    return summary(tallies, session.output)
