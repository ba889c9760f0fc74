"""The part of the engine's face that tells what changed of who is who, in the order of commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from idweave.core.errors import Conflict
from idweave.ports import ChangeKind, FeedRow, Store

from .explaining import PAGE_MAX

Listener = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ChangeAnswer:
    """One change. ``cursor``: its number, counted from 1 without holes; ``other_id``: the name that
    leads to ``canonical_id`` since (merged, renamed), or the user that it came from (split,
    joined); ``key`` and ``value``: the identity that joined or left, null once it is erased;
    ``reason``: why it left; ``event`` and ``operator_id``: what caused it."""

    cursor: str
    project: str
    recorded_at_ms: int
    kind: ChangeKind
    canonical_id: str
    other_id: str | None
    key: str | None
    value: str | None
    reason: str | None
    event: str | None
    operator_id: str | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes, oldest first. ``next_cursor`` asks for those after them, also where there are none
    yet; ``last_cursor`` is that of the last change there is."""

    changes: tuple[ChangeAnswer, ...]
    next_cursor: str
    last_cursor: str


class Following:
    """Pages of the change feed, and who is to be told when there is more."""

    _known: Callable[[str], None]
    _store: Store
    _listeners: list[Listener]

    def changes(self, project: str, *, after: int = 0, limit: int = 100) -> ChangePage:
        """The changes after a cursor. Whoever applies all of them in order has who is who
        (docs/decisions/0017). Raises Conflict for a cursor that nobody was given."""
        self._known(project)
        with self._store.reader() as reader:
            end = reader.feed_end(project)
            if after > end:
                fix = "Begin again after 0: this store is another one, or an older copy."
                raise Conflict(f"Project {project!r} has no change {after}.", fix=fix)
            rows = reader.feed(project, after, min(limit, PAGE_MAX))
        following = rows[-1].seq if rows else after
        told = tuple(_answer(project, row) for row in rows)
        return ChangePage(told, str(following), str(end))

    def watch(self, listener: Listener) -> None:
        """Call ``listener`` after every commit that adds changes, on the thread that wrote: it must
        return at once. Other processes that write to the store are not noticed."""
        self._listeners.append(listener)

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()


def _answer(project: str, row: FeedRow) -> ChangeAnswer:
    one = row.change
    key, value = (None, None) if one.identity is None else one.identity
    return ChangeAnswer(
        str(row.seq),
        project,
        row.recorded_at_ms,
        one.kind,
        str(one.user),
        None if one.other is None else str(one.other),
        key,
        value,
        one.reason or None,
        one.event or None,
        str(one.operator_id) if one.operator_id else None,
    )
