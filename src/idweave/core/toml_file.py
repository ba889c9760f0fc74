"""Files that people write in TOML: every mistake is named by file, line, field and fix."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from .errors import FileMistake

_HEADER = re.compile(r"\s*\[{1,2}[\w.\-\s\"'$]+\]{1,2}\s*(#.*)?\Z")
_NOT_NAMES = re.compile(r"[\s\"']|#.*")


class Table(NamedTuple):
    """One table of a file: its header as it is written, and which of those that are alike."""

    header: str
    nth: int = 0


class Source:
    """A file's text, only to say on which line something stands."""

    def __init__(self, text: str, file: str, mistake: type[FileMistake]) -> None:
        self.lines = text.splitlines()
        self.file = file
        self._mistake = mistake

    def line_of(self, field: str, table: Table | None) -> int:
        """The 1-based line of ``field`` in a table (None: at the top); that of the table's header
        where the field has no line of its own, 0 where neither has."""
        inside, seen, header = table is None, -1, 0
        for number, line in enumerate(self.lines, 1):
            if _HEADER.match(line):
                is_like = table is not None and _plain(line) == _plain(table.header)
                seen += is_like
                inside = is_like and table is not None and seen == table.nth
                header = number if inside else header
            elif inside and re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", line):
                return number
        return header or (self._first_table(field) if table is None else 0)

    def _first_table(self, name: str) -> int:
        """The line of the first table of this name, or inside it."""
        start = re.compile(rf"\[+{re.escape(_plain(name))}[.\]]")
        found = (n for n, line in enumerate(self.lines, 1) if start.match(_plain(line)))
        return next(found, 0)

    def at(self, field: str, table: Table | None = None) -> Where:
        """A field of a table, or of the top."""
        return Where(self, field, table)

    def mistake(self, problem: str, field: str, line: int, fix: str) -> FileMistake:
        """The error that names it."""
        return self._mistake(problem, field=field, line=line, file=self.file, fix=fix)


def _plain(header: str) -> str:
    return _NOT_NAMES.sub("", header)


class Where(NamedTuple):
    """One field of a file: what a mistake there is said of."""

    source: Source
    field: str
    table: Table | None

    def error(self, problem: str, fix: str) -> FileMistake:
        """The error that names this place."""
        line = self.source.line_of(self.field, self.table)
        return self.source.mistake(problem, self.field, line, fix)


def read_toml(text: str, source: Source, *, example: str) -> dict[str, Any]:
    """The content of a file. ``example``: where a good one can be seen."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        line = int(place.group(1)) if place else len(source.lines)
        fix = f"Mend the syntax there; {example}."
        raise source.mistake(f"This is not TOML: {error}.", "", line, fix) from None


# -- what a field must be --------------------------------------------------------------------------


def no_unknown(
    raw: Mapping[str, Any], known: Sequence[str], source: Source, table: Table | None
) -> None:
    """Refuse fields that nobody reads: each is a misspelt one."""
    for field in raw:
        if field not in known:
            raise source.at(field, table).error("There is no such field.", suggest(field, known))


def text_of(raw: Mapping[str, Any], where: Where) -> str:
    """A field that must be there, and be text."""
    value = raw.get(where.field)
    if isinstance(value, str) and value:
        return value
    if where.field not in raw:
        raise where.error("It is missing.", f'Add `{where.field} = "…"`.')
    raise where.error(f"It must be text, not {value!r}.", "Put it in quotes.")


def count(value: Any, least: int, where: Where) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise where.error(f"{value!r} is no number for it.", f"Write a whole number, {least} or more.")


def flag(value: Any, where: Where) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise where.error(f"{value!r} is neither true nor false.", "Write true or false.")


def choice(value: Any, kinds: type[StrEnum], where: Where) -> StrEnum:
    """One of the words of an enum."""
    try:
        return kinds(value)
    except ValueError:
        words = [kind.value for kind in kinds]
        fix = f"Use one of: {', '.join(words)}. {suggest(str(value), words)}".strip()
        raise where.error(f"{value!r} is not a value of it.", fix) from None


def suggest(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant who wrote ``word``."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(words)}."
