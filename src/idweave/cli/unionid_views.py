"""What ``idweave unionid`` prints: tables and bars for people, JSON for machines."""

from __future__ import annotations

import json as to_json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from idweave.core.errors import IdweaveError, InputError
from idweave.unionid import mock, wechat
from idweave.unionid.apps import App
from idweave.unionid.errors import DecryptionError, PlatformError
from idweave.unionid.login import Login
from idweave.unionid.opening import Opened
from idweave.unionid.overlap import Overlap, reason_text
from idweave.unionid.picture import headline, subline
from idweave.unionid.rebinding import Rebound
from idweave.unionid.state import Alarm
from idweave.unionid.sync import Progress, Tally

ALARMS_SHOWN = 20
COMBINATIONS_SHOWN = 15

PIPE_COLUMNS = 160
"""The width of tables where no terminal says its own."""


def say(text: str, style: str = "") -> None:
    """One line for people."""
    _console().print(Text(_plain(text), style=style), soft_wrap=True)


def say_json(answer: Any) -> None:
    """The answer for machines."""
    sys.stdout.write(to_json.dumps(answer, ensure_ascii=False, indent=2) + "\n")


def complain(error: IdweaveError, *, json: bool) -> None:
    """What went wrong and what to do, on stderr; with ``json`` as data."""
    if json:
        told: dict[str, Any] = {"code": error.code, "message": error.message, "fix": error.fix}
        if isinstance(error, PlatformError):
            refused = error.refused
            told |= {"errcode": refused.errcode, "rid": refused.rid, "appid": refused.appid}
        if isinstance(error, DecryptionError):
            told["errcode"] = error.errcode
        sys.stderr.write(to_json.dumps({"error": told}, ensure_ascii=False) + "\n")
        return
    console = Console(stderr=True, highlight=False, width=_width(sys.stderr))
    console.print(Text(f"{error.code}: {_plain(error.message)}", style="red"), soft_wrap=True)
    if error.fix:
        console.print(Text(_plain(error.fix)), soft_wrap=True)


