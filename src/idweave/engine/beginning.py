"""How things stand, as the first changes of a feed: of a store that was used before it had one."""

from __future__ import annotations

from collections.abc import Iterator

from idweave.ports import Change, ChangeKind, Reader, Store

from .feed import reference


def beginning(store: Store, project: str) -> list[Change]:
    """What tells all users of a project, where its feed tells nothing yet; else nothing. The store
    must be as it is before the commit that tells it."""
    with store.reader() as reader:
        return [] if reader.feed_end(project) else list(_standing(reader, project))


def is_untold(reader: Reader, project: str) -> bool:
    """Whether a project has users, and a feed that tells nothing of them."""
    return not reader.feed_end(project) and reader.tallies(project)[0] > 0


def _standing(reader: Reader, project: str) -> Iterator[Change]:
    for row in reader.users(project):
        yield Change(ChangeKind.CREATED, row.name, event=reference(row.founder))
        for state in reader.held(project, row.name):
            yield Change(ChangeKind.JOINED, row.name, None, state.identity)
        front = [row.name]
        while front:
            name = front.pop()
            older = reader.names_into(project, name)
            yield from (Change(ChangeKind.MERGED, name, other) for other in older)
            front += older
