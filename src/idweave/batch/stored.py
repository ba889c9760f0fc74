"""The tables of a store: its log, told again (law L1), by the same road as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from idweave.core.errors import NotFound
from idweave.core.record import Project, Record
from idweave.engine.door import Door
from idweave.engine.engine import PAGE_MAX, Engine
from idweave.engine.reading import follow
from idweave.engine.replaying import replay_deliveries
from idweave.engine.ruling import Rules, rules_of
from idweave.ports import Reader, Store

from .book import Block, Book, ShapeKey, shape_of
from .outcome import work_out
from .rejecting import Rejected
from .run import Show, described, write_tables
from .said import NOTHING, Said
from .spreading import Spread
from .writing import Folder

STORE = "store"
"""The ``file`` of rejections that a store kept; their ``line`` is the number of the rejection."""


@dataclass(frozen=True, slots=True)
class Source:
    """A store, the declared projects, and the one that is asked for."""

    store: Store
    projects: Mapping[str, Project]
    project: str


def export_tables(source: Source, out: Folder, spread: Spread, show: Show) -> int:
    """Write all tables of a project; returns how many users it has."""
    project = source.projects[source.project]
    with source.store.reader() as reader:
        rules = rules_of(project.policy, reader, source.project)
        said = said_by(reader, source, rules, show)
        renamed = tuple(_renamed(reader, source.project))
        stated = sum(row.removed_ms is None for row in reader.operators(source.project))
    outcome = replace(work_out(said, rules.policy, spread), renamed=renamed)
    write_tables(outcome, _rejections(source), out, show)
    out.manifest(described(project, out) | {"operator_facts": stated})
    return len(outcome.users.names)


def said_by(reader: Reader, source: Source, rules: Rules, show: Show) -> Said:
    """What a store accepted of a project, under the rules with what operators stated. Each event is
    in its log once; those that they took out link nothing."""
    book, count = Book(), 0
    believed = {name: replace(one, token=None) for name, one in source.projects.items()}
    for delivery in replay_deliveries(reader, Door(believed)):
        shapes: dict[ShapeKey, int] = {}
        block = Block([], [], [], [], [])
        for name, item in delivery.items:
            if name != source.project or not isinstance(item, Record):
                continue
            counts = item.fact is not None and item.event_id not in rules.withdrawn
            key = shape_of(item.fact, rules.policy) if item.fact and counts else None
            shape = NOTHING if key is None else shapes.setdefault(key, len(shapes))
            block.event_ids.append(item.event_id)
            block.times.append(item.time_ms)
            block.shapes.append(shape)
        book.add(block._replace(new_shapes=list(shapes)))
        count += len(block.times)
        show("read", count, None, count)
    return book.said()


def _renamed(reader: Reader, project: str) -> Iterator[tuple[int, int]]:
    """Names that are no user's any more, each with the one that it leads to, if to any."""
    for name in reader.old_names(project):
        try:
            yield name, follow(reader, project, name).name
        except NotFound:  # who was called so holds nothing any more
            continue


def _rejections(source: Source) -> list[Rejected]:
    engine = Engine(source.store, source.projects, clock=lambda: 0)
    found: list[Rejected] = []
    after = 0
    while page := engine.rejections(source.project, after=after, limit=PAGE_MAX):
        for one in page:
            place = (STORE, one.rejection_id, None)
            found.append(Rejected(*place, one.code, one.field, one.reason, one.fix, one.raw))
        after = page[-1].rejection_id
    return found
