"""What a command says: tables and sentences for people, JSON for machines, errors on stderr."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from idweave.core.errors import FileMistake, IdweaveError
from idweave.core.identity import Identity
from idweave.engine.answers import RefusalAnswer

FOLDED_COLUMNS = 12
"""The least width of a cell that takes several lines: a word or two."""

PIPE_COLUMNS = 160
"""The width of tables where no terminal says its own: values should not be folded in files."""

API_NAMES: dict[tuple[type, str], str] = {(RefusalAnswer, "home"): "canonical_id"}
"""Fields of answers that the HTTP API calls otherwise."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d\ufe0f")  # inside emoji and Indic words; they move nothing


def visible(value: object) -> str:
    """A value of outside origin as a terminal may have it: what would move the cursor, change
    colours or turn the direction of text is written as its code."""
    return "".join(_code(char) if _is_invisible(char) else char for char in str(value))


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE and char not in _JOINERS


def _code(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 256 else f"\\u{{{number:x}}}"


def time_text(time_ms: int | None) -> str:
    """A time as local ISO text with its offset, to the second; a dash for none."""
    if time_ms is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC).astimezone()
    except (ValueError, OverflowError, OSError):  # at the ends of what this system's clock knows
        moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return moment.isoformat(" ", "seconds")


def number_text(number: int) -> str:
    """A count with its thousands apart."""
    return f"{number:,}"


def bytes_text(count: int) -> str:
    """A size as people say it."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{int(size)} B" if unit == "B" else f"{size:.1f} {unit}"


def as_json(value: Any) -> Any:
    """An answer as JSON values, in the shape that the HTTP API gives it: an identity is its `key`
    and its `value` beside the rest."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Any] = {}
        for one in dataclasses.fields(value):
            content = getattr(value, one.name)
            if isinstance(content, Identity):
                found |= content._asdict()
            else:
                found[API_NAMES.get((type(value), one.name), one.name)] = as_json(content)
        return found
    if isinstance(value, Mapping):
        return {str(name): as_json(content) for name, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        values = sorted(value) if isinstance(value, set | frozenset) else value
        return [as_json(content) for content in values]
    return value


def exact_stdout() -> None:
    """What machines read is UTF-8 with plain line ends, whatever the terminal's language."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")


class Output:
    """The voice of one command. With ``json`` only documents go to stdout."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.console = _console(sys.stdout)
        self.errors = _console(sys.stderr)

    def document(self, value: Any) -> None:
        """The one JSON document of a command."""
        exact_stdout()
        sys.stdout.write(json.dumps(as_json(value), ensure_ascii=False, indent=2) + "\n")

    def line(self, value: Any) -> None:
        """One JSON line of a command that streams."""
        text = json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))
        exact_stdout()
        sys.stdout.write(text + "\n")

    def flush(self) -> None:
        """Let a reader have what was said so far."""
        sys.stdout.flush()

    def say(self, text: str = "", style: str = "") -> None:
        """A sentence for people; silent with ``json``."""
        if not self.json:
            self.console.print(Text(text, style=style), soft_wrap=True)

    def note(self, text: str) -> None:
        """A remark beside the answer, on stderr, so that pipes stay clean."""
        self.errors.print(Text(f"note: {text}", style="dim"), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something that should be looked at, on stderr."""
        self.errors.print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        title: str = "",
        right: Sequence[str] = (),
        folds: Sequence[str] = (),
    ) -> None:
        """A table for people, or a list where the screen is too narrow for it. Columns named in
        ``right`` hold numbers; those in ``folds`` may take several lines."""
        cells = [[_cell(cell) for cell in row] for row in rows]
        if title:
            self.say(title, style="bold")
        if _width(columns, cells, folds) > self.console.width:
            self._list(columns, cells)
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in columns:
            justify: JustifyMethod = "right" if name in right else "left"
            table.add_column(name, justify=justify, overflow="fold", no_wrap=name not in folds)
        for row in cells:
            table.add_row(*row)
        self.console.print(table)

    def _list(self, columns: Sequence[str], rows: list[list[Text]]) -> None:
        """Rows of two lines or more: the first two cells, then the others with their names."""
        for row in rows:
            first = Text("  ").join(cell for cell in row[:2] if cell)
            self.console.print(first, soft_wrap=True)
            named = zip(columns[2:], row[2:], strict=True)
            rest = [Text(f"{name} ".lstrip(), style="dim") + cell for name, cell in named if cell]
            if rest:
                self.console.print(Text("    ") + Text(", ").join(rest), soft_wrap=True)


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(visible(value))


def _width(columns: Sequence[str], rows: list[list[Text]], folds: Sequence[str]) -> int:
    """The columns that a table needs at least."""
    widths = [
        max([len(name), *(cell_len(row[place].plain) for row in rows)])
        for place, name in enumerate(columns)
    ]
    pairs = zip(columns, widths, strict=True)
    least = (min(width, FOLDED_COLUMNS) if name in folds else width for name, width in pairs)
    return sum(least) + 2 * (len(widths) - 1)


def _console(stream: Any) -> Console:
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def report_error(error: IdweaveError, output: Output) -> None:
    """What, where, why, and on a line of its own the fix, on stderr; in JSON one object."""
    if output.json:
        said: dict[str, object] = {"code": error.code, "message": error.message, "fix": error.fix}
        if isinstance(error, FileMistake):
            said |= {"file": error.file, "line": error.line, "field": error.field}
        sys.stderr.write(json.dumps({"error": said}, ensure_ascii=False) + "\n")
        return
    place = error.place if isinstance(error, FileMistake) else ""
    named = error.field if isinstance(error, FileMistake) else ""
    where = "".join(f"{visible(part)}: " for part in (place, named) if part)
    complain(f"{where}{visible(error.message)}", error.fix, output)


def complain(problem: str, fix: str, output: Output) -> None:
    """One line that says what is wrong, and one that says what to do."""
    output.errors.print(Text("idweave: ", style="bold red") + Text(problem), soft_wrap=True)
    if fix:
        output.errors.print(Text("fix: ", style="bold green") + Text(visible(fix)), soft_wrap=True)
