"""Commands and the options that all of them have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idweave.core.errors import InputError
from idweave.engine.engine import PAGE_MAX

from .exits import Exit
from .keys import sound_text
from .output import Output
from .session import Session

Act = Callable[..., Exit | None]
"""A command: takes a session and its own arguments, says what it found, returns its exit code."""

JSON_FLAG = "--json"

LIMIT_MAX = PAGE_MAX - 1
"""Rows of one answer: one less than the engine gives, as one more tells whether there are any."""

JsonOption = Annotated[
    bool, typer.Option(JSON_FLAG, help="Answer in JSON, for machines.", rich_help_panel="Common")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="The store; instead of the setting store.url.",
        rich_help_panel="Common",
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The settings; instead of IDWEAVE_CONFIG or ./idweave.toml.",
        rich_help_panel="Common",
    ),
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The project; instead of IDWEAVE_PROJECT.", rich_help_panel="Common"
    ),
]

COMMON: dict[str, tuple[Any, Any]] = {
    "json": (JsonOption, False),
    "store": (StoreOption, None),
    "config": (ConfigOption, None),
    "project": (ProjectOption, None),
}
"""The options that every command has: annotation and default."""

LimitOption = Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="How many at most.")]
CursorOption = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="Go on after the page that named it.")
]


def number_typed(word: str | None, name: str) -> int:
    """A number that somebody typed, 0 for none; raises InputError."""
    if word is None:
        return 0
    if word.isascii() and word.isdigit() and len(word) <= 18:
        return int(word)
    fix = f"Give the {name} that the last page named."
    raise InputError(f"{word[:50]!r} is not a {name}.", fix=fix)


class Listing(TyperGroup):
    """A group that lists where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does it, with ``list`` before options that stand alone."""
        is_named = bool(args) and (args[0] == "--help" or not args[0].startswith("-"))
        return super().parse_args(ctx, args if is_named else ["list", *args])


def group(name: str, about: str, *, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A group of commands; without one of them it shows its help, or does what its kind says."""
    is_plain = kind is TyperGroup
    return typer.Typer(
        name=name, help=about, no_args_is_help=is_plain, rich_markup_mode="rich", cls=kind
    )


def flowing(text: str) -> str:
    """A docstring as help: a paragraph is one line, for the terminal to break; what is indented
    (an example) stays as it is."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(one if "\n " in one else " ".join(one.splitlines()) for one in paragraphs)


def offer(
    app: typer.Typer, name: str, *, without: frozenset[str] = frozenset()
) -> Callable[[Act], Act]:
    """Make a function a command of ``app``: its first argument is the session, its docstring is
    the help, and the options of ``COMMON`` come with it, ``without`` those that mean nothing."""

    def attach(act: Act) -> Act:
        own = list(inspect.signature(act, eval_str=True).parameters.values())[1:]
        kind = inspect.Parameter.KEYWORD_ONLY
        common = [
            inspect.Parameter(option, kind, default=default, annotation=annotation)
            for option, (annotation, default) in COMMON.items()
            if option not in without
        ]
        parameters = [one.replace(kind=kind) for one in own] + common

        @functools.wraps(act)
        def run(**given: Any) -> int:
            taken = {option: given.pop(option, None) for option in COMMON}
            flags = {"store.url": taken["store"]}
            output = Output(json=bool(taken["json"]))
            project = None if taken["project"] is None else sound_text(taken["project"])
            session = Session(output, taken["config"], project, flags)
            return int(act(session, **given) or Exit.DONE)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name, help=flowing(act.__doc__ or ""))(run)
        return act

    return attach
