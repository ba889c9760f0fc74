"""What is remembered of groups, identities and sets, and what a batch brings to them."""

from __future__ import annotations

from idweave.core.graph import User
from idweave.core.history import History
from idweave.core.identity import Fact, Identity, Order
from idweave.ports import GroupRow, Store


class Ids:
    """The next number of each kind; the engine gives them all, so that a commit only writes."""

    def __init__(self, store: Store) -> None:
        marks = store.high_marks()
        self.payload, self.identity, self.set = marks.payload, marks.identity, marks.set
        self.group, self.rejection = marks.group, marks.rejection

    def next(self, kind: str) -> int:
        """The next id of ``payload``, ``identity``, ``set``, ``group`` or ``rejection``."""
        number: int = getattr(self, kind) + 1
        setattr(self, kind, number)
        return number


class Group:
    """A group in memory. After a union ``into`` leads to the one that took it in."""

    __slots__ = (
        "contested",
        "founder",
        "founder_set",
        "fresh",
        "group_id",
        "into",
        "size",
        "work",
    )

    def __init__(self, row: GroupRow, *, fresh: bool) -> None:
        self.group_id = row.group_id
        self.contested = row.contested
        self.size = row.size
        self.founder = row.founder
        self.founder_set = row.founder_set
        self.fresh = fresh  # not in the store yet
        self.into: Group | None = None
        self.work: Work | None = None  # what this batch brought, while it is on its way

    def root(self) -> Group:
        """The group that this one is part of now."""
        group = self
        while group.into is not None:
            group = group.into
        return group

    def row(self) -> GroupRow:
        """The group as the store keeps it."""
        return GroupRow(self.group_id, self.contested, self.size, self.founder, self.founder_set)


class KnownIdentity:
    """An identity in memory: its number, its group, and since when it is crowded (None: it is
    not)."""

    __slots__ = ("crowded_ms", "group", "identity_id")

    def __init__(self, identity_id: int, group: Group, crowded_ms: int | None = None) -> None:
        self.identity_id = identity_id
        self.group = group
        self.crowded_ms = crowded_ms


class KnownSet:
    """An identity set in memory: its number, its group (None: it links nothing) and the latest
    time it was seen at, so that most records are known to be new without a look at the store.
    ``loose_after_ms``: later facts of it do not tie it to the groups of its crowded identities."""

    __slots__ = ("group", "loose_after_ms", "newest_ms", "set_id")

    def __init__(
        self, set_id: int, group: Group | None, newest_ms: int, loose_after_ms: int | None = None
    ) -> None:
        self.set_id = set_id
        self.group = group
        self.newest_ms = newest_ms
        self.loose_after_ms = loose_after_ms


CACHED_STEPS_MAX = 1_000_000
"""Steps of contested groups kept in memory for one project, about 1 KB each with their undo; the
histories used longest ago are forgotten first and read again from the store when needed."""


class Histories:
    """The histories of contested groups that are remembered, those used longest ago first."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[History, int]] = {}  # by group, with its steps when kept
        self._steps = 0

    def keep(self, group_id: int, history: History) -> None:
        """Remember the history of a group, which was used just now."""
        self.take(group_id)
        self._kept[group_id] = (history, len(history.steps))
        self._steps += len(history.steps)

    def take(self, group_id: int) -> History | None:
        """The history of a group, if it is remembered; it is no more."""
        history, steps = self._kept.pop(group_id, (None, 0))
        self._steps -= steps
        return history

    def trim(self) -> None:
        """Forget what is too much; not what was used last, which may be large by itself."""
        while self._steps > CACHED_STEPS_MAX and len(self._kept) > 1:
            self.take(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._steps = 0


class Work:
    """What one batch brought to one group, until it is published."""

    __slots__ = (
        "again_ms",
        "arrived",
        "facts",
        "grown",
        "histories",
        "loose",
        "new",
        "parts",
        "ties",
        "unread",
    )

    def __init__(self) -> None:
        self.facts: list[tuple[int, Fact]] = []
        self.parts: list[GroupRow] = []  # what it was made of, as the store has it
        self.unread: list[GroupRow] = []  # those of them that are in no history yet
        self.histories: list[History] = []  # what was resolved of it already
        self.new: list[tuple[int, Identity]] = []  # identities first seen in this batch
        self.loose: list[tuple[int, tuple[Identity, ...]]] = []  # by set: what does not tie it
        self.arrived: list[Order] = []  # facts of a contested group that were put in their places
        self.ties: dict[int | User, int] = {}  # new identity, or a part's user → set it came by
        self.again_ms: int | None = None  # from when on its steps must be applied anew
        self.grown = False

    def take(self, other: Work) -> None:
        """Add what was brought to a group that is now part of this one."""
        for name in ("facts", "arrived", "parts", "unread", "histories", "new", "loose"):
            getattr(self, name).extend(getattr(other, name))
        self.ties |= other.ties
        if other.again_ms is not None:
            self.apply_again(other.again_ms)
        self.grown = True

    def tie(self, set_id: int) -> None:
        """A set has united the users that this is made of, as far as no other did before."""
        for part in self.parts:
            if part.founder is not None:
                self.ties.setdefault(part.founder, set_id)

    def apply_again(self, since_ms: int) -> None:
        """Steps from this time on were applied on a premise that does not hold."""
        self.again_ms = since_ms if self.again_ms is None else min(since_ms, self.again_ms)
