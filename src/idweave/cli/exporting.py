"""``export``: the graph of a project as sorted JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from idweave.core.errors import InputError, NotFound
from idweave.engine.access import export_person

from .exits import Exit
from .keys import identity_typed
from .offering import offer
from .output import exact_stdout, number_text
from .resolving import ForceOption, FormatOption, known_format, shown, stopped
from .session import Session

app = typer.Typer()


@offer(app, "export")
def export(
    session: Session,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Instead of stdout.")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The tables of resolve, in a new folder.")
    ] = None,
    form: FormatOption = "parquet",
    force: ForceOption = False,
) -> Exit:
    """Every user of a project, then every refusal, as sorted JSON lines; always JSON.

    The same graph gives the same bytes: compare two with diff. With --tables its users,
    identities and events as tables, those that idweave resolve makes of files.

    \b
    Example:
      idweave export > graph.jsonl
      idweave export --project shop -o shop.jsonl
      idweave export --tables users
    """
    if tables is not None:
        try:
            _export_tables(session, tables, known_format(form), force=force)
        except KeyboardInterrupt:
            return stopped(session.output)
        return Exit.DONE
    with session.reading() as engine:
        lines = engine.export(session.project_name)
        if out is None:
            exact_stdout()
            for line in lines:
                sys.stdout.write(line + "\n")
            return Exit.DONE
        count = 0
        try:
            with out.open("w", encoding="utf-8", newline="\n") as file:
                for line in lines:
                    file.write(line + "\n")
                    count += 1
        except OSError as error:
            fix = "Name a file in a folder that exists and can be written."
            raise InputError(f"{out} cannot be written: {error.strerror}.", fix=fix) from None
    if session.output.json:
        session.output.document({"file": str(out), "lines": count})
    session.output.say(f"{out}: {number_text(count)} lines.")
    return Exit.DONE


def _export_tables(session: Session, tables: Path, form: str, *, force: bool) -> None:
    from idweave.batch.spreading import spread
    from idweave.batch.stored import Source, export_tables
    from idweave.batch.writing import folder

    project = session.project_name
    session.settings.project(project)
    with (
        session.opened(read_only=True) as store,
        spread(None) as many,
        folder(tables, form=form, force=force) as made,
        shown(session.output) as show,
    ):
        users = export_tables(Source(store, session.in_force, project), made, many, show)
    if session.output.json:
        session.output.document({"out": str(tables), "rows": made.rows})
    session.output.say(f"{tables}: {number_text(users)} users.")


@offer(app, "export-person")
def export_one(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key of one of its identities.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value.")],
) -> None:
    """Everything that is held about one person, as one JSON document; always JSON.

    Identities with their times, older names, events with their records as sent, the profile, how
    the user was made, refusals, what operators stated, and rejected records that carry one of its
    values.

    \b
    Example:
      idweave export-person mobile 13800000000 > person.json
    """
    project = session.project_name
    identity = identity_typed(key, value, session.policy(project))
    with session.reading() as engine:
        holder = engine.lookup(project, identity)
        name = holder.last_held_by if holder.user is None else holder.user.canonical_id
        if name is None:
            fix = "`idweave lookup` tells what is known of it."
            raise NotFound(f"No user ever held {identity}.", fix=fix)
        found = export_person(engine, project, name)
    session.output.document(found)
