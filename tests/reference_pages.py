"""The reference pages, written from the code: ``python -m tests.reference_pages`` after a change.

Commands, options, settings, exit codes and errors come from where they are declared; what code
cannot say (what a rejection code means) stands here, one row each.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from typer.main import get_command

from idweave.cli.app import app
from idweave.cli.exits import MEANINGS, exit_of
from idweave.config import FILE_NAME, PROJECT_SETTINGS, SETTINGS, Setting, variable
from idweave.core.errors import IdweaveError
from idweave.core.rejection import Code
from idweave.engine.refused import MEANINGS as REFUSALS
from idweave.server.api import problems
from tests.golden.peers import page as peers

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

REJECTIONS: dict[Code, tuple[str, str]] = {
    Code.INVALID_ENCODING: (
        "The data is not base64, not one whole gzip member, not UTF-8, or inflates to more than"
        " 64 MiB.",
        "Mend the sender's encoding; look for a proxy that cuts bodies.",
    ),
    Code.INVALID_JSON: (
        "The decoded data, or an imported line, is not JSON of the right shape, or holds more than"
        " 5000 records.",
        "Send one object as `data`, a list of them as `data_list`.",
    ),
    Code.INVALID_FIELD: (
        "A field is missing, or not what it must be; `field` names it.",
        "Mend the sender; the record itself stays as it is.",
    ),
    Code.UNDEFINED_IDENTITY: (
        "The record carries an identity key that the project's policy does not declare.",
        "Declare the key in the policy, then `idweave rejections retry`.",
    ),
    Code.NO_VALID_IDENTITY: (
        "A bind or unbind names no identity.",
        "Send `identities` with at least one declared key.",
    ),
    Code.IDENTITY_VALUE_TOO_LONG: (
        "An identity's value is longer than 255 characters.",
        "Send the id itself, or a shorter hash of it.",
    ),
    Code.EXPIRED_RECORD: (
        "A live event is more than 10 days old, or more than an hour early.",
        "Mend the device's clock; import old events; or set `time_window` to off.",
    ),
    Code.UNKNOWN_PROJECT: (
        "Nobody declared the project that the record is for.",
        "Declare it in the settings, then `idweave rejections retry`; or mend the sender's URL.",
    ),
    Code.BAD_TOKEN: (
        "The token is missing, or not the project's.",
        "Give the sender the project's token, then retry by id.",
    ),
    Code.UNSUPPORTED_ENCRYPTION: (
        "An SDK plugin encrypted the data, and idweave holds no keys.",
        "Switch the plugin off and send over HTTPS.",
    ),
    Code.TOO_DEEP: (
        "Objects and lists are nested more than 32 deep in a record, or 200 in a request.",
        "Send flat properties; put deeper structure into text.",
    ),
    Code.INTERNAL: (
        "A bug of idweave's. The record is safe.",
        "Report it; retry the rejection after an upgrade.",
    ),
}

MADE = "<!-- made by `python -m tests.reference_pages` from the code; do not edit -->"


# -- cli.md ----------------------------------------------------------------------------------------


def leaves(command: Any, path: tuple[str, ...] = ("idweave",)) -> Iterator[tuple[str, Any]]:
    """Every command that can be run, with its full name, in the order of the help."""
    children = getattr(command, "commands", None)
    if not children:
        yield " ".join(path), command
        return
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def commands() -> list[tuple[str, Any]]:
    """All commands of the command line."""
    return list(leaves(get_command(app)))


def common_options() -> list[Any]:
    """The options that all commands share, as one command has them."""
    stats = dict(commands())["idweave stats"]
    return [one for one in stats.params if one.name in COMMON]


COMMON = ("json", "store", "config", "project")


def cli_page() -> str:
    """docs/reference/cli.md"""
    parts = [
        "# The command line",
        MADE,
        "`idweave --help` shows all commands, `idweave COMMAND --help` one. Every command answers"
        " people by default and machines with `--json`: one document on stdout, or one line an"
        " item where it streams (`serve`, `export`). Errors go to stderr: what, where and why on"
        " one line, what to do on the next (`fix:`); with `--json` as one object"
        ' `{"error": {"code", "message", "fix"}}`.',
        "A `KEY` may be written in full (`'$identity_mobile'`, in quotes, as shells eat `$`),"
        " without its prefix (`mobile`), or as any part that only one declared key has. Times are"
        " shown in local time with their offset; control characters of values are shown as codes."
        " Commands that only read work beside a running server.",
        "## Options of every command",
        table(("option", "does"), [option_row(one) for one in common_options()]),
        "## Exit codes",
        table(("code", "means"), [(str(int(code)), text) for code, text in MEANINGS.items()]),
    ]
    for name, command in commands():
        parts += command_parts(name, command)
    return page(parts)


def command_parts(name: str, command: Any) -> Iterator[str]:
    """One command: what it does, an example, its arguments and options."""
    text, _, example = inspect.cleandoc(command.help).partition("\b\nExample:\n")
    yield f"## {name}"
    yield re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())
    yield "```console\n" + inspect.cleandoc(example) + "\n```"
    own = [one for one in command.params if one.name not in (*COMMON, "help")]
    if own:
        yield table(("argument or option", "does"), [option_row(one) for one in own])
    missing = [
        f"`--{one}`" for one in COMMON if one not in {given.name for given in command.params}
    ]
    if missing:
        yield f"It has no {' and no '.join(missing)}."


def option_row(one: Any) -> tuple[str, str]:
    """An argument or option: how it is written, and what it does with which default."""
    is_flag = getattr(one, "is_flag", False)
    if one.param_type_name == "argument":
        written = f"`{one.metavar or one.name.upper()}`"
    else:
        names = [*one.opts, *one.secondary_opts]
        value = "" if is_flag else f" {one.metavar or one.name.upper()}"
        written = ", ".join(f"`{name}{value}`" for name in names)
    default = one.default if isinstance(one.default, int | str) and not is_flag else None
    shown = f" Default: `{default}`." if default is not None else ""
    return written, f"{one.help or ''}{shown}"


# -- configuration.md ------------------------------------------------------------------------------


def configuration_page() -> str:
    """docs/reference/configuration.md"""
    rows = [setting_row(row, row.name) for row in SETTINGS]
    projects = [setting_row(row, f"projects.NAME.{row.name}") for row in PROJECT_SETTINGS]
    columns = ("setting", "default", "does", "variable")
    parts = [
        "# Settings",
        MADE,
        f"Settings come from a TOML file, the environment and flags; the last one wins. The file is"
        f" the one of `--config`, of `IDWEAVE_CONFIG`, or `{FILE_NAME}` in the working directory."
        " Without a file there is one project, `default`, with the preset `sensors` and a store at"
        " `data/idweave.db`. `idweave config show` prints every setting in force and where its"
        " value came from; `idweave config check` finds mistakes and names file, line, field and"
        " fix.",
        f"```toml\n{example()}```",
        "Paths in the file (`store.url`, `policy`) are relative to the file; in variables and flags"
        " to the working directory. Lists in variables are separated by blanks.",
        "## Store and server",
        table(columns, rows),
        "## Projects",
        "One table a project, `[projects.NAME]`; a name has up to 100 letters, digits, `_`, `$` and"
        " `-`. In a variable the name stands in capitals, with `_` for everything but letters and"
        " digits: `IDWEAVE_PROJECTS_MY_SHOP_TOKEN` is the token of `my-shop`.",
        table(columns, projects),
        "## Other variables",
        table(
            ("variable", "does"),
            [
                ("`IDWEAVE_CONFIG`", "The settings file."),
                ("`IDWEAVE_PROJECT`", "The project that commands ask about; `--project` wins."),
            ],
        ),
    ]
    return page(parts)


def setting_row(row: Setting, full: str) -> tuple[str, str, str, str]:
    """A setting as a row."""
    default = "" if row.default in (None, ()) else f"`{toml(row.default)}`"
    return f"`{full}`", default, row.help, f"`{variable(full)}`"


def toml(value: Any) -> str:
    """A default as a file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def example() -> str:
    """A whole file, as short as a useful one can be."""
    token = next(row.sample for row in PROJECT_SETTINGS if row.name == "token")
    hashes = next(row.sample for row in SETTINGS if row.name == "server.api_key_hashes")
    return (
        '[store]\nurl = "idweave.db"\n\n[server]\napi_host = "0.0.0.0"\n'
        f"api_key_hashes = {hashes}\n\n[projects.default]\n\n[projects.shop]\n"
        f'policy = "shop.toml"\ntoken = {token}\ntime_window = "off"\n'
    )


