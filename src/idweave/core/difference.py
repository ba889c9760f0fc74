"""How one graph differs from another: users made, gone, merged, split, renamed; identities moved.

Pure; serves two instants, two policies, and the preview of what an operator states.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .graph import Graph, User
from .identity import Identity


@dataclass(frozen=True, slots=True)
class Moved:
    """An identity that another user holds than before; None: nobody."""

    identity: Identity
    before: User | None
    after: User | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs. Every user is a live one of its graph; all are in order.

    A user goes on as the one of the same founder, else as the one that it was merged into, else
    as the one that holds most of what it held. ``merged``: one user where several went on;
    ``split``: what one user held is held by several; ``renamed``: the same user under another
    founder, and so under another name; ``moved``: identities that are not where their user went on.
    ``refusals``: by reason, how many more (or fewer, negative).
    """

    made: tuple[User, ...] = ()
    gone: tuple[User, ...] = ()
    merged: tuple[tuple[User, tuple[User, ...]], ...] = ()
    split: tuple[tuple[User, tuple[User, ...]], ...] = ()
    renamed: tuple[tuple[User, User], ...] = ()
    moved: tuple[Moved, ...] = ()
    refusals: Mapping[str, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs but what was refused."""
        return not (
            self.made or self.gone or self.merged or self.split or self.renamed or self.moved
        )


def goes_on_as(before: Graph, after: Graph, user: User) -> User | None:
    """Whom a live user of one graph goes on as in another; None where nothing is left of it."""
    if user in after.held:
        return after.find(user)
    held = Counter(
        after.owner[identity] for identity in before.members(user) if identity in after.owner
    )
    return min(held, key=lambda one: (-held[one], one), default=None)


def difference(before: Graph, after: Graph) -> Difference:
    """What is different in the second graph."""
    old, new = list(before.users()), set(after.users())
    went = {user: goes_on_as(before, after, user) for user in old}
    came: dict[User, list[User]] = defaultdict(list)
    for user, now in went.items():
        if now is not None:
            came[now].append(user)
    parts = {user: _holders(before, after, user) for user in old}
    return Difference(
        made=tuple(sorted(new - set(came))),
        gone=tuple(user for user in old if went[user] is None),
        merged=tuple((now, tuple(of)) for now, of in sorted(came.items()) if len(of) > 1),
        split=tuple((user, holders) for user, holders in parts.items() if len(holders) > 1),
        renamed=tuple(
            (of[0], now) for now, of in sorted(came.items()) if len(of) == 1 and of[0] != now
        ),
        moved=tuple(_moved(before, after, went)),
        refusals=_refusals(before, after),
    )


def _holders(before: Graph, after: Graph, user: User) -> tuple[User, ...]:
    held = {after.owner[one] for one in before.members(user) if one in after.owner}
    return tuple(sorted(held))


def _moved(before: Graph, after: Graph, went: Mapping[User, User | None]) -> list[Moved]:
    moved = []
    for identity in sorted({*before.owner, *after.owner}):
        was, now = before.owner.get(identity), after.owner.get(identity)
        if now != (None if was is None else went[was]):
            moved.append(Moved(identity, was, now))
    return moved


def _refusals(before: Graph, after: Graph) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for graph, sign in ((before, -1), (after, 1)):
        for key, seen in graph.refusals.items():
            counts[key.reason.value] += sign * seen.times
    return {reason: count for reason, count in sorted(counts.items()) if count}


def together(differences: Iterable[Difference]) -> Difference:
    """The differences of graphs that share nothing, as one."""
    parts = list(differences)
    refusals: Counter[str] = Counter()
    for part in parts:
        for reason, more in (part.refusals or {}).items():
            refusals[reason] += more
    return Difference(
        made=tuple(sorted(one for part in parts for one in part.made)),
        gone=tuple(sorted(one for part in parts for one in part.gone)),
        merged=tuple(sorted(one for part in parts for one in part.merged)),
        split=tuple(sorted(one for part in parts for one in part.split)),
        renamed=tuple(sorted((r for part in parts for r in part.renamed), key=lambda r: r[::-1])),
        moved=tuple(sorted((m for part in parts for m in part.moved), key=lambda m: m.identity)),
        refusals={reason: more for reason, more in sorted(refusals.items()) if more},
    )
