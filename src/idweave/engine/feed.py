"""What a commit changes of who is who, as the feed tells it (docs/decisions/0017).

Told is the difference of what the store held and what it holds after the commit, not what happened
on the way: whoever applies the rows in order to what was told before has what the store has. Rows
about users come first and take along all that a user holds; then identities follow that are
elsewhere still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from idweave.core.graph import User
from idweave.core.identity import Fact, Identity, Order
from idweave.ports import Change, ChangeKind, UserRow

if TYPE_CHECKING:
    from .known import Group, Work


def reference(event: Fact | Order) -> str:
    """How an event is named everywhere."""
    return f"{event.time_ms}-{event.event_id}"


@dataclass(slots=True)
class Why:
    """The events that caused changes: of single identities and users, and of all others. ``left``:
    why an identity is nobody's now. All by reference; ``operator_id``: who stated something."""

    otherwise: str = ""
    operator_id: int = 0
    moved: dict[Identity, str] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    left: dict[Identity, str] = field(default_factory=dict)


ANEW = "anew"
"""Why an identity left where no event took it away: those that had brought it were decided anew."""


class Held(NamedTuple):
    """Who holds an identity, before and after."""

    before: int | None
    after: int | None


class Named(NamedTuple):
    """The row of a name, before (None: there was none) and after. One that is ``gone`` after leads
    to its ``merged_into``."""

    before: UserRow | None
    after: UserRow


@dataclass(slots=True)
class Turn:
    """What may differ between before and after. ``erased``: what may not be told any more;
    ``dead``: names that lead to nobody since, whatever ``users`` says."""

    held: Mapping[Identity, Held]
    users: Mapping[int, Named]
    why: Why
    erased: frozenset[Identity] = frozenset()
    dead: frozenset[int] = frozenset()


def changes_of(turn: Turn) -> list[Change]:
    """The changes of a turn, in the order to apply them."""
    telling = _Telling(turn)
    telling.erase()
    telling.begin()
    telling.end()
    telling.move()
    return telling.rows


def _lives(row: UserRow | None) -> bool:
    return row is not None and row.merged_into is None and not row.gone


