"""One command run, and every expected way it can end."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from idweave.core.errors import IdweaveError

from .app import app
from .exits import Exit, exit_of
from .offering import JSON_FLAG
from .output import Output, complain, report_error

UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]
"""What typer raises for a command line that it cannot read; it has no public name of its own."""


def run(words: Sequence[str]) -> int:
    """Run the command that the words are; returns the exit code."""
    output = Output(json=JSON_FLAG in words)
    try:
        code = app(list(words), prog_name="idweave", standalone_mode=False)
    except IdweaveError as error:
        report_error(error, output)
        return exit_of(error)
    except (KeyboardInterrupt, typer.Abort):
        output.errors.print("\nStopped.")
        return Exit.STOPPED
    except SystemExit:  # typer's own way to say that nobody reads stdout any more
        return Exit.DONE
    except UsageProblem as error:
        return _misused(error, output)
    return code if isinstance(code, int) else Exit.DONE


def _misused(error: Exception, output: Output) -> Exit:
    context = getattr(error, "ctx", None)
    said = getattr(error, "format_message", lambda: str(error))()
    path = context.command_path if context is not None else "idweave"
    if said:
        complain(said, f"`{path} --help` shows how it is used.", output)
    return Exit.USAGE
