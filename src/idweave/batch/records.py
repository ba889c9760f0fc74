"""Lines of records and of saved requests, as blocks of numbers; any process can do one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from idweave.core.record import Project, Record
from idweave.core.rejection import Rejection
from idweave.engine.door import Door
from idweave.fastjson import sound_records
from idweave.wire import Decoded

from .arrays import NOTHING
from .book import Block, ShapeKey, shape_of
from .files.blocks import decoded_of
from .files.lines import Line
from .rejecting import Rejected, rejected

LINES_AT_ONCE = 4_000
"""Lines of one block: some fifty milliseconds of work for a process."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What every block is read for: one project, and what to carry along (``keep``: fields of
    records, or ``properties.NAME``). ``received_at_ms`` stands for a time that is missing."""

    project: Project
    received_at_ms: int
    keep: tuple[str, ...] = ()


class Work(NamedTuple):
    """One block of lines of a file."""

    asked: Asked
    file: str
    lines: tuple[Line, ...]


class Read(NamedTuple):
    """What a block held: received = len(block.times) + len(rejections)."""

    block: Block
    rejections: list[Rejected]
    untimed: int


def read_block(work: Work) -> Read:
    """Read a block of lines, each record by the one door. Never raises for what a line holds."""
    reader = _Reader(work)
    for lines, decoded in _decoded(work.lines, work.asked.project.name):
        reader.take(decoded, [line.number for line in lines])
    return reader.read()


def _decoded(lines: Sequence[Line], project: str) -> Iterator[tuple[Sequence[Line], Decoded]]:
    """What lines hold. Where not all are sound records each half is tried, and single lines go the
    slow way, so that one bad line of thousands costs little and each rejection knows its line."""
    records = _fast(lines)
    if records is not None:
        yield lines, Decoded(records, b"")
    elif len(lines) == 1:
        for decoded in decoded_of(lines, project):
            yield lines, decoded
    else:
        half = len(lines) // 2
        yield from _decoded(lines[:half], project)
        yield from _decoded(lines[half:], project)


def _fast(lines: Sequence[Line]) -> tuple[dict[str, Any], ...] | None:
    """The records of lines that are all one sound record; None where one may not be."""
    if not all(line.is_whole and line.text.startswith(b"{") for line in lines):
        return None
    records = sound_records(b"[" + b",".join(line.text for line in lines) + b"]")
    if records is None or len(records) != len(lines):
        return None
    return tuple(records)


class _Reader:
    def __init__(self, work: Work) -> None:
        self._asked, self._file = work.asked, work.file
        self._texts = {line.number: line.text for line in work.lines}
        project = work.asked.project
        self._door = Door({project.name: project})
        self._block = Block([], [], [], [], [[] for _ in work.asked.keep])
        self._shapes: dict[ShapeKey, int] = {}
        self._rejections: list[Rejected] = []
        self._untimed = 0

    def take(self, decoded: Decoded, numbers: Sequence[int]) -> None:
        """Add what was decoded: a record of each line, or several records of the one line."""
        if decoded.empty:
            return
        name = decoded.project or self._asked.project.name
        asked = Decoded(decoded.records, b"", decoded.rejection, project=name)
        items = self._door.parse(asked, self._asked.received_at_ms, live=False).items
        many = len(numbers) == 1
        for nth, (_, item) in enumerate(items):
            line = numbers[0] if many else numbers[nth]
            if isinstance(item, Rejection):
                raw = None if decoded.rejection is not None else decoded.records[nth]
                place = (self._file, line, nth if many and raw is not None else None)
                self._rejections.append(rejected(place, item, self._raw(raw, line)))
            else:
                self._add(item, decoded.records[nth])

    def _raw(self, raw: Mapping[str, Any] | Rejection | None, line: int) -> str:
        if raw is None or isinstance(raw, Rejection):
            return self._texts[line].decode("utf-8", "replace")
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))

    def _add(self, record: Record, raw: Mapping[str, Any] | Rejection) -> None:
        block, fact = self._block, record.fact
        key = None if fact is None else shape_of(fact, self._asked.project.policy)
        shape = NOTHING if key is None else self._shapes.setdefault(key, len(self._shapes))
        block.event_ids.append(record.event_id)
        block.times.append(record.time_ms)
        block.shapes.append(shape)
        if not record.timed:
            self._untimed += 1
        if block.kept and isinstance(raw, Mapping):
            for column, name in zip(block.kept, self._asked.keep, strict=True):
                column.append(field_text(raw, name))

    def read(self) -> Read:
        """What was taken."""
        return Read(
            self._block._replace(new_shapes=list(self._shapes)), self._rejections, self._untimed
        )


def field_text(raw: Mapping[str, Any], name: str) -> str | None:
    """A field of a record as text, or one of its properties by ``properties.NAME``."""
    if name.startswith("properties."):
        properties = raw.get("properties")
        inner = properties if isinstance(properties, Mapping) else {}
        value = inner.get(name.removeprefix("properties."))
    else:
        value = raw.get(name)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def works_of(lines: Iterable[list[Line]], asked: Asked, file: str) -> Iterator[Work]:
    """The work of a file, block by block."""
    return (Work(asked, file, tuple(block)) for block in lines)
