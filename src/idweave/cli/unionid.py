"""``idweave unionid``: OpenIDs to people, from the command line. Each command is thin over the
room's functions; what is printed is in ``unionid_views``, what is opened in ``unionid_wiring``."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from idweave.core.errors import ConfigError, IdweaveError, InputError, NotFound
from idweave.unionid import mock, picture
from idweave.unionid.apps import App
from idweave.unionid.config import UnionIdSettings
from idweave.unionid.decryption import decrypt_user_data, signature_holds
from idweave.unionid.errcodes import Action
from idweave.unionid.errors import PlatformError
from idweave.unionid.login import exchange, remember
from idweave.unionid.migration import migrate_openids
from idweave.unionid.mock.scenarios import write_config
from idweave.unionid.overlap import as_csv, as_json, overlap
from idweave.unionid.ports import Clock
from idweave.unionid.rebinding import rebind
from idweave.unionid.sync import Tally, sync_account

from . import unionid_views as views
from .unionid_wiring import Session

HELP = """OpenIDs to people: who is one person across WeChat accounts and other platforms.

The configuration's `unionid` tables name the apps; secrets come from the environment or
from files. Try everything offline:

  idweave unionid mock --write demo &
  idweave unionid sync --config demo/idweave.toml
  idweave unionid overlap --config demo/idweave.toml

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 partly done: the platform's quota
of the day is used up; the same command goes on tomorrow where it stopped."""

app = typer.Typer(
    name="unionid", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip

ConfigOption = Annotated[
    Path, typer.Option("--config", help="Configuration file.", envvar="IDWEAVE_CONFIG")
]
StoreOption = Annotated[
    str, typer.Option("--store", help="Store that takes the facts, unless `collector` is set.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
AppsArgument = Annotated[
    list[str] | None, typer.Argument(help="Names or appids; all that apply when none is given.")
]
AppArgument = Annotated[str, typer.Argument(help="Name or appid of the app.")]

CONFIG = Path("idweave.toml")


class Code(IntEnum):
    """What the process ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3


def code_of(error: IdweaveError) -> Code:
    """The exit code of an error."""
    if isinstance(error, ConfigError | InputError | NotFound):
        return Code.USAGE
    if isinstance(error, PlatformError) and error.action is Action.PARK:
        return Code.PARTIAL
    return Code.FAILED


def command(name: str) -> Callable[[Callable[..., Code]], Callable[..., None]]:
    """A command of the group: errors become one message and an exit code, never a trace."""

    def attach(run: Callable[..., Code]) -> Callable[..., None]:
        @functools.wraps(run)
        def guarded(**options: Any) -> None:
            try:
                code = run(**options)
            except IdweaveError as error:
                views.complain(error, json=bool(options.get("json")))
                code = code_of(error)
            if code is not Code.DONE:
                raise typer.Exit(code)

        return app.command(name)(guarded)

    return attach


# -- the commands ----------------------------------------------------------------------------------


@command("accounts")
def accounts(
    *,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="Also ask each platform for a token.")
    ] = False,
) -> Code:
    """List the apps: platform, Open Platform account, token source, last sync, quota.

    Example: idweave unionid accounts --check
    """
    with Session(config).opened() as opened:
        rows = [views.account_row(opened, one, check=check) for one in opened.settings.apps]
    views.show_accounts(rows, json=json)
    return Code.FAILED if any(row["problem"] for row in rows) else Code.DONE