class _Telling:
    """Rows on their way, and who holds what as they tell it so far."""

    def __init__(self, turn: Turn) -> None:
        self.rows: list[Change] = []
        self._turn = turn
        self._erased: set[int] = set()
        self._renamed: dict[int, int] = {}
        self._holders: dict[int | None, list[Identity]] = {}
        for identity, held in turn.held.items():
            self._holders.setdefault(held.before, []).append(identity)
        self._lived = {name for name, named in turn.users.items() if _lives(named.before)}
        self._begun = {
            name
            for name, named in turn.users.items()
            if name not in self._lived and (_lives(named.after) or named.before is None)
        }
        self._leads = {
            name: named.after.merged_into
            for name, named in turn.users.items()
            if not _lives(named.after) and _leads_elsewhere(named)
        }

    def _tell(self, kind: ChangeKind, user: int, other: int | None = None) -> None:
        why = self._turn.why
        about = other if other is not None and kind is ChangeKind.MERGED else user
        event = why.users.get(about, why.otherwise)
        self.rows.append(Change(kind, user, other, None, "", event, why.operator_id))

    def erase(self) -> None:
        """Users that held what is erased hold nothing; those that live on are told again."""
        held, dead = self._turn.held, self._turn.dead
        owners = {held[one].before for one in self._turn.erased if one in held}
        self._erased = {name for name in owners if name is not None} | dead
        for name in sorted(self._erased):
            self._tell(ChangeKind.ERASED, name)
            self._holders.setdefault(None, []).extend(self._holders.pop(name, ()))
            self._lived.discard(name)
            named = self._turn.users.get(name)
            if name in dead:
                self._begun.discard(name)
                self._leads.pop(name, None)
            elif named is not None and _lives(named.after):
                self._begun.add(name)

    def begin(self) -> None:
        """Users that were none are made, or split off; one that goes on for another comes later."""
        self._renamed = self._renames()
        came = self._origins()
        for name in sorted(self._begun - set(self._renamed.values()), key=self._founder):
            before = self._turn.users[name].before
            source = came.get(name) or (before.merged_into if before is not None else None)
            if source is None:
                self._tell(ChangeKind.CREATED, name)
            else:
                self._tell(ChangeKind.SPLIT, name, source)

    def _renames(self) -> dict[int, int]:
        """Users that go on under another name: by the older name, each new one once."""
        renamed: dict[int, int] = {}
        taken = set[int]()
        for name in sorted(self._lived & self._leads.keys(), key=self._founder):
            lead = self._leads[name]
            if lead in self._begun and lead not in taken and _lives(self._turn.users[lead].after):
                taken.add(lead)
                renamed[name] = lead
        return renamed

    def _origins(self) -> dict[int, int]:
        """For each user that begins, the one that held most of what it holds."""
        counts: dict[int, Counter[int]] = {}
        for before, after in self._turn.held.values():
            if before is not None and before != after and after in self._begun:
                counts.setdefault(after, Counter())[before] += 1
        return {name: min(held, key=lambda one: (-held[one], one)) for name, held in counts.items()}

    def end(self) -> None:
        """Names lead elsewhere now, and take along what they held: those that others lead on from
        come last."""
        for name in sorted(self._leads, key=self._last):
            lead = self._leads[name]
            if lead is not None:
                renamed = self._renamed.get(name) == lead
                kind = ChangeKind.RENAMED if renamed else ChangeKind.MERGED
                self._tell(kind, lead, name)
            elif name not in self._erased:
                self._tell(ChangeKind.GONE, name)
            self._holders.setdefault(lead, []).extend(self._holders.pop(name, ()))

    def _last(self, name: int) -> tuple[int, bool, Order, int]:
        hops, lead = 0, self._leads[name]
        while lead in self._leads and hops < len(self._leads):
            hops, lead = hops + 1, self._leads[lead]
        return -hops, name not in self._renamed, *self._founder(name)

    def _founder(self, name: int) -> tuple[Order, int]:
        return self._turn.users[name].after.founder, name

    def move(self) -> None:
        """Identities that are elsewhere than their user was told to be: they leave before others
        join, so that no user holds more than it may in between."""
        told = {one: name for name, some in self._holders.items() for one in some}
        moved = [
            (one, told[one], held.after)
            for one, held in sorted(self._turn.held.items())
            if held.after != told[one] and one not in self._turn.erased
        ]
        why = self._turn.why
        for one, before, after in sorted(moved, key=lambda move: move[2] is not None):
            event, number = why.moved.get(one, why.otherwise), why.operator_id
            if after is None:
                assert before is not None, "nobody left nobody"
                reason = why.left.get(one, ANEW)
                left = Change(ChangeKind.LEFT, before, None, one, reason, event, number)
                self.rows.append(left)
            else:
                joined = Change(ChangeKind.JOINED, after, before, one, "", event, number)
                self.rows.append(joined)


def _leads_elsewhere(named: Named) -> bool:
    before, after = named
    if before is None:
        return after.merged_into is not None
    return _lives(before) or before.merged_into != after.merged_into


# -- groups of one user ----------------------------------------------------------------------------


def plain_changes(group: Group, brought: Work, names: Mapping[User, int]) -> list[Change]:
    """The changes of an uncontested group, as :func:`changes_of` would tell them: it is one user,
    and nothing of it was looked up."""
    founder, before = group.founder, _founders(brought)
    assert founder is not None, "an uncontested group has a fact, and so a founder"
    if not brought.new and before == [founder]:
        return []
    name, first = names[founder], dict(reversed(brought.facts))
    told: list[Change] = []
    if founder in before:
        before.remove(founder)
    elif before:
        other = names[before.pop(0)]
        told.append(Change(ChangeKind.RENAMED, name, other, event=reference(founder)))
    else:
        told.append(Change(ChangeKind.CREATED, name, event=reference(founder)))
    for one in before:
        event = reference(first[brought.ties[one]])
        told.append(Change(ChangeKind.MERGED, name, names[one], event=event))
    for number, identity in brought.new:
        event = reference(first[brought.ties[number]])
        told.append(Change(ChangeKind.JOINED, name, None, identity, "", event))
    return told


def _founders(brought: Work) -> list[User]:
    """Of the users that the group was made of, oldest first."""
    return sorted(part.founder for part in brought.parts if part.founder is not None)
