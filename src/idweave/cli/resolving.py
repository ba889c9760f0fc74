"""The command ``resolve``: files in, tables out, by the same rules as the server's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idweave.config import load_policy
from idweave.core.errors import InputError
from idweave.core.record import Project

from .exits import Exit
from .offering import offer
from .output import Output, number_text, report_error, visible
from .progress import progress
from .session import Session, clock

if TYPE_CHECKING:
    from idweave.batch.outcome import Outcome
    from idweave.batch.run import Heard, Show
    from idweave.batch.writing import Folder

app = typer.Typer()

PHASES = {"read": "reading", "resolve": "resolving", "write": "writing"}

FormatOption = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="parquet, jsonl or csv.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace tables that are there, once the new are whole.")
]

PolicyOption = Annotated[
    str | None, typer.Option(metavar="PRESET|FILE", help="Which rules; instead of the project's.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=KEY", help="What a column is; - leaves it out."),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Carry a column (properties.NAME) into events."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, max=16, help="Processes at once; else one for each processor."),
]


@offer(app, "resolve", without=frozenset({"store"}))
def resolve(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines, Parquet or CSV; folders; patterns."),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A new folder.")],
    policy: PolicyOption = None,
    maps: MapOption = None,
    keep: KeepOption = None,
    form: FormatOption = "parquet",
    force: ForceOption = False,
    workers: WorkersOption = None,
) -> Exit:
    """Say who is who in files, without a store: tables of users, identities and events.

    Files are JSON lines of records or of saved requests (plain, gzip or zstd), Parquet, or CSV.
    Columns of tables are known by their names; --map tells what a name does not. What cannot be
    used lands in the table rejections, the rest is resolved, and the exit code is 5. The folder
    appears when all of it is written.

    \b
    Example:
      idweave resolve events/ --out users
      idweave resolve 'raw/*.jsonl.gz' --out users --policy rules.toml
      idweave resolve orders.csv --out users --map buyer=$identity_login_id --keep amount
    """
    from idweave.batch.mapping import parse_map
    from idweave.batch.run import Job, found_files, resolve_files
    from idweave.batch.spreading import spread
    from idweave.batch.writing import folder

    project = _project(session, policy)
    mapping, kept = parse_map(maps or ()), tuple(dict.fromkeys(keep or ()))
    job = Job(found_files(files), project, clock(), mapping, kept)
    output = session.output
    form = known_format(form)
    try:
        with (
            spread(workers) as many,
            folder(out, form=form, force=force) as made,
            shown(output) as show,
        ):
            heard, outcome = resolve_files(job, made, many, show)
    except KeyboardInterrupt:
        return stopped(output)
    return _summary(heard, outcome, made, output)


def stopped(output: Output) -> Exit:
    """Say what Ctrl-C left of tables: nothing."""
    output.note("stopped: no tables were written, and older ones are as they were; run it again")
    return Exit.STOPPED


def _project(session: Session, policy: str | None) -> Project:
    name = session.project_name
    session.settings.project(name)
    found = replace(session.projects[name], token=None)
    return found if policy is None else replace(found, policy=load_policy(policy))


def known_format(form: str) -> str:
    """A format that tables can be written in; raises InputError."""
    from idweave.batch.writing import FORMATS

    if form not in FORMATS:
        fix = f"Use one of: {', '.join(FORMATS)}."
        raise InputError(f"{form[:20]!r} is no format of tables.", fix=fix)
    return form


@contextmanager
def shown(output: Output) -> Iterator[Show]:
    """Progress in phases, each with a bar of its own."""
    bars: dict[str, Any] = {}
    opened: list[Any] = []

    def close() -> None:
        if opened:
            opened.pop().__exit__(None, None, None)

    def show(phase: str, done: int, total: int | None, events: int) -> None:
        if phase not in bars:
            close()
            bar = progress(output, PHASES[phase], total, things="events")
            bars[phase] = bar.__enter__()
            opened.append(bar)
        bars[phase].show(done, events)

    try:
        yield show
    finally:
        close()


# -- what came of it -------------------------------------------------------------------------------


def _summary(heard: Heard, outcome: Outcome, made: Folder, output: Output) -> Exit:
    codes = Counter(one.code for one in heard.rejections)
    told = {file: columns.told() for file, columns in heard.mappings.items()}
    if output.json:
        document = {
            "out": str(made.path),
            "counts": heard.counts,
            "rows": made.rows,
            "rejected_by_code": dict(sorted(codes.items())),
            "mappings": told,
            "flaws": [flaw.message for flaw in heard.flaws],
        }
        output.document(document)
    else:
        _say(heard, outcome, made, output)
        for words in sorted({" ".join(f"--map {one}" for one in told[file]) for file in told}):
            output.note(f"columns were read as {visible(words)}")
        if codes:
            counted = [(code, number_text(count)) for code, count in sorted(codes.items())]
            output.say()
            output.table(("rejected", "records"), counted, right=("records",))
            output.say(f"{made.path / 'rejections'}.{made.form} says where and why.")
    for flaw in heard.flaws:
        report_error(flaw, output)
    if heard.flaws:
        return Exit.FAILED
    return Exit.REJECTED if codes else Exit.DONE


def _say(heard: Heard, outcome: Outcome, made: Folder, output: Output) -> None:
    rows = [(name, number_text(count)) for name, count in heard.counts.items()]
    output.table(("records", "count"), rows, right=("count",))
    output.say()
    tables = [(f"{name}.{made.form}", number_text(count)) for name, count in made.rows.items()]
    output.table(("table", "rows"), tables, right=("rows",))
    output.say()
    share = 100 * outcome.contested_facts / max(len(outcome.events), 1)
    output.say(f"{made.path}: {number_text(len(outcome.users.names))} users.", style="bold")
    output.say(f"Order mattered for {share:.1f} % of the events; the rest just unite.")
