"""The command ``import``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Annotated

import typer

from idweave.batch.files.content import Content
from idweave.batch.parcels import Asked
from idweave.batch.spreading import spread
from idweave.core.record import Project
from idweave.engine.engine import Engine

from ..exits import Exit
from ..offering import offer
from ..session import Session, clock
from .filling import Filling, without_collector, workers_for
from .marks import Marks
from .run import Import, Stop, stoppable
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
    The exit code is 5 where there are any. A fresh store is filled at once, in several processes:
    it appears when it is whole.

    \b
    Example:
      idweave import events.jsonl
      idweave import 2024-*.jsonl.gz --project shop
      zcat old.gz | idweave import -
    """
    session.settings.project(session.project_name)
    believed = {name: replace(one, token=None) for name, one in session.projects.items()}
    with ExitStack() as opened, stoppable() as stop:
        contents = [opened.enter_context(closing(Content(name))) for name in files]
        if session.is_fresh():
            try:
                tallies = _fill(session, contents, believed, stop)
            except KeyboardInterrupt:
                session.output.note("stopped at once: nothing was imported; run it again")
                return Exit.STOPPED
        else:
            tallies = _add(session, contents, believed, (stop, again))
    return summary(tallies, session.output)


def _add(
    session: Session,
    contents: Sequence[Content],
    believed: Mapping[str, Project],
    how: tuple[Stop, bool],
) -> list[Tally]:
    """Import into a store that holds something."""
    tallies, (stop, again), project = list[Tally](), how, session.project_name
    with session.opened() as store:
        engine = Engine(store, believed, clock=clock)
        for content in contents:
            run = Import(engine, Marks(store, project), project, stop)
            tallies.append(run.read(content, session.output, again=again))
            if stop.is_asked:
                break
    return tallies


def _fill(
    session: Session, contents: Sequence[Content], believed: Mapping[str, Project], stop: Stop
) -> list[Tally]:
    """Fill a fresh store."""
    tallies, asked = list[Tally](), Asked(believed, session.project_name)
    with session.filling() as store, spread(workers_for(contents)) as many, without_collector():
        run = Filling(store, asked, many, stop)
        for content in contents:
            tallies.append(run.read(content, session.output))
            if stop.is_asked:
                break
        run.finish(session.output)
    return tallies