@command("sync")
def sync(
    *,
    apps: AppsArgument = None,
    config: ConfigOption = CONFIG,
    store: StoreOption = "",
    json: JsonOption = False,
    delta: Annotated[
        bool, typer.Option("--delta", help="Ask only who is new; finds no changed union ids.")
    ] = False,
    retry_now: Annotated[
        bool, typer.Option("--retry-now", help="Try quotas that were used up before.")
    ] = False,
    migrated_from: Annotated[
        str,
        typer.Option(
            help="App that changed its owner into the one app named here: also bind "
            "old openids to new ones."
        ),
    ] = "",
    from_id: Annotated[
        str, typer.Option(help="The old app's `gh_` id, where its appid is refused.")
    ] = "",
) -> Code:
    """Fetch the followers of official accounts, and tell the graph who is one person.

    Goes on where it was stopped, however that was. Example: idweave unionid sync shop --delta
    """
    session = Session(config, store)
    with session.opened(with_sink=True) as opened, views.bar(json=json) as watch:
        tallies = []
        for one in chosen(opened.settings, apps, followers=True):
            if retry_now:
                opened.ledger.unpark(one.appid)
            parallel, mode = opened.settings.parallel, "delta" if delta else "full"
            tallies.append(
                sync_account(opened.room, one, mode=mode, parallel=parallel, watch=watch)
            )
        if migrated_from:
            pair = (_only(opened.settings, apps), opened.settings.app(migrated_from))
            tallies.append(migrate_openids(opened.room, opened.migrations, pair, from_id))
    views.show_tallies(tallies, json=json)
    return tally_code(tallies)


def tally_code(tallies: list[Tally]) -> Code:
    """Failed if any failed or had facts refused; partly done if any is parked."""
    if any((tally.stopped and not tally.parked) or tally.refused for tally in tallies):
        return Code.FAILED
    return Code.PARTIAL if any(tally.parked for tally in tallies) else Code.DONE


@command("overlap")
def show_overlap(
    *,
    apps: AppsArgument = None,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the matrix as CSV.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Also draw it into this file.")] = None,
) -> Code:
    """Count the people who follow the accounts, and how many follow which together.

    Example: idweave unionid overlap shop club --svg overlap.svg
    """
    with Session(config).opened() as opened:
        found = overlap(opened.database, chosen(opened.settings, apps, followers=not apps))
    if svg is not None:
        views.write(svg, picture.upset(found))
    if csv:
        sys.stdout.write(as_csv(found))
    elif json:
        views.say_json(as_json(found))
    else:
        views.show_overlap(found)
    return Code.DONE


@command("code")
def code(
    *,
    name: AppArgument,
    code: Annotated[str, typer.Argument(help="The login code; `-` reads it from stdin.")],
    config: ConfigOption = CONFIG,
    store: StoreOption = "",
    json: JsonOption = False,
    anonymous_code: Annotated[str, typer.Option(help="Douyin's code of a visitor.")] = "",
    with_session_key: Annotated[
        bool, typer.Option("--with-session-key", help="Print the session key. Keep it secret.")
    ] = False,
    into_graph: Annotated[
        bool, typer.Option("--remember", help="Keep the pair and tell the graph.")
    ] = False,
) -> Code:
    """Exchange a login code for the ids of who logged in.

    Example: idweave unionid code mini-shop 0a3bC… --json
    """
    with Session(config, store).opened(with_sink=into_graph) as opened:
        one = opened.settings.app(name)
        given = sys.stdin.readline().strip() if code == "-" else code
        login = exchange(
            opened.room.client,
            one,
            given,
            anonymous_code=anonymous_code or None,
            with_session_key=with_session_key,
        )
        tally = remember(opened.room, one, login) if into_graph else None
    views.show_login(login, tally, json=json)
    return Code.DONE


@command("decrypt")
def decrypt(
    *,
    name: AppArgument,
    iv: Annotated[str, typer.Option(help="The iv that came with the data, base64.")],
    data: Annotated[str, typer.Option(help="The encrypted data, base64; `-`: from stdin.")] = "-",
    session_key_env: Annotated[str, typer.Option(help="Variable with the session key.")] = "",
    session_key_file: Annotated[
        Path | None, typer.Option(help="File with the session key.")
    ] = None,
    raw_data: Annotated[str, typer.Option(help="`rawData`, to check its signature.")] = "",
    signature: Annotated[str, typer.Option(help="`signature` of `rawData`.")] = "",
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Also data older than 5 minutes.")
    ] = False,
    config: ConfigOption = CONFIG,
    json: JsonOption = False,
) -> Code:
    """Open a mini program's encrypted user data, and check that it is what it says.

    Example: idweave unionid decrypt mini-shop --iv r7BX… --session-key-file key < data.txt
    """
    session = Session(config)
    one = session.settings.app(name)
    key = session.secret(session_key_env, session_key_file)
    if signature and not signature_holds(raw_data, key, signature):
        fix = "Send rawData unchanged, and use the session key of the same login."
        raise InputError("The signature does not fit rawData and session key.", fix=fix)
    text = sys.stdin.read() if data == "-" else data
    limit = {"age_ms_max": None} if any_age else {}
    found = decrypt_user_data(text, iv, key, appid=one.appid, now_ms=session.clock(), **limit)
    views.show_payload(found, json=json)
    return Code.DONE


