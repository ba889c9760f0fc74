"""``unionid accounts|sync|overlap|code|decrypt|rebind|mock``: OpenIDs to people.

Each command is thin over the room's functions; ``unionid_views.py`` says what they found,
``unionid_wiring.py`` opens what they work with.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from idweave.core.errors import ConfigError, InputError
from idweave.unionid.apps import App
from idweave.unionid.config import UnionIdSettings
from idweave.unionid.decryption import AGE_MS_MAX, decrypt_user_data, signature_holds
from idweave.unionid.login import exchange, remember
from idweave.unionid.migration import migrate_openids
from idweave.unionid.overlap import as_csv, as_json, overlap
from idweave.unionid.picture import upset
from idweave.unionid.rebinding import rebind
from idweave.unionid.sync import Tally, sync_account

from . import unionid_views as views
from .exits import Exit
from .offering import group, offer
from .session import Session, clock
from .unionid_wiring import opened, secret, settings_of, stating

app = group(
    "unionid",
    "OpenIDs to people: which followers of several accounts are one person. "
    "Try it offline: idweave unionid mock --write demo",
)

PARKED = 3
"""What a sync ends with that stopped at the platform's quota: the same command goes on tomorrow."""

WITHOUT_STORE = frozenset({"store", "project"})
WITHOUT_SETTINGS = frozenset({"store", "project", "config"})

AppsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[APP]...", help="Names or appids; without: all.")
]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Name or appid of the app.")]


@offer(app, "accounts", without=WITHOUT_STORE)
def accounts(
    session: Session,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Also try each token at the platform.")
    ] = False,
) -> Exit:
    """The apps: platform, Open Platform account, token source, last sync, quota.

    \b
    Example:
      idweave unionid accounts
      idweave unionid accounts --check
    """
    with opened(session, facts=False) as room:
        rows = [views.account_row(room, one, check=check) for one in room.settings.apps]
    views.show_accounts(rows, session.output)
    return Exit.FAILED if any(row["problem"] for row in rows) else Exit.DONE


@offer(app, "sync")
def sync(
    session: Session,
    apps: AppsArgument = None,
    *,
    delta: Annotated[
        bool, typer.Option("--delta", help="Ask only who is new; finds no changed union ids.")
    ] = False,
    retry_now: Annotated[
        bool, typer.Option("--retry-now", help="Try quotas that were used up before.")
    ] = False,
    migrated_from: Annotated[
        str | None,
        typer.Option(metavar="APP", help="The app whose followers moved to the one named."),
    ] = None,
    from_id: Annotated[
        str, typer.Option(metavar="GH_ID", help="That app's gh_ id, if its appid is refused.")
    ] = "",
) -> Exit:
    """Fetch the followers of official accounts and tell the graph who is one person.

    Goes on where it was stopped, however that was. Ends with 3 when the platform's quota of the
    day is used up: run it again tomorrow.

    \b
    Example:
      idweave unionid sync
      idweave unionid sync Shop --delta
    """
    with opened(session, facts=True) as room:
        tallies: list[Tally] = []
        for one in chosen(room.settings, apps, followers=True):
            if retry_now:
                room.ledger.unpark(one.appid)
            run = functools.partial(sync_account, room.room, one, mode="delta" if delta else "full")
            with views.bar(one.title, session.output) as watch:
                tallies.append(run(parallel=room.settings.parallel, watch=watch))
        if migrated_from:
            pair = (_only(room.settings, apps), room.settings.app(migrated_from))
            tallies.append(migrate_openids(room.room, room.migrations, pair, from_id))
    views.show_tallies(tallies, session.output)
    return code_of(tallies)


def code_of(tallies: Sequence[Tally]) -> Exit:
    """Failed if any failed or had facts refused; else parked if any is."""
    if any((tally.stopped and not tally.parked) or tally.refused for tally in tallies):
        return Exit.FAILED
    return Exit(PARKED) if any(tally.parked for tally in tallies) else Exit.DONE


@offer(app, "overlap", without=WITHOUT_STORE)
def show_overlap(
    session: Session,
    apps: AppsArgument = None,
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print the matrix as CSV.")] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw it into this file.")
    ] = None,
) -> None:
    """How many people follow the accounts, and how many follow which of them together.

    \b
    Example:
      idweave unionid overlap
      idweave unionid overlap Shop Club --svg overlap.svg
    """
    with opened(session, facts=False) as room:
        found = overlap(room.database, chosen(room.settings, apps, followers=not apps))
    if svg is not None:
        views.write(svg, upset(found))
    if csv:
        sys.stdout.write(as_csv(found))
    elif session.output.json:
        session.output.document(as_json(found))
    else:
        views.show_overlap(found, session.output)


@offer(app, "code")
def code(
    session: Session,
    name: AppArgument,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code; `-`: from stdin.")],
    *,
    anonymous_code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Douyin's code of a visitor.")
    ] = None,
    with_session_key: Annotated[
        bool, typer.Option("--with-session-key", help="Print the session key. Keep it secret.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--remember", help="Keep the pair of ids, and tell the graph.")
    ] = False,
) -> None:
    """Exchange a login code for the ids of who logged in.

    \b
    Example:
      idweave unionid code "Mini shop" 0a3bCdEf
      idweave unionid code "Mini shop" 0a3bCdEf --remember --json
    """
    with opened(session, facts=keep) as room:
        one = room.settings.app(name)
        login = exchange(
            room.room.client,
            one,
            sys.stdin.readline().strip() if code == "-" else code,
            anonymous_code=anonymous_code,
            with_session_key=with_session_key,
        )
        tally = remember(room.room, one, login) if keep else None
    views.show_login(login, tally, session.output)


