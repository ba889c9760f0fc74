"""The command ``idweave``: every command and group by name."""

from __future__ import annotations

from typing import Annotated

import typer

from idweave import __version__

from . import (
    asking,
    configuring,
    demo,
    doctor,
    erasing,
    explaining,
    exporting,
    following,
    guarding,
    importing,
    looking_back,
    operating,
    policies,
    rejecting,
    replaying,
    resolving,
    serving,
    tracking,
    trying,
    unionid_forgetting,
    visiting,
)

ABOUT = "Every ID, one user: receives what SDKs send, and says who is who."

app = typer.Typer(
    name="idweave",
    help=ABOUT,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)

COMMANDS = (
    demo.app,
    serving.app,
    importing.app,
    resolving.app,
    asking.app,
    explaining.app,
    guarding.app,
    following.app,
    exporting.app,
    erasing.app,
    replaying.app,
    trying.app,
    doctor.app,
    tracking.app,
    visiting.app,
)
"""Commands of the first level, by file."""

GROUPS = (
    operating.app,
    looking_back.app,
    rejecting.app,
    policies.app,
    configuring.app,
    unionid_forgetting.app,
)
"""Groups of commands."""

for commands in COMMANDS:
    app.registered_commands += commands.registered_commands
for one_group in GROUPS:
    app.add_typer(one_group)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"idweave {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Every ID, one user: receives what SDKs send, and says who is who."""