@command("rebind")
def rebind_changed(
    *,
    apps: AppsArgument = None,
    config: ConfigOption = CONFIG,
    store: StoreOption = "",
    json: JsonOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this it is only shown.")
    ] = False,
) -> Code:
    """Accept union ids that changed: the old one leaves its user, the new one is bound.

    Needs the store for itself: stop the server for it. Example: idweave unionid rebind shop --yes
    """
    session = Session(config, store)
    with session.opened() as opened, session.stating(wanted=yes) as state:
        now_ms = session.clock()
        some = chosen(opened.settings, apps, followers=False)
        alarms = [alarm for one in some for alarm in opened.room.followers.alarms(one.appid)]
        done = rebind(opened.room.followers, some, state, now_ms)
    views.show_rebound(alarms, done, done_for_good=yes, json=json)
    return Code.FAILED if done.blocked else Code.DONE


@command("mock")
def start_mock(
    *,
    scenario: Annotated[str, typer.Option(help="What happens; see --list.")] = "brand",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8900,
    write: Annotated[
        Path | None, typer.Option(help="Folder for a configuration and made-up secrets.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    json: JsonOption = False,
) -> Code:
    """Run a platform that is not there, on loopback: followers, logins, quotas, faults.

    Example: idweave unionid mock --scenario quota --write demo
    """
    if list_:
        views.show_scenarios(json=json)
        return Code.DONE
    if scenario not in mock.SCENARIOS:
        fix = f"Use one of: {', '.join(mock.SCENARIOS)}."
        raise InputError(f"There is no scenario {scenario!r}.", fix=fix)
    run_mock(scenario, port, write, json=json)
    return Code.DONE


def run_mock(scenario: str, port: int, write: Path | None, *, json: bool) -> None:
    """Serve until Ctrl-C or a polite kill."""
    clock: Clock = lambda: time.time_ns() // 1_000_000  # noqa: E731 - three words
    world = mock.build(scenario, clock)
    try:
        with mock.MockServer(world, port) as server:
            accounts = list(world.accounts.values())
            path = write and write_config(write, accounts, server.url, server.host)
            views.show_mock(world, (server.url, path), json=json)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except OSError as error:
        fix = "Name another --port, or --port 0 for any free one."
        raise InputError(f"Port {port} cannot be used: {error.strerror}.", fix=fix) from None
    except KeyboardInterrupt:
        return


# -- which apps ------------------------------------------------------------------------------------


def chosen(settings: UnionIdSettings, named: list[str] | None, *, followers: bool) -> list[App]:
    """The named apps, or all; with ``followers`` only official accounts of all."""
    if named:
        return [settings.app(name) for name in dict.fromkeys(named)]
    found = [one for one in settings.apps if not followers or one.kind == "official_account"]
    if not found:
        fix = "Add [[unionid.apps]] tables, or try `idweave unionid mock --write demo`."
        raise ConfigError("No app of the configuration fits.", fix=fix)
    return found


def _only(settings: UnionIdSettings, named: list[str] | None) -> App:
    if named is None or len(named) != 1:
        fix = "Name the new app alone: idweave unionid sync NEW --migrated-from OLD"
        raise InputError("--migrated-from is about one app.", fix=fix)
    return settings.app(named[0])
