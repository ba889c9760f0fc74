"""What a batch changed in the graph, as the rows that a store has to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from idweave.core.graph import Graph, Touched, User
from idweave.core.history import History, Step
from idweave.core.identity import Identity
from idweave.ports import (
    Change,
    Changes,
    IdentityRow,
    IdentityState,
    RefusalRow,
    Run,
    StayRow,
    UserRow,
)

from .feed import plain_changes
from .turning import turned

if TYPE_CHECKING:
    from .grouping import Grouping
    from .known import Group, Work


def publish(
    grouping: Grouping,
    plain: Sequence[tuple[Group, Work]],
    resolved: Sequence[tuple[Group, Work, History]],
    changes: Changes,
) -> list[Change]:
    """Add the rows of uncontested (``plain``) and contested (``resolved``) groups, and say what
    they change of who is who."""
    for group, brought in plain:
        _crown(group, brought)
    views = [View(grouping.project, brought, history) for _, brought, history in resolved]
    users: set[User] = set()
    for group, brought in plain:
        users.update(part.founder for part in brought.parts if part.founder is not None)
        users.update((group.founder,) if group.founder is not None else ())
    for view in views:
        users.update(view.users())
    names = grouping.naming.of(users)
    for group, brought in plain:
        _publish_plain(grouping.project, group, brought, names=names, changes=changes)
    for group, brought, _ in resolved:
        for number, identity in brought.new:
            row = IdentityRow(number, identity, group.group_id)
            changes.new_identities.append((grouping.project, row, None))
    ids = grouping.identity_ids(identity for view in views for identity in view.identities())
    for view in views:
        view.publish(names, ids, changes)
    if grouping.is_retelling:
        return []
    told = [plain_changes(group, brought, names) for group, brought in plain]
    told += turned(grouping, views, names, ids)
    return list(chain.from_iterable(told))


def _crown(group: Group, brought: Work) -> None:
    """The founder of an uncontested group is its earliest fact, in whatever order they came."""
    founders = [(part.founder, part.founder_set) for part in brought.parts if part.founder]
    founders += [(fact.order, set_id) for set_id, fact in brought.facts]
    group.founder, group.founder_set = min(founders)


def _publish_plain(
    project: str, group: Group, brought: Work, *, names: dict[User, int], changes: Changes
) -> None:
    assert group.founder is not None, "an uncontested group has a fact, and so a founder"
    name = names[group.founder]
    for number, identity in brought.new:
        row = IdentityRow(number, identity, group.group_id)
        changes.new_identities.append((project, row, name))
    before = {part.founder: part.founder_set for part in brought.parts if part.founder is not None}
    if group.founder not in before:
        changes.users.append((project, UserRow(name, group.founder, group.founder_set)))
    absorbed = [founder for founder in before if founder != group.founder]
    if absorbed:
        changes.group_owners.append((group.group_id, name))
    for founder in absorbed:
        changes.users.append((project, UserRow(names[founder], founder, before[founder], name)))


class View:
    """What changed in one contested group since it was published last."""

    def __init__(self, project: str, brought: Work, history: History) -> None:
        self.project = project
        self.history = history
        self.new = brought.arrived
        self.graph: Graph = history.graph
        self.touched: Touched = self.graph.take_touched()
        self.applied: list[Step] = history.take_applied()
        self.rehomed = history.take_rehomed()

    def users(self) -> Iterator[User]:
        """Every user whose name the rows need."""
        yield from self.touched.users
        yield from (self.graph.redirect[u] for u in self.touched.users if u in self.graph.redirect)
        owners = (self.graph.owner.get(identity) for identity in self.touched.identities)
        yield from (owner for owner in owners if owner is not None)
        yield from (stay.user for stay in self.touched.stays)
        yield from (key.home for key in self.touched.refusals if key.home is not None)
        homes = (done.outcome.home for done in self.applied)
        yield from (home for home in homes if home is not None)

    def identities(self) -> Iterator[Identity]:
        """Every identity whose number the rows need."""
        yield from self.touched.identities
        yield from (stay.identity for stay in self.touched.stays)
        yield from (key.identity for key in self.touched.refusals)
        anchors = (done.outcome.anchor for done in self.applied)
        yield from (anchor for anchor in anchors if anchor is not None)

    def publish(self, names: dict[User, int], ids: dict[Identity, int], changes: Changes) -> None:
        """Add the rows."""
        self._users(names, changes)
        self._identities(names, ids, changes)
        self._stays(names, ids, changes)
        self._refusals(names, ids, changes)
        self._runs(names, ids, changes)

    def user_rows(self, names: Mapping[User, int]) -> Iterator[UserRow]:
        """The rows of touched users that are in the graph still."""
        for user in sorted(self.touched.users):
            if user in self.graph.held:
                into = self.graph.redirect.get(user)
                leads_to = None if into is None else names[into]
                yield UserRow(names[user], user, self.history.set_at(user), leads_to)

    def ended(self) -> set[User]:
        """Users that are in the graph no more, though their founding facts are in the history. The
        names of others, whose facts were taken out, go on leading where they lead."""
        ended = self.touched.users - self.graph.held.keys()
        return {user for user in ended if self.history.step_at(user) is not None}

    def led(self) -> set[User]:
        """Users that were in the graph no more before, and whose names may lead elsewhere now."""
        return self.rehomed - self.graph.held.keys() - self.touched.users

    def turns(self) -> bool:
        """Whether anything may have changed of who holds what, or of where names lead."""
        return bool(self.touched.users or self.touched.identities or self.rehomed)

    def _users(self, names: dict[User, int], changes: Changes) -> None:
        changes.users += ((self.project, row) for row in self.user_rows(names))
        changes.gone += ((self.project, names[user]) for user in sorted(self.ended()))

    def _identities(
        self, names: dict[User, int], ids: dict[Identity, int], changes: Changes
    ) -> None:
        graph = self.graph
        for identity in sorted(self.touched.identities):
            owner = graph.owner.get(identity)
            mark, crowded = graph.marks.get(identity), graph.crowded.get(identity)
            changes.identities.append(
                IdentityState(
                    ids[identity],
                    identity,
                    None if owner is None else names[owner],
                    graph.life.get(identity, 0),
                    None if mark is None else mark.left.time_ms,
                    None if crowded is None else crowded.time_ms,
                )
            )

    def _stays(self, names: dict[User, int], ids: dict[Identity, int], changes: Changes) -> None:
        for stay in sorted(self.touched.stays):
            name, number = names[stay.user], ids[stay.identity]
            left_ms = self.graph.former.get(stay)
            if left_ms is None:
                changes.ended_stays.append((self.project, name, number, stay.life))
            else:
                row = StayRow(name, number, stay.identity, stay.life, left_ms)
                changes.stays.append((self.project, row))

    def _refusals(self, names: dict[User, int], ids: dict[Identity, int], changes: Changes) -> None:
        for key in self.touched.refusals:
            home = None if key.home is None else names[key.home]
            number, reason = ids[key.identity], key.reason.value
            seen = self.graph.refusals.get(key)
            if seen is None:
                changes.ended_refusals.append((self.project, home, number, reason))
            else:
                row = RefusalRow(home, number, key.identity, reason, *seen)
                changes.refusals.append((self.project, row))

    def _runs(self, names: dict[User, int], ids: dict[Identity, int], changes: Changes) -> None:
        """Each set's applied steps are its last ones: its runs from the first of them on are
        written anew, one wherever whom the events belong to changes."""
        by_set = sorted(self.applied, key=attrgetter("set_id", "order"))
        for set_id, steps in groupby(by_set, key=attrgetter("set_id")):
            before = None
            for place, done in enumerate(steps):
                if place == 0:
                    changes.dropped_runs.append((set_id, done.order))
                if done.outcome != before:
                    home, anchor = done.outcome.home, done.outcome.anchor
                    name = None if home is None else names[home]
                    anchor_id = None if anchor is None else ids[anchor]
                    changes.runs.append(Run(set_id, done.order, name, anchor_id))
                before = done.outcome
