"""Files in, tables out: the whole of ``idweave resolve``."""

from __future__ import annotations

import hashlib
import json
import secrets as chance
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from idweave import __version__
from idweave.core.errors import InputError
from idweave.core.policy import FactsFrom
from idweave.core.record import Project

from .ahead import ahead
from .assembling import assembled
from .book import Book, joined
from .columns import ColumnReader, Gathered, wanted
from .events import BOUNDS, Bounds, Shelf
from .files.blocks import blocks_of
from .files.content import Content
from .files.lines import Lines
from .hashing import Secrets
from .mapping import Columns, columns_of
from .memory import give_back
from .merging import event_tables, events_schema
from .outcome import Outcome, work_out
from .records import LINES_AT_ONCE, Asked, read_block, works_of
from .rejecting import Rejected
from .repeats import without_repeats
from .said import Said
from .spreading import Spread
from .tables import SCHEMA, SCHEMA_VERSION, schema_of, small_tables
from .tabular import Table, is_table, opened
from .writing import Folder

SPILLED = "spilled"
"""The folder of event columns that do not fit into memory, inside the one that is on its way."""

Show = Callable[[str, int, int | None, int], None]
"""Hears of progress: the phase, how much of it is done, of how much (None: unknown), and how many
events that are."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to resolve: files under one project's rules. ``mapping`` says what columns are;
    ``keep`` names columns, fields or ``properties.NAME`` to carry into ``events``; ``bounds`` says
    how much of them is in memory."""

    files: tuple[Path, ...]
    project: Project
    received_at_ms: int
    mapping: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    bounds: Bounds = BOUNDS


@dataclass(slots=True)
class Heard:
    """What reading came to: received = accepted + rejected + duplicates (law L4)."""

    received: int
    duplicates: int
    untimed: int
    rejections: list[Rejected]
    flaws: list[InputError]
    mappings: dict[str, Columns]

    @property
    def counts(self) -> dict[str, int]:
        """The four numbers of the law."""
        rejected = len(self.rejections)
        accepted = self.received - rejected - self.duplicates
        return {
            "received": self.received,
            "accepted": accepted,
            "rejected": rejected,
            "duplicates": self.duplicates,
        }


def found_files(words: Sequence[str]) -> tuple[Path, ...]:
    """The files that words name: files, folders (all files in them) and patterns; each once, in
    the order of the words and then of their names. Raises InputError."""
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = sorted(
                one for one in path.iterdir() if one.is_file() and one.name[0] not in "._"
            )
        elif has_magic(word) and not path.exists():
            files = [Path(name) for name in sorted(glob(word, recursive=True))]  # noqa: PTH207 - may be absolute
            files = [one for one in files if one.is_file()]
        else:
            files = [path]
        if not files:
            raise InputError(f"{word} names no file.", fix="Name files, folders or patterns.")
        found.update(dict.fromkeys(files))
    for path in found:
        if not path.is_file():
            raise InputError(f"There is no file {path}.", fix="Name files that exist.")
    return tuple(found)


