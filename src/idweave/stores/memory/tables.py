"""Rows in dictionaries: found by key or by an index, and every change can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from idweave.core.errors import StoreError
from idweave.core.identity import Order
from idweave.ports import (
    FeedRow,
    GroupRow,
    IdentityState,
    OperatorRow,
    PayloadRow,
    PolicyRow,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    Sighting,
    StayRow,
    Suppressed,
    UserRow,
)

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class Table(Generic[Key, Row]):
    """Rows by key. Each index is a function from key and row to what the row is found by."""

    def __init__(
        self,
        name: str,
        /,
        *,
        unique: str | None = None,
        **indexes: Callable[[Key, Row], Iterable[Hashable]],
    ) -> None:
        self.name = name
        self.rows: dict[Key, Row] = {}
        self._unique = unique
        self._indexes = indexes
        self._keys: dict[str, dict[Hashable, dict[Key, None]]] = {index: {} for index in indexes}
        self._trail: list[tuple[Key, Row | None]] = []

    # -- reading --------------------------------------------------------------------------------

    def get(self, key: Key) -> Row | None:
        """The row of a key, None where there is none."""
        return self.rows.get(key)

    def find(self, index: str, values: Iterable[Hashable]) -> list[tuple[Key, Row]]:
        """The rows that an index finds by any of these values, each once, with their keys."""
        found = self._keys[index]
        keys = dict.fromkeys(key for value in values for key in found.get(value, ()))
        return [(key, self.rows[key]) for key in keys]

    def count(self, index: str, value: Hashable) -> int:
        """How many rows an index finds by a value."""
        return len(self._keys[index].get(value, ()))

    # -- writing --------------------------------------------------------------------------------

    def insert(self, key: Key, row: Row) -> None:
        """Add a row; raises StoreError where its key, or what must be unique, is there already."""
        values = self._indexes[self._unique](key, row) if self._unique else ()
        if key in self.rows or any(value in self._keys[self._unique or ""] for value in values):
            fix = "Report this with the log: the engine gives every row a number of its own."
            raise StoreError(f"There is a {self.name} {key} already.", fix=fix)
        self.put(key, row)

    def put(self, key: Key, row: Row) -> None:
        """Add a row, or replace the one that has its key."""
        self._trail.append((key, self._take_out(key)))
        self._put_in(key, row)

    def drop(self, key: Key) -> None:
        """Remove the row of a key, if there is one."""
        if key in self.rows:
            self._trail.append((key, self._take_out(key)))

    def keep(self) -> None:
        """Forget how to take the changes back."""
        self._trail.clear()

    def undo(self) -> None:
        """Take all changes since the last :meth:`keep` back, newest first."""
        for key, before in reversed(self._trail):
            self._take_out(key)
            if before is not None:
                self._put_in(key, before)
        self._trail.clear()

    def copy(self) -> Table[Key, Row]:
        """Another table with the same rows, which are values and shared."""
        other = Table[Key, Row](self.name, unique=self._unique, **self._indexes)
        other.rows = dict(self.rows)
        for index, found in self._keys.items():
            other._keys[index] = {value: dict(keys) for value, keys in found.items()}
        return other

    def _take_out(self, key: Key) -> Row | None:
        row = self.rows.pop(key, None)
        if row is not None:
            for index, values in self._indexes.items():
                found = self._keys[index]
                for value in values(key, row):
                    found[value].pop(key, None)
                    if not found[value]:
                        del found[value]
        return row

    def _put_in(self, key: Key, row: Row) -> None:
        self.rows[key] = row
        for index, values in self._indexes.items():
            found = self._keys[index]
            for value in values(key, row):
                found.setdefault(value, {})[key] = None


class Known(NamedTuple):
    """An identity: its project, its group, and who holds it."""

    project: str
    group_id: int
    state: IdentityState


class KnownSet(NamedTuple):
    """An identity set and the ids of its identities, the named one last. ``link``: one of the
    group that it is in; ``loose_after_ms`` as in :class:`idweave.ports.SetRow`."""

    project: str
    key: SetKey
    ids: tuple[int, ...]
    link: int | None
    loose_after_ms: int | None = None


class Span(NamedTuple):
    """A sighting, and the first and the last time in it."""

    sighting: Sighting
    first_ms: int
    last_ms: int


def _optional(*values: Any) -> Iterable[Hashable]:
    """An index that leaves rows out whose last value is None."""
    return () if values[-1] is None else (values if len(values) > 1 else values[0],)


def _identities() -> Table[int, Known]:
    return Table(
        "identity",
        unique="value",
        value=lambda _, row: ((row.project, row.state.identity),),
        project=lambda _, row: (row.project,),
        group=lambda _, row: (row.group_id,),
        owner=lambda _, row: _optional(row.project, row.state.owner),
    )


def _sets() -> Table[int, KnownSet]:
    return Table(
        "set",
        unique="key",
        key=lambda _, row: ((row.project, row.key),),
        member=lambda _, row: row.ids,
        link=lambda _, row: _optional(row.link),
    )


def _sightings() -> Table[int, Span]:
    return Table("sighting", set=lambda _, row: (row.sighting.set_id,))


def _users() -> Table[tuple[str, int], UserRow]:
    return Table(
        "user",
        live=lambda key, row: () if row.gone or row.merged_into is not None else (key[0],),
        merged=lambda key, row: _optional(key[0], row.merged_into),
    )


def _stays() -> Table[tuple[str, int, int, int], StayRow]:
    return Table(
        "stay",
        name=lambda key, row: ((key[0], row.name),),
        identity=lambda _, row: (row.identity_id,),
    )


def _refusals() -> Table[tuple[str, int | None, int, str], RefusalRow]:
    return Table(
        "refusal",
        project=lambda key, _: (key[0],),
        home=lambda key, _: (key[:2],),
        identity=lambda key, _: (key[2],),
    )


def _runs() -> Table[tuple[int, Order], Run]:
    return Table(
        "run",
        set=lambda _, run: (run.set_id,),
        name=lambda _, run: _optional(run.name),
        anchor=lambda _, run: _optional(run.anchor_id),
    )


@dataclass(slots=True)
class Tables:
    """Everything that a store knows. ``readers`` counts who reads it as it is."""

    payloads: Table[int, PayloadRow] = field(default_factory=lambda: Table("payload"))
    identities: Table[int, Known] = field(default_factory=_identities)
    sets: Table[int, KnownSet] = field(default_factory=_sets)
    sightings: Table[int, Span] = field(default_factory=_sightings)
    untimed: Table[tuple[str, str], bool] = field(default_factory=lambda: Table("untimed event"))
    groups: Table[int, GroupRow] = field(default_factory=lambda: Table("group"))
    users: Table[tuple[str, int], UserRow] = field(default_factory=_users)
    stays: Table[tuple[str, int, int, int], StayRow] = field(default_factory=_stays)
    refusals: Table[tuple[str, int | None, int, str], RefusalRow] = field(default_factory=_refusals)
    runs: Table[tuple[int, Order], Run] = field(default_factory=_runs)
    rejections: Table[int, RejectionRow] = field(default_factory=lambda: Table("rejection"))
    operators: Table[int, OperatorRow] = field(default_factory=lambda: Table("operator fact"))
    policies: Table[int, PolicyRow] = field(default_factory=lambda: Table("policy"))
    feed: Table[tuple[str, int], FeedRow] = field(default_factory=lambda: Table("change"))
    counters: Table[tuple[str, str], int] = field(default_factory=lambda: Table("counter"))
    marks: Table[str, int] = field(default_factory=lambda: Table("mark"))
    """The largest ids of rejections and sightings: those that are no more still count; and the last
    number of each project's feed."""
    suppressed: Table[tuple[str, bytes], Suppressed] = field(
        default_factory=lambda: Table("suppression")
    )
    keys: Table[str, bytes] = field(default_factory=lambda: Table("key"))
    readers: int = 0

    def all(self) -> dict[str, Table[Any, Any]]:
        """The tables by name."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if isinstance(value, Table)}

    def copy(self) -> Tables:
        """The same rows, for a writer, while others go on reading these."""
        other = Tables()
        for name, table in self.all().items():
            setattr(other, name, table.copy())
        return other