# -- errors.md -------------------------------------------------------------------------------------


def errors_page() -> str:
    """docs/reference/errors.md"""
    parts = [
        "# Errors, rejections and refusals",
        MADE,
        "Three things can go wrong, and each has stable codes: an **error** stops a command or a"
        " question; a **rejection** is a record that was kept and not believed; a **refusal** is an"
        " identity that the rules did not let into a user. Nothing is only logged.",
        "## Errors",
        "The command line shows them on stderr with the exit code beside, the HTTP API as problems"
        " (RFC 9457) with the same `code`.",
        table(("code", "exit code", "means"), [error_row(kind) for kind in errors()]),
        "## Problems of the HTTP API alone",
        table(("code", "status", "means", "what to do"), [problem_row(one) for one in refusals()]),
        "## Rejections",
        "`idweave rejections list` shows them with the record as it came; `idweave rejections"
        " retry` tries them again under today's rules.",
        table(
            ("code", "means", "what to do"),
            [(f"`{code.value}`", *texts) for code, texts in REJECTIONS.items()],
        ),
        "## Refusals",
        "`idweave refusals` shows them with how often, and the first and the last event.",
        table(("reason", "means"), [(f"`{name}`", f"{text}") for name, text in REFUSALS.items()]),
    ]
    return page(parts)


