"""The tutorial, typed by hand, does what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import Typed, files_and_commands, run, same

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "change-the-rules.md"
PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "from-a-visit-to-a-user.md"


@pytest.mark.slow
def test_the_tutorial_typed_by_hand_does_what_it_prints(tmp_path: Path) -> None:
    steps = files_and_commands(PAGE.read_text("utf-8"))
    commands = [step for step in steps if isinstance(step, Typed)]
    assert len(commands) > 10
    for step in steps:
        if not isinstance(step, Typed):
            name, content = step
            (tmp_path / name).write_text(content, "utf-8")
            continue
        printed = run(step.command, tmp_path)
        assert step.shown is not None, f"{step.command} shows no output:\n{printed}"
        assert same(printed) == same(step.shown), step.command


@pytest.mark.slow
def test_the_rules_are_changed_as_the_how_to_prints(tmp_path: Path) -> None:
    for step in files_and_commands(HOW_TO.read_text("utf-8")):
        if not isinstance(step, Typed):
            name, content = step
            (tmp_path / name).write_text(content, "utf-8")
            continue
        printed = run(step.command, tmp_path)
        assert "fix:" not in printed, printed
        assert step.shown is None or same(printed) == same(step.shown), step.command
