"""The list of allowed skips: what CI accepts and what it turns into a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import parse_allowed

SUITE = """
import pytest

def test_that_runs(): pass

@pytest.mark.skip(reason="no browser here")
def test_that_skips(): pass

def test_that_gives_up(): pytest.skip("no display here")

@pytest.mark.xfail(strict=True, reason="known")
def test_that_is_known_to_fail(): assert False
"""


def run_suite(folder: Path, allowed: str, *, ci: bool) -> subprocess.CompletedProcess[str]:
    rules = Path(__file__).parents[1] / "conftest.py"
    (folder / "conftest.py").write_text(rules.read_text("utf-8"), "utf-8")
    (folder / "skips_allowed.txt").write_text(allowed, "utf-8")
    (folder / "test_suite.py").write_text(SUITE, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "true" if ci else ""}
    environment = {**os.environ, **alone}
    return subprocess.run(
        [*command, str(folder)],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_skip_under_ci_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "", ci=True)
    assert run.returncode == 1
    assert "test_that_skips was skipped under CI" in run.stdout
    assert "test_that_gives_up was skipped under CI" in run.stdout
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in run.stdout


def test_a_file_skipped_whole_is_a_failure_under_ci(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('nowhere')\n")
    run = run_suite(tmp_path, "test_suite.py::*  # not what this test is about\n", ci=True)
    assert run.returncode != 0
    assert "test_whole.py was skipped under CI" in run.stdout


def test_a_listed_skip_stays_a_skip_under_ci(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "test_suite.py::test_that_*  # no browser here\n", ci=True)
    assert run.returncode == 0, run.stdout


def test_a_skip_outside_ci_is_only_a_skip(tmp_path: Path) -> None:
    assert run_suite(tmp_path, "", ci=False).returncode == 0


def test_an_allowed_skip_without_a_reason_stops_the_run() -> None:
    with pytest.raises(pytest.UsageError, match=":2: an allowed skip needs"):
        parse_allowed(["# a comment", "tests/test_x.py::test_y"])
