"""What ``idweave unionid`` says: tables and bars for people, documents for machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idweave.core.errors import IdweaveError, InputError
from idweave.unionid import wechat
from idweave.unionid.apps import App
from idweave.unionid.login import Login
from idweave.unionid.opening import Opened
from idweave.unionid.overlap import Overlap, reason_text
from idweave.unionid.picture import headline, subline
from idweave.unionid.rebinding import Rebound
from idweave.unionid.state import counting
from idweave.unionid.sync import Progress, Tally

from .output import Output, number_text, time_text, visible
from .progress import progress

if TYPE_CHECKING:
    from idweave.unionid.mock import World

COMBINATIONS_SHOWN = 15
"""The first ones say what it is about; JSON has all of them."""


def write(path: Path, text: str) -> None:
    """A file, or a message why not."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        fix = "Name a folder that exists and can be written."
        raise InputError(f"{path} cannot be written: {error.strerror}.", fix=fix) from None


@contextmanager
def bar(title: str, output: Output) -> Iterator[Callable[[Progress], None]]:
    """A progress bar for one account."""
    with progress(output, visible(title), 100, things="followers") as shown:

        def watch(at: Progress) -> None:
            shown.show(at.listed * 100 // at.total if at.total else 0, at.listed)

        yield watch


# -- accounts --------------------------------------------------------------------------------------


def account_row(room: Opened, app: App, *, check: bool) -> dict[str, Any]:
    """What is known of one app."""
    account_id = room.database.account_id(app.appid)
    last = room.room.runs.last(account_id)
    now_ms = room.around.clock()
    spent = room.ledger.spent(app.appid)
    parked = [row.parked_until_ms for row in spent if row.parked_until_ms > now_ms]
    return {
        "name": app.title,
        "appid": app.appid,
        "provider": app.provider.name,
        "kind": app.kind,
        "open_platform": app.open_platform.name if app.open_platform else "",
        "token": app.token.kind,
        "last_sync_at_ms": None if last is None else last[1] or last[0],
        "last_sync_finished": last is not None and last[1] is not None,
        "alarms": counting.alarms(room.database).get(account_id, 0),
        "parked_until_ms": max(parked, default=None),
        "problem": _problem(room, app, check=check),
    }


def _problem(room: Opened, app: App, *, check: bool) -> str:
    try:
        if app.secret is not None:
            app.secret()
        if check and app.provider.name == "wechat":
            values = {"cgi_path": wechat.FOLLOWERS.path}
            room.room.client.call(app, wechat.QUOTA, values)
    except IdweaveError as error:
        return str(error)
    return ""


def show_accounts(rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """The apps."""
    if output.json:
        output.document({"accounts": rows})
        return
    names = ("name", "appid", "provider", "kind", "open platform", "token", "last sync", "alarms")
    cells = [
        (
            *(row[key] for key in ("name", "appid", "provider", "kind", "open_platform", "token")),
            _sync_text(row),
            number_text(row["alarms"]),
        )
        for row in rows
    ]
    output.table(names, cells, right=("alarms",))
    for row in rows:
        if row["parked_until_ms"]:
            until = time_text(row["parked_until_ms"])
            output.warn(f"{visible(row['name'])}: the day's quota is used up until {until}")
        if row["problem"]:
            output.warn(f"{visible(row['name'])}: {visible(row['problem'])}")


def _sync_text(row: Mapping[str, Any]) -> str:
    if row["last_sync_at_ms"] is None:
        return "never"
    return time_text(row["last_sync_at_ms"]) + ("" if row["last_sync_finished"] else " (stopped)")


# -- sync ------------------------------------------------------------------------------------------


def show_tallies(tallies: Sequence[Tally], output: Output) -> None:
    """What a sync did."""
    if output.json:
        output.document({"accounts": tallies})
        return
    counts = ("followers", "asked", "unfollowed", "alarms", "facts", "repeats")
    rows = [(tally.name, *map(number_text, _counts(tally))) for tally in tallies]
    output.table(("account", *counts), rows, right=counts)
    for tally in tallies:
        name = visible(tally.name)
        if tally.stopped:
            output.warn(f"{name}: {visible(tally.stopped)}")
        if tally.alarms:
            number = number_text(tally.alarms)
            output.warn(f"{name}: {number} union ids changed; see `idweave unionid rebind`")
        if tally.refused:
            number = number_text(tally.refused)
            output.warn(f"{name}: {number} facts rejected; see `idweave rejections list`")


def _counts(tally: Tally) -> tuple[int, ...]:
    return (
        tally.listed, tally.asked, tally.unfollowed, tally.alarms, tally.facts, tally.repeats,
    )  # fmt: skip


# -- overlap ---------------------------------------------------------------------------------------


def show_overlap(found: Overlap, output: Output) -> None:
    """The sentence, the matrix, who follows what, and who is missing."""
    output.say(headline(found), style="bold")
    if found.people != found.people_at_most:
        output.say(subline(found))
    names = [visible(line.name) for line in found.accounts]
    rows = [
        (line.name, *map(number_text, (line.followers, line.known, *row)))
        for line, row in zip(found.accounts, found.matrix, strict=True)
    ]
    output.say()
    columns = ("account", "followers", "known", *names)
    output.table(columns, rows, title="Who follows both", right=columns[1:])
    output.say()
    output.table(
        ("people", "follow exactly"),
        [
            (number_text(one.people), " + ".join(names[number] for number in one.accounts))
            for one in found.combinations[:COMBINATIONS_SHOWN]
        ],
        right=("people",),
    )
    for line in found.accounts:
        for why, count in line.unresolved.items():
            number = number_text(count)
            output.say(f"{visible(line.name)}: {number} without a union id: {reason_text(why)}")
        if line.alarms:
            number = number_text(line.alarms)
            output.warn(f"{visible(line.name)}: {number} union ids changed; see `rebind`")


# -- the rest --------------------------------------------------------------------------------------


def show_login(login: Login, tally: Tally | None, output: Output) -> None:
    """Who logged in. The session key is in it only when it was asked for."""
    told: dict[str, Any] = {
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
    if output.json:
        output.document(told)
        return
    rows = [(name, value) for name, value in told.items() if value not in {"", False}]
    output.table(("what", "value"), rows)
    if login.why is not None:
        output.say(f"No union id: {reason_text(login.why)}.")


def show_fields(payload: Mapping[str, Any], output: Output) -> None:
    """Decrypted data."""
    if output.json:
        output.document(payload)
        return
    output.table(("field", "value"), list(payload.items()))


def show_rebound(done: Rebound, output: Output, *, done_for_good: bool) -> None:
    """What a rebind did, or would do."""
    if output.json:
        told = {"alarms": done.alarms, "first": [alarm._asdict() for alarm in done.first]}
        repaired = done.repaired if done_for_good else 0
        output.document({**told, "repaired": repaired, "blocked": done.blocked})
        return
    if done.first:
        columns = ("appid", "openid", "union id before", "union id now")
        output.table(
            columns,
            [(one.appid, one.openid, one.old_unionid, one.new_unionid) for one in done.first],
        )
    output.say(f"{number_text(done.alarms)} union ids changed.")
    if done.repaired:
        word = "were bound anew" if done_for_good else "would be bound anew with --yes"
        output.say(f"{number_text(done.repaired)} {word}.")
    if done.first_blocked is not None:
        where = visible(", ".join(done.first_blocked.standing_in))
        output.warn(
            f"{number_text(done.blocked)} are blocked: the old union id still stands in {where}. "
            "Sync that first; if it still stands then, one account moved to another Open Platform "
            "account: give it an [[unionid.open_platforms]] of its own."
        )


def show_scenarios(output: Output) -> None:
    """What the mock can play."""
    from idweave.unionid.mock import SCENARIOS

    rows = [(row.name, row.meaning) for row in SCENARIOS.values()]
    if output.json:
        output.document([{"name": name, "meaning": meaning} for name, meaning in rows])
        return
    output.table(("scenario", "what happens"), rows)


def show_mock(world: World, started: tuple[str, Path | None], output: Output) -> None:
    """Where the mock is."""
    url, path = started
    if output.json:
        output.document({"url": url, "config": None if path is None else str(path)})
    count = sum(len(one.users) for one in world.accounts.values())
    output.say(f"Mock platform at {url}: {len(world.accounts)} apps, {count:,} memberships.")
    if path is not None:
        output.say(f"Settings in {path}; next: idweave unionid sync --config {path}")
    output.say("Stop it with Ctrl-C.")
    output.flush()
