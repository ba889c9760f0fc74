"""Contested groups before and after a batch: the turns that the feed tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from idweave.core.graph import User
from idweave.core.identity import Identity
from idweave.ports import Change, Changes, Store, UserRow

from .causes import left_by, why_of
from .feed import Held, Named, Turn, Why, changes_of
from .reading import run_at

if TYPE_CHECKING:
    from .grouping import Grouping
    from .publishing import View
    from .retelling import Occasion


def turned(
    grouping: Grouping,
    views: Sequence[View],
    names: Mapping[User, int],
    ids: Mapping[Identity, int],
) -> Iterator[list[Change]]:
    """The changes of each contested group. The store must still be as it was before."""
    told = [view for view in views if view.turns()]
    if not told:
        return
    store, project = grouping.store, grouping.project
    named = [dict(_named(grouping, view, names)) for view in told]
    rows = store.find_users(project, [name for some in named for name in some])
    owners = store.find_owners([ids[one] for view in told for one in view.touched.identities])
    for view, some in zip(told, named, strict=True):
        owner = view.graph.owner
        held = {
            one: Held(owners.get(ids[one]), names[owner[one]] if one in owner else None)
            for one in view.touched.identities
        }
        why = why_of(view.graph, view.applied, view.new, names)
        why.left = left_by(view.graph, view.applied, grouping.policy)
        yield changes_of(Turn(held, dict(_users(store, rows, some)), why))


class _Led(NamedTuple):
    """A name of nobody in the graph, and the one that it leads to. ``settled``: where it led to
    somebody already by its row, it still does."""

    lead: int | None
    settled: bool


def _named(
    grouping: Grouping, view: View, names: Mapping[User, int]
) -> Iterator[tuple[int, UserRow | _Led]]:
    """What became of each name of a group that may lead elsewhere."""
    for row in view.user_rows(names):
        yield row.name, row
    for users, settled in ((view.ended(), False), (view.led(), True)):
        for user, name in grouping.naming.of(users).items():
            done = view.history.step_at(user)
            home = None if done is None else done.outcome.home
            yield name, _Led(None if home is None else names[home], settled)


def _users(
    store: Store, rows: Mapping[int, UserRow], named: Mapping[int, UserRow | _Led]
) -> Iterator[tuple[int, Named]]:
    for name, after in named.items():
        before = rows.get(name)
        by_row = before is not None and before.merged_into is not None
        if before is not None and before.gone and not by_row:
            before = replace(before, merged_into=lead_of(store, before))
        if isinstance(after, UserRow):
            yield name, Named(before, after)
        elif before is not None and not (after.settled and by_row):
            yield name, Named(before, replace(before, gone=True, merged_into=after.lead))


def lead_of(store: Store, row: UserRow) -> int | None:
    """Where a name that is gone leads: to the user that its founding event belongs to."""
    with store.reader() as reader:
        run = run_at(reader.runs([row.founder_set]), row.founder)
    return None if run is None else run.name


# -- groups told again -----------------------------------------------------------------------------


def tell_anew(
    store: Store,
    project: str,
    members: Mapping[Identity, int],
    *,
    changes: Changes,
    occasion: Occasion,
) -> None:
    """Add to the feed what ``changes`` that tell groups again change; ``members`` are the
    identities of these groups with their numbers. The store must still be as it was before."""
    owners = store.find_owners(list(members.values()))
    after = {row.identity: owner for _, row, owner in changes.new_identities}
    after |= {state.identity: state.owner for state in changes.identities}
    held = {
        one: Held(owners.get(members[one]) if one in members else None, after.get(one))
        for one in {*members, *after}
    }
    named: dict[int, UserRow | _Led] = {row.name: row for _, row in changes.users}
    rows = store.find_users(project, list(named))
    why = Why(occasion.event, occasion.operator_id)
    users = dict(_users(store, rows, named))
    turn = Turn(held, users, why, occasion.erased, occasion.dead)
    forgotten = occasion.erased | occasion.orphaned
    if forgotten:
        changes.forgotten.append((project, forgotten))
    told = [*occasion.first, *changes_of(turn)]
    if told:
        changes.feed.append((project, occasion.recorded_at_ms, told))
