"""The reliability page is true: every row that is due is in its tables, every test that it names
exists and is of that row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"

DUE = (
    *(f"F{number}" for number in (1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 14, 15)),
    *(f"S{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 17, 21)),
)

ROW = re.compile(r"^\| ([FS]\d+|erase) \|.*\| ([^|]+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, list[str]]]:
    """Each row of the tables with the tests that it names."""
    found = ROW.findall(PAGE.read_text("utf-8"))
    return [(row, re.findall(r"`(test_\w+)`", cell)) for row, cell in found]


def functions_of_tests() -> set[str]:
    """The names of all test functions."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_that_the_page_names_exists() -> None:
    known = functions_of_tests()
    assert [name for _, names in rows() for name in names if name not in known] == []


@pytest.mark.parametrize("row", DUE)
def test_a_row_that_is_due_names_a_test_called_after_it(row: str) -> None:
    named = [name for found, names in rows() if found == row for name in names]
    assert any(re.search(rf"_{row.lower()}_", name) for name in named), named


def test_the_page_has_a_sentence_on_every_row_without_a_test() -> None:
    told = PAGE.read_text("utf-8").partition("## What is not shown yet")[2]
    gaps = {
        f"{kind}{number}"
        for kind, first, last in re.findall(r"\b([FS])(\d+)(?: to [FS](\d+))?", told)
        for number in range(int(first), int(last or first) + 1)
    }
    rest = {f"F{n}" for n in range(1, 21)} | {f"S{n}" for n in range(1, 25)}
    assert rest - {row for row, _ in rows()} <= gaps