@offer(app, "decrypt", without=WITHOUT_STORE)
def decrypt(
    session: Session,
    name: AppArgument,
    *,
    iv: Annotated[str, typer.Option(metavar="BASE64", help="The iv that came with the data.")],
    data: Annotated[
        str, typer.Option(metavar="BASE64", help="The encrypted data; `-`: from stdin.")
    ] = "-",
    session_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variable with the session key.")
    ] = None,
    session_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the session key.")
    ] = None,
    raw_data: Annotated[str, typer.Option(help="`rawData`, to check its signature.")] = "",
    signature: Annotated[str, typer.Option(help="`signature` of `rawData`.")] = "",
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Also data older than 5 minutes.")
    ] = False,
) -> None:
    """Open a mini program's encrypted user data, and check that it is what it says.

    \b
    Example:
      idweave unionid decrypt "Mini shop" --iv r7BX… --session-key-file key < data.txt
    """
    one = settings_of(session).app(name)
    key = secret(session_key_env, session_key_file)
    if signature and not signature_holds(raw_data, key, signature):
        fix = "Send rawData unchanged, and use the session key of the same login."
        raise InputError("The signature does not fit rawData and session key.", fix=fix)
    found = decrypt_user_data(
        sys.stdin.read() if data == "-" else data,
        iv,
        key,
        appid=one.appid,
        now_ms=clock(),
        age_ms_max=None if any_age else AGE_MS_MAX,
    )
    views.show_fields(found, session.output)


@offer(app, "rebind")
def rebind_changed(
    session: Session,
    apps: AppsArgument = None,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this it is only shown.")
    ] = False,
) -> Exit:
    """Accept union ids that changed: the old one leaves its user, the new one is bound.

    Needs the store for itself: stop the server for it.

    \b
    Example:
      idweave unionid rebind
      idweave unionid rebind Shop --yes
    """
    with opened(session, facts=False) as room, stating(session, wanted=yes) as state:
        some = chosen(room.settings, apps, followers=False)
        done = rebind(room.room.followers, some, state, clock())
    views.show_rebound(done, session.output, done_for_good=yes)
    return Exit.FAILED if done.blocked else Exit.DONE


@offer(app, "mock", without=WITHOUT_SETTINGS)
def start_mock(
    session: Session,
    *,
    scenario: Annotated[str, typer.Option(metavar="NAME", help="What happens.")] = "brand",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8900,
    write: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For settings and made-up secrets.")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
) -> None:
    """Run a platform that is not there, on loopback: followers, logins, quotas, faults.

    \b
    Example:
      idweave unionid mock --write demo
      idweave unionid mock --list
    """
    from idweave.unionid import mock  # asyncio and all: only who asks for it pays for it

    if list_them:
        views.show_scenarios(session.output)
        return
    if scenario not in mock.SCENARIOS:
        fix = f"Use one of: {', '.join(mock.SCENARIOS)}."
        raise InputError(f"There is no scenario {scenario[:50]!r}.", fix=fix)
    run_mock(session, scenario, port, write)


def run_mock(session: Session, scenario: str, port: int, write: Path | None) -> None:
    """Serve until Ctrl-C or a polite kill."""
    from idweave.unionid import mock
    from idweave.unionid.mock.scenarios import write_config

    world = mock.build(scenario, clock)
    try:
        with signals_held() as wait, mock.MockServer(world, port) as server:
            accounts = list(world.accounts.values())
            path = write and write_config(write, accounts, server.url, server.host)
            views.show_mock(world, (server.url, path), session.output)
            wait()
    except OSError as error:
        fix = "Name another --port (0: any free one) or --write folder."
        raise InputError(f"The mock cannot start: {error.strerror}.", fix=fix) from None


@contextmanager
def signals_held() -> Iterator[Callable[[], object]]:
    """Ctrl-C and a polite kill wait until somebody waits for them: gives out that wait."""
    if sys.platform == "win32":  # which has only Ctrl-C, as an exception
        yield threading.Event().wait
        return
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # threads inherit it: sigwait hears them
    try:
        yield functools.partial(signal.sigwait, signals)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


# -- which apps ------------------------------------------------------------------------------------


def chosen(settings: UnionIdSettings, named: list[str] | None, *, followers: bool) -> list[App]:
    """The named apps, or all; with ``followers`` only official accounts of all."""
    if named:
        return [settings.app(name) for name in dict.fromkeys(named)]
    found = [one for one in settings.apps if not followers or one.kind == "official_account"]
    if not found:
        fix = "Add [[unionid.apps]] tables, or try `idweave unionid mock --write demo`."
        raise ConfigError("No app fits.", field="unionid.apps", fix=fix)
    return found


def _only(settings: UnionIdSettings, named: list[str] | None) -> App:
    if named is None or len(named) != 1:
        fix = "Name the new app alone: idweave unionid sync NEW --migrated-from OLD"
        raise InputError("--migrated-from is about one app.", fix=fix)
    return settings.app(named[0])