def write(path: Path, text: str) -> None:
    """A file, or a message why not."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        fix = "Name a folder that exists and can be written."
        raise InputError(f"{path} cannot be written: {error.strerror}.", fix=fix) from None


@contextmanager
def bar(*, json: bool) -> Iterator[Callable[[Progress], None]]:
    """A progress bar per account, on stderr, where somebody looks."""
    console = Console(stderr=True)
    if json or not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def watch(at: Progress) -> None:
            if at.appid not in tasks:
                tasks[at.appid] = bars.add_task(at.appid, total=None)
            bars.update(tasks[at.appid], completed=at.listed, total=at.total or None)

        yield watch


# -- accounts --------------------------------------------------------------------------------------


def account_row(opened: Opened, app: App, *, check: bool) -> dict[str, Any]:
    """What is known of one app."""
    account_id = opened.database.account_id(app.appid)
    last = opened.room.runs.last(account_id)
    now_ms = opened.around.clock()
    parked = [
        row.parked_until_ms
        for row in opened.ledger.spent(app.appid)
        if row.parked_until_ms > now_ms
    ]
    return {
        "name": app.title,
        "appid": app.appid,
        "provider": app.provider.name,
        "kind": app.kind,
        "open_platform": app.open_platform.name if app.open_platform else "",
        "token": app.token.kind,
        "last_sync_ms": None if last is None else last[1] or last[0],
        "last_sync_open": last is not None and last[1] is None,
        "alarms": sum(1 for _ in opened.room.followers.alarms(app.appid)),
        "parked_until_ms": max(parked, default=None),
        "problem": _problem(opened, app, check=check),
    }


def _problem(opened: Opened, app: App, *, check: bool) -> str:
    try:
        if app.secret is not None:
            app.secret()
        if check and app.provider.name == "wechat":
            values = {"cgi_path": wechat.FOLLOWERS.path}
            opened.room.client.call(app, wechat.QUOTA, values)
    except IdweaveError as error:
        return str(error)
    return ""


def show_accounts(rows: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """The apps."""
    if json:
        say_json({"accounts": list(rows)})
        return
    names = ("name", "appid", "platform", "kind", "open platform", "token", "last sync", "alarms")
    table = _table(*names)
    for row in rows:
        sync = _time(row["last_sync_ms"]) + (" (not finished)" if row["last_sync_open"] else "")
        cells = (row[key] for key in ("name", "appid", "provider", "kind", "open_platform"))
        table.add_row(*map(_cell, (*cells, row["token"], sync, row["alarms"])))
    _console().print(table)
    for row in rows:
        if row["parked_until_ms"]:
            say(f"{row['name']}: quota used up; parked until {_time(row['parked_until_ms'])}")
        if row["problem"]:
            say(f"{row['name']}: {row['problem']}", "red")


# -- sync ------------------------------------------------------------------------------------------


def show_tallies(tallies: Sequence[Tally], *, json: bool) -> None:
    """What a sync did."""
    if json:
        say_json({"accounts": [asdict(tally) for tally in tallies]})
        return
    table = _table("account", "followers", "asked", "unfollowed", "alarms", "facts", "known before")
    for tally in tallies:
        counts = (tally.listed, tally.asked, tally.unfollowed, tally.alarms, tally.facts)
        table.add_row(_cell(tally.name), *map(_count, (*counts, tally.repeats)))
    _console().print(table)
    for tally in tallies:
        if tally.stopped:
            say(f"{tally.name}: {tally.stopped}", "yellow" if tally.parked else "red")
        if tally.alarms:
            say(f"{tally.name}: {tally.alarms:,} union ids changed: `idweave unionid rebind`.")
        if tally.refused:
            say(
                f"{tally.name}: {tally.refused:,} facts were rejected: `idweave rejections`.", "red"
            )


# -- overlap ---------------------------------------------------------------------------------------


def show_overlap(found: Overlap) -> None:
    """The answer for people: the sentence, the matrix, who follows what, and what is missing."""
    say(headline(found), "bold")
    if found.people != found.people_at_most:
        say(subline(found))
    table = _table("account", "followers", "known", *(line.name for line in found.accounts))
    for line, row in zip(found.accounts, found.matrix, strict=True):
        table.add_row(_cell(line.name), *map(_count, (line.followers, line.known, *row)))
    _console().print(table)
    combinations = _table("people", "follow exactly")
    for one in found.combinations[:COMBINATIONS_SHOWN]:
        names = " + ".join(found.accounts[number].name for number in one.accounts)
        combinations.add_row(_count(one.people), _cell(names))
    _console().print(combinations)
    for line in found.accounts:
        for why, count in line.unresolved.items():
            say(f"{line.name}: {count:,} without a union id: {reason_text(why)}")
        if line.alarms:
            say(f"{line.name}: {line.alarms:,} union ids changed: `idweave unionid rebind`")


# -- the rest --------------------------------------------------------------------------------------


def show_login(login: Login, tally: Tally | None, *, json: bool) -> None:
    """Who logged in. The session key is in it only when it was asked for."""
    told: dict[str, object] = {
        "provider": login.provider,
        "appid": login.appid,
        "openid": login.openid,
        "unionid": login.union_id,
        "why_none": login.why.value if login.why else "",
        "anonymous_openid": login.anonymous_openid,
        "legacy_id": login.legacy_id,
        "tenant": login.tenant,
        "tenant_user_id": login.tenant_user_id,
        "scope": login.scope,
        "snapshot_user": login.snapshot,
    }
    if login.session_key is not None:
        told["session_key"] = login.session_key.reveal()
    if tally is not None:
        told["facts"] = tally.facts
    if json:
        say_json(told)
        return
    table = _table("what", "value")
    for name, value in told.items():
        if value not in {"", False}:
            table.add_row(_cell(name), _cell(value))
    _console().print(table)
    if login.why is not None:
        say(f"No union id: {reason_text(login.why)}.")


def show_payload(payload: Mapping[str, Any], *, json: bool) -> None:
    """Decrypted data."""
    if json:
        say_json(payload)
        return
    table = _table("field", "value")
    for name, value in payload.items():
        table.add_row(_cell(name), _cell(value))
    _console().print(table)


def show_rebound(
    alarms: Sequence[Alarm], done: Rebound, *, done_for_good: bool, json: bool
) -> None:
    """What a rebind did, or would do."""
    blocked = done.first_blocked
    if json:
        rows = [alarm._asdict() for alarm in alarms]
        told = {"alarms": rows, "repaired": done.repaired * done_for_good, "blocked": done.blocked}
        say_json(told)
        return
    table = _table("appid", "openid", "union id before", "union id now")
    for alarm in alarms[:ALARMS_SHOWN]:
        cells = (alarm.appid, alarm.openid, alarm.old_unionid, alarm.new_unionid)
        table.add_row(*map(_cell, cells))
    if alarms:
        _console().print(table)
    say(f"{len(alarms):,} union ids changed.")
    if done.repaired:
        word = "were bound anew" if done_for_good else "would be bound anew: add --yes"
        say(f"{done.repaired:,} {word}.")
    if blocked is not None:
        where = ", ".join(blocked.standing_in)
        say(
            f"{done.blocked:,} are blocked: the old union id still stands in {where}. Sync that "
            "first; if it still stands then, one account moved to another Open Platform account: "
            "give it an [[unionid.open_platforms]] of its own.",
            "yellow",
        )


def show_scenarios(*, json: bool) -> None:
    """What the mock can play."""
    rows = list(mock.SCENARIOS.values())
    if json:
        say_json([{"name": row.name, "meaning": row.meaning} for row in rows])
        return
    table = _table("scenario", "what happens")
    for row in rows:
        table.add_row(_cell(row.name), _cell(row.meaning))
    _console().print(table)


def show_mock(world: mock.World, started: tuple[str, Path | None], *, json: bool) -> None:
    """Where the mock is."""
    url, path = started
    if json:
        say_json({"url": url, "config": str(path) if path else None})
    else:
        count = sum(len(one.users) for one in world.accounts.values())
        say(f"Mock platform at {url}: {len(world.accounts)} apps, {count:,} memberships.")
        if path is not None:
            say(f"Configuration in {path}; next: idweave unionid sync --config {path}")
        say("Stop it with Ctrl-C.")
    sys.stdout.flush()


# -- cells -----------------------------------------------------------------------------------------


def _console() -> Console:
    return Console(highlight=False, width=_width(sys.stdout))


def _width(stream: Any) -> int | None:
    return None if stream.isatty() else PIPE_COLUMNS


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(Text(_plain(name)), overflow="fold")
    return table


def _cell(value: object) -> Text:
    return Text(_plain(str(value)))


def _count(value: int) -> Text:
    return Text(f"{value:,}", justify="right")


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor: names and messages come from outside."""
    return "".join(char if char.isprintable() else " " for char in text)


def _time(time_ms: int | None) -> str:
    if time_ms is None:
        return "never"
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
