"""What became of imported files, and how that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from idweave.core.errors import InputError
from idweave.core.rejection import Code
from idweave.engine.answers import Receipt

from ..exits import Exit
from ..output import Output, number_text, report_error, visible

ERASED = Code.ERASED.value

COUNTS = (
    "lines",
    "skipped_lines",
    "empty_requests",
    "received",
    "accepted",
    "rejected",
    "duplicates",
)
SHOWN = ("file", "lines", "received", "accepted", "rejected", "duplicates")


@dataclass(slots=True)
class Tally:
    """What became of one file: received = accepted + rejected + duplicates."""

    file: str
    lines: int = 0
    skipped_lines: int = 0
    empty_requests: int = 0
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    rejected_by_code: Counter[str] = field(default_factory=Counter)
    flaw: InputError | None = None
    is_stopped: bool = False

    def add(self, receipt: Receipt) -> None:
        """Count what became of some records."""
        self.received += receipt.received
        self.accepted += receipt.accepted
        self.rejected += receipt.rejected
        self.duplicates += receipt.duplicates

    def as_row(self) -> dict[str, Any]:
        """The tally for machines."""
        row = {name: getattr(self, name) for name in COUNTS}
        flaw = None if self.flaw is None else self.flaw.message
        codes = dict(sorted(self.rejected_by_code.items()))
        return {"file": self.file, **row, "rejected_by_code": codes, "flaw": flaw}


def summary(tallies: Sequence[Tally], output: Output) -> Exit:
    """Say what became of the files, and choose the exit code."""
    codes: Counter[str] = sum((one.rejected_by_code for one in tallies), Counter())
    if output.json:
        totals = {name: sum(getattr(one, name) for one in tallies) for name in COUNTS}
        rows = [one.as_row() for one in tallies]
        totals |= {"rejected_by_code": dict(sorted(codes.items()))}
        stopped = any(one.is_stopped for one in tallies)
        output.document({"files": rows, "total": totals, "stopped": stopped})
    else:
        _table(tallies, codes, output)
    for one in tallies:
        if one.flaw is not None:
            report_error(one.flaw, output)
    return _exit(tallies, codes, output)


def _table(tallies: Sequence[Tally], codes: Counter[str], output: Output) -> None:
    rows: list[tuple[str, ...]] = [
        (one.file, *(number_text(getattr(one, name)) for name in SHOWN[1:])) for one in tallies
    ]
    if len(tallies) > 1:
        sums = (sum(getattr(one, name) for one in tallies) for name in SHOWN[1:])
        rows.append(("total", *map(number_text, sums)))
    output.table(SHOWN, rows, right=SHOWN[1:])
    if codes:
        output.say()
        counted = [(code, number_text(count)) for code, count in sorted(codes.items())]
        output.table(("rejected", "records"), counted, right=("records",))
        if codes.keys() != {ERASED}:
            output.say("They are kept: `idweave rejections` shows why, and what would mend them.")
        if ERASED in codes:
            output.say("What was erased is not kept, and stays out.")
    for one in tallies:
        if one.skipped_lines:
            skipped = number_text(one.skipped_lines)
            output.note(f"{visible(one.file)}: {skipped} lines were in already, and skipped")
        if one.empty_requests:
            count = number_text(one.empty_requests)
            output.note(f"{visible(one.file)}: {count} requests held no data")


def _exit(tallies: Sequence[Tally], codes: Counter[str], output: Output) -> Exit:
    if any(one.is_stopped for one in tallies):
        output.note("stopped; the same command goes on from here")
        return Exit.STOPPED
    if any(one.flaw is not None for one in tallies):
        return Exit.FAILED
    return Exit.REJECTED if codes else Exit.DONE
