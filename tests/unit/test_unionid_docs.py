"""The pages are true: the reference is that of the tables, the how-to's answers are real.

``python -m tests.unit.test_unionid_docs`` writes both anew.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import time
from pathlib import Path

import pytest

from idweave.unionid.mock import MockServer, build
from idweave.unionid.mock.scenarios import write_config
from idweave.unionid.providers import PROVIDERS
from idweave.unionid.reference import reference
from tests.command import idweave

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference" / "unionid.md"
HOW_TO = DOCS / "how-to" / "count-people-across-wechat-accounts.md"
PICTURE = DOCS / "how-to" / "overlap.svg"

AGAIN = "write it anew: python -m tests.unit.test_unionid_docs"

CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
FILE = re.compile(r"Put this into `(\S+)`:\n\n```json\n(.*?)```", re.DOTALL)

CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"), "2026-01-01 12:00:00+00:00"),
    (re.compile(r"\b\d{15,19}\b"), "8020822033626001021"),
    (re.compile(r"\b1[5-9]\d{11}\b"), "1767268800000"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "57eedcc425f4d31574679f4d9461f26d"),
    (re.compile(r"[ ]+$", re.MULTILINE), ""),
)
"""What is another at each run: times, names of users, event ids."""


def same_each_time(text: str) -> str:
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return text


def run(block: str) -> str:
    """A block of commands with their real answers."""
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ idweave "):
            ran = idweave(*shlex.split(line)[2:])
            assert (ran.code, ran.err) == (0, ""), (line, ran)
            lines += [line, *same_each_time(ran.out).splitlines()]
    return "\n".join(lines) + "\n"


def played(text: str) -> str:
    """The how-to with every answer as it is now; leaves what it draws in the current folder."""
    world = build("brand", lambda: time.time_ns() // 1_000_000)
    with MockServer(world) as server:
        accounts = list(world.accounts.values())
        write_config(Path("demo"), accounts, server.url, server.host)
        for name, content in FILE.findall(text):
            Path(name).write_text(content, "utf-8")
        return CONSOLE.sub(lambda found: f"```console\n{run(found.group(1))}```", text)


def test_the_reference_is_that_of_the_tables() -> None:
    assert REFERENCE.read_text("utf-8") == reference(), AGAIN


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_platform_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in REFERENCE.read_text("utf-8")


@pytest.mark.slow
def test_the_answers_in_the_how_to_are_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = HOW_TO.read_text("utf-8")
    assert played(text) == text, AGAIN
    assert Path("overlap.svg").read_text("utf-8") == PICTURE.read_text("utf-8")


def write() -> None:
    """Write both pages and the picture anew."""
    REFERENCE.write_text(reference(), "utf-8")
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = played(HOW_TO.read_text("utf-8"))
        picture = Path("overlap.svg").read_text("utf-8")
        os.chdir(here)
    HOW_TO.write_text(text, "utf-8")
    PICTURE.write_text(picture, "utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"written: {REFERENCE}, {HOW_TO}, {PICTURE}\n")
