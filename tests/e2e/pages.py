"""What a page tells its reader to type, done: files written, commands run, and their output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```(console|jsonl|toml) ?(\S*)\n(.*?)```", re.DOTALL | re.MULTILINE)
IDWEAVE = re.compile(r"^(\.venv/bin/)?idweave ")

SIZE = re.compile(r'(takes |"store_bytes":)[\d.]+( [KM]iB)?')


class Typed(NamedTuple):
    """One command of a page and the output shown below it; None where none is shown."""

    command: str
    shown: str | None


def files_and_commands(text: str) -> list[tuple[str, str] | Typed]:
    """The files and commands of a page in its order."""
    found: list[tuple[str, str] | Typed] = []
    for kind, name, block in BLOCK.findall(text):
        if kind != "console":
            found += [(name, block)] if name else []
            continue
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Typed(command, shown.strip("\n") or None))
    return found


def run(command: str, folder: Path) -> str:
    """Run an ``idweave`` command of a page; what it printed, errors included."""
    assert IDWEAVE.match(command), f"only idweave is typed on pages, not {command!r}"
    words = shlex.split(IDWEAVE.sub("", command))
    environment = {**os.environ, "COLUMNS": "120", "TZ": "UTC", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "idweave", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def same(text: str) -> list[str]:
    """Output to compare: without blanks at line ends, and sizes of files left open."""
    lines = (SIZE.sub(r"\1N", line) for line in text.splitlines())
    return [line.rstrip() for line in lines if line.strip()]
