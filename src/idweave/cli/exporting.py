"""``export``: the graph of a project as sorted JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from idweave.core.errors import InputError, NotFound
from idweave.engine.access import PersonExport, export_person

from .exits import Exit
from .keys import identity_typed
from .offering import offer
from .output import as_json, exact_stdout, number_text
from .resolving import ForceOption, FormatOption, known_format, shown, stopped
from .session import Session

app = typer.Typer()

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


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
    *,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="json, or csv: a file for each list.")
    ] = "json",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="With csv: a new folder.")
    ] = None,
) -> None:
    """Everything that is held about one person, as one JSON document or as CSV files.

    Identities with their times, older names, events with their records as sent, the profile, how
    the user was made, refusals, what operators stated, events that they took out, and rejected
    records that carry one of its values.

    \b
    Example:
      idweave export-person mobile 13800000000 > person.json
      idweave export-person mobile 13800000000 --format csv --out person
    """
    if form not in ("json", "csv") or (form == "csv") != (out is not None):
        fix = "Use --format csv with --out DIR, or neither for JSON on stdout."
        raise InputError("A person is exported as json, or as csv into a folder.", fix=fix)
    project = session.project_name
    identity = identity_typed(key, value, session.policy(project))
    with session.reading() as engine:
        holder = engine.lookup(project, identity)
        name = holder.last_held_by if holder.user is None else holder.user.canonical_id
        if name is None:
            fix = "`idweave lookup` tells what is known of it."
            raise NotFound(f"No user ever held {identity}.", fix=fix)
        found = export_person(engine, project, name)
    if out is None:
        session.output.document(found)
        return
    rows = write_csv(found, out)
    if session.output.json:
        session.output.document({"out": str(out), "rows": rows})
    for file, count in rows.items():
        session.output.say(f"{out / file}: {number_text(count)} rows.")


def write_csv(found: PersonExport, out: Path) -> dict[str, int]:
    """A person as CSV files in a new folder, one for each list that holds anything; returns the
    rows of each. What is nested is JSON in its cell. Raises InputError."""
    told: dict[str, Any] = as_json(found)
    user, profile = told.pop("user"), told.pop("profile")
    lists: dict[str, list[dict[str, Any]]] = {
        "identities": user.pop("identities"),
        "former": user.pop("former"),
        "names": [{"canonical_id": name} for name in user.pop("names")],
        "user": [user],
        "profile": [{"property": k, "value": v} for k, v in profile["properties"].items()],
        **told,
    }
    rows: dict[str, int] = {}
    try:
        out.mkdir()
        for name, listed in lists.items():
            if listed:
                _write_table(out / f"{name}.csv", listed)
                rows[f"{name}.csv"] = len(listed)
    except OSError as error:
        fix = "Name a new folder, in one that exists and can be written."
        raise InputError(f"{out} cannot be written: {error.strerror}.", fix=fix) from None
    return rows


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def _cell(value: Any) -> Any:
    """A value as a cell; text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value
