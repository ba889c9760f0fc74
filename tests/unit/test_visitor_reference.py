"""The reference page of visitor ids says what the tables say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idweave.core.visitor import CONDITIONS, HINTS, PROFILES, render_reference

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "visitor-ids.md"
HOW_TO = (DOCS / "how-to" / "coming-from-growingio-tracker.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)
REWRITE = (
    'python -c "import pathlib, idweave.core.visitor as v; '
    "pathlib.Path('docs/reference/visitor-ids.md').write_text(v.render_reference(), 'utf-8')\""
)


def test_the_reference_page_is_current() -> None:
    current = PAGE.read_text("utf-8") == render_reference()
    assert current, f"{PAGE.name} is not what the tables say: run {REWRITE}"


def test_the_page_names_every_profile_hint_and_condition() -> None:
    page = render_reference()
    names = [*PROFILES, *(row.name for row in HINTS), *(row.name for row in CONDITIONS)]
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_the_how_to_runs_as_printed(code: str) -> None:
    exec(compile(code, "coming-from-growingio-tracker.md", "exec"), {})


def test_the_how_to_has_code() -> None:
    assert len(BLOCKS) == 4
