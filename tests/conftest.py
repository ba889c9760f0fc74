"""What holds for every test: under CI a skipped test is a failure unless it is on the list.

``tests/skips_allowed.txt`` has a line per allowed skip: a node id, where ``*`` stands for
anything, two spaces, ``#`` and the reason. A line without a reason stops the run.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other things is no reason to fail.
settings.register_profile(
    "idweave", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("idweave")

ALLOWED = Path(__file__).with_name("skips_allowed.txt")


class Skips:
    """Turns a skip nobody allowed into a failure; registered under CI only."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.skipped and not hasattr(report, "wasxfail"):
            self._judge(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if report.skipped:
            self._judge(report)
        return report

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if any(fnmatchcase(report.nodeid, pattern) for pattern in self._allowed):
            return
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid} was skipped under CI ({why}): make it run there, "
            f"or list it with a reason in tests/{ALLOWED.name}"
        )


def parse_allowed(lines: Iterable[str]) -> tuple[str, ...]:
    """The patterns of the list; raises for a line without a reason."""
    patterns = []
    for number, line in enumerate(lines, 1):
        pattern, _, reason = line.partition("#")
        if pattern.strip() and not reason.strip():
            raise pytest.UsageError(f"{ALLOWED}:{number}: an allowed skip needs '  # reason'")
        if pattern.strip():
            patterns.append(pattern.strip())
    return tuple(patterns)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        allowed = parse_allowed(ALLOWED.read_text("utf-8").splitlines())
        config.pluginmanager.register(Skips(allowed), "idweave-skips")
