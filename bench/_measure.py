"""Timing and writing down: medians of interleaved rounds, rows of goals, and RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).with_name("RESULTS.md")
ROUNDS = 5


class Row(NamedTuple):
    """One goal: what was measured, its yardstick, their ratio, what the ratio should be."""

    goal: str
    what: str
    ours: str
    yardstick: str
    ratio: float
    wanted: str
    is_met: bool


def at_least(ratio: float, goal: float, *, unit: str = "×") -> tuple[float, str, bool]:
    """The last three fields of a row whose ratio should be large."""
    return ratio, f"≥ {goal:g} {unit}", ratio >= goal


def at_most(ratio: float, goal: float, *, unit: str = "×") -> tuple[float, str, bool]:
    """The last three fields of a row whose ratio should be small."""
    return ratio, f"≤ {goal:g} {unit}", ratio <= goal


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Median seconds of each, run in turn (A B A B …), so that a drift hits all of them alike."""
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Run on one processor, where the system lets us choose it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[number % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| goal | what | idweave | yardstick | ratio | wanted | met |", "|---" * 7 + "|"]
    lines += [
        f"| {row.goal} | {row.what} | {row.ours} | {row.yardstick} | {row.ratio:.3g}"
        f" | {row.wanted} | {'yes' if row.is_met else '**no**'} |"
        for row in rows
    ]
    return "\n".join(lines)


def machine() -> str:
    """What the figures were measured on, without naming the machine."""
    cpu = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*: (.*)", info.read_text("utf-8"))
        cpu = found[1] if found else cpu
    python = platform.python_version()
    return f"{os.cpu_count()} × {cpu}, {platform.system()}, Python {python}"


def load() -> str:
    """How busy the machine was with us and others, where the system tells."""
    if not hasattr(os, "getloadavg"):
        return "Load of the machine: unknown."
    shortly, _, long = os.getloadavg()
    return f"Load of the machine at the end: {shortly:.1f} (1 min), {long:.1f} (15 min)."


def commit() -> str:
    """The commit that was measured, with a + where files differ from it."""
    words = ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def write_down(suite: str, text: str) -> None:
    """Put a suite's section into RESULTS.md in place of its last one."""
    mark, end = f"<!-- {suite} -->", f"<!-- /{suite} -->"
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    section = f"{mark}\n## {suite}\n{when}, commit {commit()}, {machine()}.\n\n{text}\n{end}\n"
    before = RESULTS.read_text("utf-8") if RESULTS.exists() else HEAD
    pattern = re.compile(re.escape(mark) + r".*?" + re.escape(end) + "\n", re.DOTALL)
    replaced, count = pattern.subn(lambda _: section, before)
    RESULTS.write_text(replaced if count else f"{before}\n{section}", "utf-8")


HEAD = """# Results

Written by `python3 dev.py bench`. Each row was measured beside its yardstick in one run, in turn
with it; read the ratios, not the absolute figures, which change by a quarter from run to run.
"""
