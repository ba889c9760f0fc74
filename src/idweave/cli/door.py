"""The outermost door: arguments in, an exit code out, and never a trace on the screen."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

MISSING = (
    "idweave: this needs {name}, which is not installed.\n"
    "fix: Install idweave with its extras: pip install 'idweave[all]'\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (``idweave.cli.exits``)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a terminal of another language must not break one
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from .running import run

        code = run(words)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("idweave"):
            return _bug(error)
        sys.stderr.write(MISSING.format(name=error.name))
        return 1
    except BrokenPipeError:  # whoever read the answer has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost door: no trace may reach a person
        return _bug(error)
    return code


def _bug(error: Exception) -> int:
    """Say that it is ours, and where the details are."""
    name = type(error).__name__
    report = Path(tempfile.gettempdir(), f"idweave-bug-{time.time_ns()}.txt")
    try:
        report.write_text("".join(traceback.format_exception(error)), "utf-8")
        where = f"The details are in {report}."
    except OSError:
        where = "Its details could not be written."
    sys.stderr.write(f"idweave: this is a bug in idweave ({name}), not in your data. {where}\n")
    sys.stderr.write("fix: Report it with that file, after taking out what is private.\n")
    return 70
