"""The documentation is complete and current: every command, setting and code is in the reference,
links lead somewhere, and the example of the settings page is a good file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from idweave.config import load_settings
from idweave.core.policy_file import CHOICES, POLICY_FIELDS, PRESETS, RULE_FIELDS, SWITCHES
from idweave.core.rejection import Code
from tests.reference_pages import FOLDER, PAGES, REJECTIONS, commands, example

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def markdown() -> list[Path]:
    """Every page of the repository."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says_now(name: str) -> None:
    stored = (FOLDER / name).read_text("utf-8")
    assert stored == PAGES[name](), "run: python -m tests.reference_pages"


def test_every_rejection_code_is_explained() -> None:
    assert set(REJECTIONS) == set(Code)


def test_every_preset_field_and_value_of_a_policy_is_on_its_page() -> None:
    text = (FOLDER / "policies.md").read_text("utf-8")
    values = {word.value for kinds in (*SWITCHES.values(), *CHOICES.values()) for word in kinds}
    words = {*PRESETS, *RULE_FIELDS, *POLICY_FIELDS, *values} - {"keys"}
    assert sorted(word for word in words if f"`{word}`" not in text) == []


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_a_help_with_an_example_of_itself_and_json(name: str) -> None:
    command = dict(commands())[name]
    assert re.search(rf"\n  {re.escape(name)}\b|\| {re.escape(name)}\b", command.help), name
    assert "--json" in {word for one in command.params for word in one.opts}
    undocumented = [one.name for one in command.params if not one.help]
    assert undocumented == []


def test_the_example_of_the_settings_page_is_a_good_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("idweave.toml").write_text(example(), "utf-8")
    assert tomllib.loads(example())["projects"].keys() == {"default", "shop"}
    found = load_settings(None, {})
    assert found.project("shop").time_window is False


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_commands_that_pages_name_exist() -> None:
    known = {name for name, _ in commands()} | {
        " ".join(name.split()[:2]) for name, _ in commands()
    }
    named = [
        (page.name, command)
        for page in markdown()
        for command in re.findall(r"`(idweave [a-z][a-z-]*)", page.read_text("utf-8"))
    ]
    assert [one for one in named if one[1] not in known] == []