def errors(kind: type[IdweaveError] = IdweaveError) -> Iterator[type[IdweaveError]]:
    """Every kind of error, parents first."""
    yield kind
    for child in kind.__subclasses__():
        yield from errors(child)


def error_row(kind: type[IdweaveError]) -> tuple[str, str, str]:
    """An error as a row; the docstring says what it means."""
    (text, *_) = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    plain = re.sub(r"\s+", " ", text).replace("``", "`")
    return f"`{kind.code}`", str(int(exit_of(kind("")))), plain


def refusals() -> list[problems.Refused]:
    """The problems that only the HTTP API has."""
    found = [one for one in vars(problems).values() if isinstance(one, problems.Refused)]
    known = {kind.code for kind in errors()}
    return sorted((one for one in found if one.code not in known), key=lambda one: one.code)


def problem_row(one: problems.Refused) -> tuple[str, str, str, str]:
    """A problem as a row."""
    return f"`{one.code}`", str(one.status), one.detail, one.fix


def peers_page() -> str:
    """The page of other systems' documented cases."""
    columns = ("system", "preset", "its words in ours", "cases")
    return page([
        "# Peers: the documented cases of other systems",
        one_line(peers.INTRO + peers.totals()),
        table(columns, peers.summary()),
        peers.TRY,
        one_line(peers.READING),
        "## What they document as their own weakness",
        one_line(peers.WEAK),
        "## Case by case",
        table(("case", "what", "comes out", "not expressed, and why"), peers.details()),
    ])  # fmt: skip


def one_line(text: str) -> str:
    """A paragraph as one line, to be wrapped."""
    return " ".join(text.split())


# -- pages -----------------------------------------------------------------------------------------


def page(parts: Iterable[str]) -> str:
    """A page: parts with a blank line between, prose wrapped as everywhere in the repository."""
    return "\n\n".join(map(wrapped, parts)) + "\n"


def wrapped(part: str) -> str:
    """Prose in lines; headings, tables and code as they are."""
    if part[:1] in {"#", "|", "<"} or part.startswith("```"):
        return part
    fill = partial(textwrap.fill, width=115, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(map(fill, part.split("\n\n")))


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


PAGES = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "errors.md": errors_page,
    "peers.md": peers_page,
}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), "utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")