class Reading:
    """Reads the files of a job, each the way it asks for."""

    def __init__(self, job: Job, spread: Spread, shelf: Shelf, show: Show) -> None:
        self._job, self._spread, self._shelf, self._show = job, spread, shelf, show
        self._secrets = Secrets(chance.randbits(64))
        self._book = Book(job.keep, shelf)
        self._gathered: dict[tuple[str, ...], tuple[ColumnReader, Gathered]] = {}
        self._rejections: list[Rejected] = []
        self._flaws: list[InputError] = []
        self._mappings: dict[str, Columns] = {}
        self._received = self._untimed = self._done = 0
        self._total = sum(path.stat().st_size for path in job.files)

    def read(self) -> tuple[Heard, Said]:
        """Read them all. What is wrong inside a file is a rejection or a flaw, never an error."""
        for path in self._job.files:
            try:
                self._table(path) if is_table(path) else self._lines(path)
            except InputError as flaw:
                if path == self._job.files[0] and not self._received:
                    raise
                self._flaws.append(flaw)
            self._done += path.stat().st_size
            self._show("read", self._done, self._total, self._events)
        said, duplicates = without_repeats(self._all(), self._secrets)
        heard = Heard(
            self._received,
            duplicates,
            self._untimed,
            self._rejections,
            self._flaws,
            self._mappings,
        )
        return heard, said

    @property
    def _events(self) -> int:
        """How many were read so far."""
        return self._received + sum(one.received for _, one in self._gathered.values())

    def _lines(self, path: Path) -> None:
        asked = Asked(self._job.project, self._job.received_at_ms, self._job.keep)
        content = Content(str(path))
        works = works_of(blocks_of(Lines(content), LINES_AT_ONCE), asked, str(path))
        for read in self._spread.map(read_block, works):
            self._book.add(read.block)
            self._rejections += read.rejections
            self._received += len(read.block.times) + len(read.rejections)
            self._untimed += read.untimed
            self._show("read", self._done + content.bytes_read, self._total, self._events)
        content.close()
        if content.flaw is not None:
            self._flaws.append(content.flaw)

    def _table(self, path: Path) -> None:
        project, before = self._job.project, len(self._rejections)
        if project.policy.facts_from is FactsFrom.DISTINCT_ID:
            fix = "Give records as JSON lines (how-to: resolve files), or use another policy."
            raise InputError(f"{path}: this policy reads records by distinct_id alone.", fix=fix)
        table = opened(path, self._rejections.append)
        columns = columns_of(table.names, self._job.mapping, project.policy, str(path))
        self._mappings[str(path)] = columns
        reader, gathered = self._reader(table, columns)
        size, seen = path.stat().st_size, 0
        chunks = table.chunks(
            wanted(columns, self._job.keep, table.names), self._job.bounds.chunk_rows
        )
        for rows in reader.read(chunks, gathered):
            seen += rows
            part = size * seen // table.total if table.total else 0
            self._show("read", self._done + part, self._total, self._events)
        self._received += len(self._rejections) - before

    def _reader(self, table: Table, columns: Columns) -> tuple[ColumnReader, Gathered]:
        """Files of one mapping are read as one."""
        missing = [name for name in self._job.keep if name not in table.names]
        if missing:
            fix = f"There are: {', '.join(table.names[:30])}."
            raise InputError(f"{table.file} has no column {missing[0]!r} to keep.", fix=fix)
        key = tuple(columns.told())
        if key not in self._gathered:
            by = self._secrets, self._spread.workers
            reader = ColumnReader(self._job.project, columns, self._job.keep, by)
            self._gathered[key] = reader, Gathered(columns, self._shelf)
        return self._gathered[key]

    def _all(self) -> Said:
        parts = []
        while self._gathered:
            _, gathered = self._gathered.pop(next(iter(self._gathered)))
            self._received += gathered.received
            self._rejections += gathered.rejections
            if gathered.kinds:
                parts.append(assembled(gathered, self._job.project.policy))
        if not self._book.is_empty or not parts:
            parts.append(self._book.said())
        return joined(parts)


def resolve_files(job: Job, out: Folder, spread: Spread, show: Show) -> tuple[Heard, Outcome]:
    """Read, resolve and write the tables of a job into a folder on its way."""
    shelf = Shelf(out.unfinished / SPILLED, job.bounds)
    with closing(shelf), ThreadPoolExecutor(1) as aside:
        digests = [(path, aside.submit(_digest, path)) for path in job.files]
        heard, said = Reading(job, spread, shelf, show).read()
        give_back()
        show("resolve", 0, None, len(said.events))
        outcome = work_out(said, job.project.policy, spread)
        del said  # the tables need a third of it
        give_back()
        write_tables(outcome, heard.rejections, out, show)
        out.manifest(_manifest(job, heard, out, digests))
    return heard, outcome


def write_tables(outcome: Outcome, rejections: Sequence[Rejected], out: Folder, show: Show) -> None:
    """All tables of an answer."""
    total, schema = len(outcome.events), events_schema(outcome)
    with ThreadPoolExecutor(1) as aside:
        small = aside.submit(_write_small, outcome, rejections, out)
        events = ahead(event_tables(outcome), 1)
        out.write("events", schema, events, lambda rows: show("write", rows, total, rows))
        small.result()


def _write_small(outcome: Outcome, rejections: Sequence[Rejected], out: Folder) -> None:
    for name, parts in small_tables(outcome, rejections):
        out.write(name, schema_of(name), parts, lambda _: None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(
    job: Job, heard: Heard, out: Folder, digests: Sequence[tuple[Path, Future[str]]]
) -> dict[str, Any]:
    inputs = [
        {"file": str(path), "bytes": path.stat().st_size, "sha256": digest.result()}
        for path, digest in digests
    ]
    content = described(job.project, out) | {
        "inputs": inputs,
        "counts": heard.counts,
        "mappings": {file: columns.told() for file, columns in heard.mappings.items()},
        "flaws": [flaw.message for flaw in heard.flaws],
    }
    if heard.untimed:  # only then does the time of the run show in the answer
        content["received_at_ms"] = job.received_at_ms
    return content


def described(project: Project, out: Folder) -> dict[str, Any]:
    """What every manifest says: by which version and rules, and which tables there are."""
    return {
        "schema_version": SCHEMA_VERSION,
        "idweave": __version__,
        "project": project.name,
        "policy": {"name": project.policy.name, "sha256": policy_digest(project)},
        "tables": {name: {"rows": out.rows[name], "file": f"{name}.{out.form}"} for name in SCHEMA},
    }


def policy_digest(project: Project) -> str:
    """What tells two sets of rules apart."""
    policy = project.policy
    switches = [policy.merge, policy.rebind, policy.unbind, policy.facts_from]
    rules = [
        {name: _plain(getattr(rule, name)) for name in type(rule).__slots__} for rule in policy.keys
    ]
    text = json.dumps([switches, policy.apart, rules], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value
