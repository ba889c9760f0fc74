"""``doctor``: is everything as it should be, and what to do where it is not."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from idweave.config import FILE_NAME, server_settings
from idweave.core.errors import IdweaveError
from idweave.engine.engine import Engine
from idweave.stores import OpenStore
from idweave.stores.sqlite.health import NEWEST_VERSION, Health, examine, held_by
from idweave.stores.sqlite.store import filling_path

from .applying import fix_of
from .exits import Exit
from .listening import port_findings
from .offering import offer
from .output import bytes_text, number_text, time_text, visible
from .session import Session, clock, store_path

app = typer.Typer()

ROOM_WARN_BYTES = 1024 * 1024 * 1024
ROOM_FAIL_BYTES = 100 * 1024 * 1024
"""Free room: a day of a busy collector; and what a checkpoint and its log may need at once."""

WAL_WARN_BYTES = 256 * 1024 * 1024
"""Sixteen times the size at which the log is folded back: something keeps it from that."""

CLOCK_LEAST_MS = 1_735_689_600_000
"""2025-01-01: a clock before it was never set."""

CLOCK_BACK_MS = 60_000
"""How far the newest record may be ahead of the clock: steps of a second are everyday."""


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do."""

    level: Level
    about: str
    text: str
    fix: str = ""


Findings = Iterator[Finding]


@offer(app, "doctor")
def doctor(
    session: Session,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not read the whole store file.")
    ] = False,
) -> Exit:
    """Check settings, store, counts, clock and ports, and say what to do about each.

    The exit code is 1 where anything fails. It changes nothing and runs beside a server.

    \b
    Example:
      idweave doctor
      idweave doctor --quick --json
    """
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += check(session, quick)
        except IdweaveError as error:
            found.append(Finding(Level.FAIL, check.__name__, str(error), error.fix))
            if check is settings:
                break
    output = session.output
    if output.json:
        output.document([finding._asdict() for finding in found])
    for finding in found if not output.json else ():
        word = Text(f"{finding.level.value:5}", style=STYLES[finding.level])
        about = Text(f"{finding.about:10}", style="dim")
        output.console.print(word + about + Text(visible(finding.text)), soft_wrap=True)
        if finding.fix and finding.level is not Level.OK:
            output.console.print(Text(" " * 15 + "fix: " + visible(finding.fix)), soft_wrap=True)
    return Exit.FAILED if any(one.level is Level.FAIL for one in found) else Exit.DONE


# -- settings --------------------------------------------------------------------------------------


def settings(session: Session, quick: bool) -> Findings:  # noqa: FBT001 - a row of CHECKS
    """The settings can be read, and say what they were meant to."""
    found = session.settings
    origin = found.file or f"defaults, as there is no {FILE_NAME} here"
    yield Finding(Level.OK, "settings", str(origin))
    for name in found.unread:
        fix = "Correct its name, or remove it: `idweave config show` lists the settings."
        yield Finding(Level.WARN, "settings", f"{name} is set, and no setting is called so.", fix)


def projects(session: Session, quick: bool) -> Findings:  # noqa: FBT001 - a row of CHECKS
    """Every project's policy is sound."""
    for name, project in session.projects.items():
        policy = session.settings.project(name).policy
        yield Finding(Level.OK, "project", f"{name}: {policy}, {len(project.policy.keys)} keys")


# -- store -----------------------------------------------------------------------------------------


def store(session: Session, quick: bool) -> Findings:  # noqa: FBT001 - a row of CHECKS
    """The store's file is there, ours, sound, and has room."""
    path = store_path(session.settings.store_url)
    if path is None:
        fix = "Set store.url to the path of a file."
        yield Finding(Level.WARN, "store", "It is in memory: it ends with its process.", fix)
        return
    yield from _room(path)
    yield from _unfinished(path)
    if not path.exists():
        fix = "`idweave serve` or `idweave import` makes it; or name another with --store."
        yield Finding(Level.WARN, "store", f"There is none at {path} yet.", fix)
        return
    try:
        health = examine(path, thorough=not quick)
    except sqlite3.Error as error:
        fix = "Put a copy back, or name another file with --store."
        yield Finding(Level.FAIL, "store", f"{path} is no sound SQLite file: {error}.", fix)
        return
    yield from _file(path, health)
    if health.is_ours and health.schema_version <= NEWEST_VERSION:
        with session.opened(read_only=True) as opened:
            yield from _content(session, opened)


