"""How far an interrupted import came, kept in the store itself: a store that is replaced or put
back from a copy knows nothing of what it does not hold."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from idweave.batch.files.lines import HEAD_BYTES
from idweave.ports import Changes, Store

PREFIX = "import_"
"""A mark is a counter of the project: its name holds the check sums, its value is the offset."""


class Place(Protocol):
    """How far a file is read: all lines up to ``offset``, which have this check sum."""

    offset: int

    def head_digest(self) -> str:
        """The check sum of the file's beginning."""
        ...

    def digest(self) -> str:
        """The check sum of everything up to ``offset``."""
        ...


class Mark(NamedTuple):
    """Everything up to ``offset`` is in the store, and has this check sum."""

    offset: int
    head: str
    digest: str

    @property
    def name(self) -> str:
        """The counter's name."""
        return f"{PREFIX}{self.head}_{self.digest}"


class Marks:
    """The one mark of a file that is being imported, set and taken away."""

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._project = project
        self._set: Mark | None = None

    def find(self, head: str) -> Mark | None:
        """The furthest mark of a file that begins so."""
        with self._store.reader() as reader:
            counters = reader.counters(self._project)
        start = f"{PREFIX}{head}_"
        found = [
            Mark(offset, head, name.removeprefix(start))
            for (_, name), offset in sorted(counters.items())
            if name.startswith(start) and offset > 0
        ]
        self._set = max(found, default=None)
        return self._set

    def move(self, lines: Place) -> None:
        """Remember that everything so far is in. Beginnings that are short are read again."""
        if lines.offset >= HEAD_BYTES:
            self._replace(Mark(lines.offset, lines.head_digest(), lines.digest()))

    def clear(self) -> None:
        """The file is in: there is nothing to go on with."""
        self._replace(None)

    def _replace(self, mark: Mark | None) -> None:
        counters: dict[tuple[str, str], int] = {}
        if self._set is not None:
            counters[self._project, self._set.name] = -self._set.offset
        if mark is not None:
            place = (self._project, mark.name)
            counters[place] = counters.get(place, 0) + mark.offset
        if counters:
            self._store.commit(Changes(counters=counters))
        self._set = mark
