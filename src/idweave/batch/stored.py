"""The tables of a store: its log, told again (law L1), by the same road as files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from idweave.core.record import Project, Record
from idweave.engine.door import Door
from idweave.engine.engine import PAGE_MAX, Engine
from idweave.engine.replaying import replay_deliveries
from idweave.ports import Store

from .arrays import NOTHING
from .book import Block, Book, ShapeKey, shape_of
from .events import Shelf
from .outcome import work_out
from .rejecting import Rejected
from .run import SPILLED, Show, described, write_tables
from .said import Said
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
    rejections = _rejections(source)
    project = source.projects[source.project]
    with closing(Shelf(out.unfinished / SPILLED)) as shelf:
        outcome = work_out(said_by(source, shelf, show), project.policy, spread)
        write_tables(outcome, rejections, out, show)
    out.manifest(described(project, out))
    return len(outcome.users.names)


def said_by(source: Source, shelf: Shelf, show: Show) -> Said:
    """What a store accepted of a project. Each event is in its log once."""
    book, count = Book(shelf=shelf), 0
    believed = {name: replace(one, token=None) for name, one in source.projects.items()}
    policy = source.projects[source.project].policy
    with source.store.reader() as reader:
        for delivery in replay_deliveries(reader, Door(believed)):
            shapes: dict[ShapeKey, int] = {}
            block = Block([], [], [], [], [])
            for name, item in delivery.items:
                if name != source.project or not isinstance(item, Record):
                    continue
                key = None if item.fact is None else shape_of(item.fact, policy)
                shape = NOTHING if key is None else shapes.setdefault(key, len(shapes))
                block.event_ids.append(item.event_id)
                block.times.append(item.time_ms)
                block.shapes.append(shape)
            book.add(block._replace(new_shapes=list(shapes)))
            count += len(block.times)
            show("read", count, None, count)
    return book.said()


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