def _room(path: Path) -> Findings:
    folder = next(one for one in (path.parent, *path.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(folder).free
    fix = f"Make room where {folder.absolute()} is: past the last byte nothing is accepted."
    level = Level.OK if free >= ROOM_WARN_BYTES else Level.WARN
    level = Level.FAIL if free < ROOM_FAIL_BYTES else level
    yield Finding(level, "disk", f"{bytes_text(free)} free", fix)


def _unfinished(path: Path) -> Findings:
    """What an import fills, or has left when it was killed."""
    left = filling_path(path)
    if not left.exists():
        return
    size, pid = bytes_text(left.stat().st_size), held_by(path)
    if pid:
        yield Finding(Level.OK, "store", f"process {pid} fills it: {size} in {left}")
        return
    fix = "Import again: that deletes it and begins anew."
    yield Finding(Level.WARN, "store", f"a killed import left {left}, {size}", fix)


def _file(path: Path, health: Health) -> Findings:
    if not health.is_ours:
        fix = "Name another file with --store."
        yield Finding(Level.FAIL, "store", f"{path} is a database, but not an idweave store.", fix)
        return
    version, known = health.schema_version, NEWEST_VERSION
    size = bytes_text(path.stat().st_size)
    newer = Finding(
        Level.FAIL,
        "store",
        f"{path} has schema version {version}; this idweave knows {known}.",
        "Upgrade idweave.",
    )
    sound = Finding(Level.OK, "store", f"{path}: {size}, schema version {version}")
    yield newer if version > known else sound
    for flaw in health.flaws or ():
        fix = "Stop writing, copy the file, and put back the last sound copy."
        yield Finding(Level.FAIL, "store", f"SQLite finds: {flaw}", fix)
    if health.flaws == ():
        yield Finding(Level.OK, "store", "every page and index is sound")
    yield from _log(health)
    pid = held_by(path)
    text = f"process {pid} writes to it" if pid else "no process writes to it"
    yield Finding(Level.OK, "store", text)


def _log(health: Health) -> Findings:
    fix = "Look for a reader that never ends; the log is folded back when it has gone."
    level = Level.WARN if health.wal_bytes > WAL_WARN_BYTES else Level.OK
    yield Finding(level, "store", f"write-ahead log: {bytes_text(health.wal_bytes)}", fix)
    if health.log is None or not health.log.lost:
        return
    kept, lost = map(number_text, (health.log.commits, health.log.lost))
    text = f"the write-ahead log is damaged: {kept} commits are read, {lost} behind them are not"
    fix = "Copy the store's files before anything writes; then go on with what is read."
    if health.log.lost == 1:
        text += ", as a power loss leaves one that was never acknowledged"
    yield Finding(Level.WARN if health.log.lost == 1 else Level.FAIL, "store", text, fix)


def _content(session: Session, opened: OpenStore) -> Findings:
    engine = Engine(opened, session.projects, clock=clock)
    yield from _counts(session, engine)
    for name in engine.unapplied():
        text = f"{name}: the configuration names another policy than the one in force"
        yield Finding(Level.WARN, "policy", text, fix_of(session, name))
    newest = opened.high_marks().payload
    with opened.reader() as reader:
        said = reader.payload(newest) if newest else None
    if said is not None and said.received_at_ms > clock() + CLOCK_BACK_MS:
        fix = "Set the clock right: times of records without one come from it."
        text = f"the newest record came at {time_text(said.received_at_ms)}, which is still to come"
        yield Finding(Level.WARN, "clock", text, fix)


def _counts(session: Session, engine: Engine) -> Findings:
    """Law L4: received = accepted + rejected + duplicates."""
    for name in engine.project_names():
        one = engine.stats(name)
        parts = (one.accepted, one.rejected, one.duplicates)
        text = f"{number_text(one.received)} received = " + " + ".join(map(number_text, parts))
        words = f"{name}: {text} (accepted, rejected, duplicates)"
        if one.received != sum(parts):
            fix = "Report this: `idweave replay --verify` tells whether the graph is right."
            yield Finding(Level.FAIL, "counts", f"These do not add up: {words}", fix)
        elif name not in session.projects and one.received:
            fix = "Declare the project in the settings, then `idweave rejections retry`."
            yield Finding(Level.WARN, "counts", f"{words}, and nobody declared it", fix)
        else:
            yield Finding(Level.OK, "counts", words)


# -- surroundings ----------------------------------------------------------------------------------


def time(session: Session, quick: bool) -> Findings:  # noqa: FBT001 - a row of CHECKS
    """The clock was set."""
    now_ms = clock()
    fix = "Set the clock: live records are held against it."
    level = Level.OK if now_ms >= CLOCK_LEAST_MS else Level.FAIL
    yield Finding(level, "clock", time_text(now_ms), fix)


def ports(session: Session, quick: bool) -> Findings:  # noqa: FBT001 - a row of CHECKS
    """Both listeners can listen, or do."""
    for problem, about, text, fix in port_findings(server_settings(session.settings)):
        yield Finding(Level.FAIL if problem else Level.OK, about, text, fix)


Check = Callable[[Session, bool], Findings]

CHECKS: tuple[Check, ...] = (settings, projects, store, time, ports)
"""What is looked at, in this order. After bad settings there is nothing to look at."""
