"""Progress of long work: a bar for people at a terminal, silence for everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from .output import Output, number_text


class Bar(Protocol):
    """Shows how far something is."""

    def show(self, done: int, count: int = 0, total: int | None = None) -> None:
        """``done`` of the total, and how many things that were; the total, where it is known only
        now."""
        ...


class _Silent:
    def show(self, done: int, count: int = 0, total: int | None = None) -> None:
        pass


@contextmanager
def progress(output: Output, title: str, total: int | None, *, things: str) -> Iterator[Bar]:
    """A bar with the rate of ``things`` and the time left; None: the total is unknown."""
    if output.json or not output.errors.is_terminal:
        yield _Silent()
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.errors, transient=True) as shown:
        task = shown.add_task(title, total=total, count="")

        class Shown:
            def show(self, done: int, count: int = 0, total: int | None = None) -> None:
                elapsed = shown.tasks[0].elapsed or 0
                rate = f", {number_text(int(count / elapsed))}/s" if elapsed > 1 else ""
                said = f"{number_text(count)} {things}{rate}"
                shown.update(task, completed=done, count=said, total=total)

        yield Shown()
