"""The README's tour, typed by hand, does what it prints."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from .pages import Typed, files_and_commands, run, same
from .test_demo import READY, demo, lines_until, stop

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TABLE = re.compile(r"```\n(user .*?)```", re.DOTALL)
CURL = re.compile(r"curl -s http://127\.0\.0\.1:8107(\S+)")


@pytest.mark.slow
def test_the_tour_of_the_readme_does_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    typed = [step for step in files_and_commands(README) if isinstance(step, Typed)]
    assert len(typed) > 3
    with demo("--port", "0") as process:
        said = lines_until(process, READY)
        (table,) = TABLE.findall(README)
        assert same(table) == [line for line in same("\n".join(said)) if line in same(table)]
        (api,) = {line.split("/v1/")[0].strip() for line in said if "/v1/" in line}
        for step in typed:
            asked = CURL.fullmatch(step.command)
            printed = fetched(api + asked[1]) if asked else run(step.command, tmp_path)
            assert same(printed) == same(step.shown or ""), step.command
        stop(process)


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
