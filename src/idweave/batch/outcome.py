"""Who is who, by number: uncontested groups are one user each, contested ones are folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from idweave.core.identity import Order
from idweave.core.policy import Policy
from idweave.core.resolve import names

from .folding import Folded, Task, first_names, fold_all
from .founding import founders, founding_shapes
from .grouping import Groups, group, with_named
from .ordering import in_order
from .said import NOTHING, Flags, Ints, Longs, Said
from .spreading import Spread

FACTS_IN_TASK = 20_000
"""Facts that one process folds at once: a tenth of a second, so that all end together."""

NAMES_AT_ONCE = 50_000
"""Users that one process names at once."""


@dataclass(frozen=True, slots=True)
class Users:
    """Users by number: the event that founded each, and its name; and the events that founded
    users that are another's now, with the number of that."""

    founders: Longs
    names: Longs
    merged: Longs
    merged_into: Longs


@dataclass(frozen=True, slots=True)
class Stays:
    """Stays of identities with users; ``left_ms`` is -1 for those that go on. An identity that no
    user ever held has one row, of user -1."""

    identities: Longs
    users: Longs
    lives: Longs
    left_ms: Longs


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusals: who asked (-1: nobody) for which identity, why, by which events, how often."""

    homes: Longs
    identities: Longs
    reasons: list[str]
    firsts: Longs
    lasts: Longs
    counts: Longs


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole answer. ``seen`` and ``latest`` are users by event, -1 for nobody; ``first_ms`` and
    ``last_ms`` say when each identity was seen. ``renamed`` are older names and those they lead to
    now, which a store knows beside the law's redirects: late facts and operators took them away."""

    said: Said
    users: Users
    seen: Ints
    latest: Ints
    stays: Stays
    refused: Refused
    first_ms: Longs
    last_ms: Longs
    contested_facts: int
    renamed: tuple[tuple[int, int], ...] = ()


def work_out(said: Said, policy: Policy, spread: Spread) -> Outcome:
    """Resolve what was said. No event id may come twice (:mod:`.repeats`)."""
    said, named = with_named(said, policy)
    groups = group(said, named, policy)
    facts = _contested_facts(said, groups)
    folded = _folded(said, groups, facts, (policy, spread))
    plain = founders(said, groups)
    users = _users(said, plain, folded, (founding_shapes(said, groups, plain), spread))
    seen, latest = _owners(said, groups, users, folded)
    first_ms, last_ms = _seen_range(said, groups)
    stays, refused = _stays(said, groups, users, folded), _refused(users, folded)
    return Outcome(said, users, seen, latest, stays, refused, first_ms, last_ms, len(facts))


# -- contested groups ------------------------------------------------------------------------------


def _contested_facts(said: Said, groups: Groups) -> Longs:
    """The events of contested groups, by group and in the order of the law."""
    shapes = said.events.shapes
    of_shape = np.concatenate((groups.contested[groups.of_shape], [False]))  # -1: the last
    of_shape[:-1] &= groups.of_shape >= 0
    found = np.flatnonzero(of_shape[shapes])
    return found[in_order(said, found, groups.of_shape[shapes[found]])]


def _folded(said: Said, groups: Groups, facts: Longs, by: tuple[Policy, Spread]) -> list[Folded]:
    policy, spread = by
    return list(spread.map(fold_all, _tasks(said, groups, facts, policy)))


def _tasks(said: Said, groups: Groups, facts: Longs, policy: Policy) -> Iterator[Task]:
    events = said.events
    group_of = groups.of_shape[events.shapes[facts]]
    ends = np.flatnonzero(np.diff(group_of, append=NOTHING)) + 1
    start = 0
    while start < len(facts):
        end = int(ends[np.searchsorted(ends, min(start + FACTS_IN_TASK, len(facts)))])
        part = facts[start:end]
        shapes, place = np.unique(events.shapes[part], return_inverse=True)
        some = said.shapes.some(shapes)
        used = np.unique(some.members)
        yield Task(
            policy,
            group_of[start:end].tolist(),
            part.tolist(),
            events.times[part].tolist(),
            events.ids.take(pa.array(part)).to_pylist(),
            place.tolist(),
            some.texts(said.identities, policy),
            dict(zip(said.identities.of(used), used.tolist(), strict=True)),
        )
        start = end


# -- users -----------------------------------------------------------------------------------------


def _users(
    said: Said, plain: Longs, folded: Sequence[Folded], by: tuple[tuple[Longs, Longs], Spread]
) -> Users:
    """Users of uncontested groups first, by group (-1 where the group is contested: left out)."""
    merged, spread = by
    contested = _column(user for part in folded for user in part.users)
    founding = np.concatenate((plain[plain >= 0], contested))
    by_founder = np.argsort(founding)
    pairs = np.array([pair for part in folded for pair in part.redirects], np.int64).reshape(-1, 2)
    heirs = np.concatenate((merged[1], pairs[:, 1]))
    into = by_founder[np.searchsorted(founding[by_founder], heirs)]
    absorbed = np.concatenate((merged[0], pairs[:, 0]))
    return Users(founding, _names(said, founding, spread), absorbed, into)


def _names(said: Said, founding: Longs, spread: Spread) -> Longs:
    """The name of each user; in the rare case that two would share one, as the law has it."""
    ids = said.events.ids.take(pa.array(founding)).to_pylist()
    parts = (ids[start : start + NAMES_AT_ONCE] for start in range(0, len(ids), NAMES_AT_ONCE))
    few = len(ids) <= NAMES_AT_ONCE
    named = map(first_names, parts) if few else spread.map(first_names, parts)
    found = np.fromiter(chain.from_iterable(named), np.int64, len(ids))
    if len(np.unique(found)) == len(found):
        return found
    events = said.events
    kinds = said.shapes.kinds[events.shapes[founding]].tolist()
    times = events.times[founding].tolist()
    orders = list(map(Order, times, kinds, ids))
    given = names(orders)
    return np.array([given[order] for order in orders], np.int64)


def _numbers_of(users: Users, founding: Longs) -> Longs:
    """Users by the event that founded them; -1 stays -1."""
    if not len(users.founders):
        return np.full(len(founding), NOTHING, np.int64)
    by_founder = np.argsort(users.founders)
    place = np.searchsorted(users.founders[by_founder], np.maximum(founding, 0))
    return np.where(founding >= 0, by_founder[np.minimum(place, len(by_founder) - 1)], NOTHING)


def _plain_users(groups: Groups) -> Ints:
    """The one user of each uncontested group that has a fact; -1 for contested groups."""
    found = np.full(len(groups) + 1, NOTHING, np.int32)  # one more for shape groups of -1
    plain = _has_user(groups)
    found[:-1][plain] = np.arange(int(plain.sum()), dtype=np.int32)
    return found


def _has_user(groups: Groups) -> Flags:
    return ~groups.contested


def _owners(
    said: Said, groups: Groups, users: Users, folded: Sequence[Folded]
) -> tuple[Ints, Ints]:
    of_shape = np.append(_plain_users(groups)[groups.of_shape], np.int32(NOTHING))
    seen = of_shape[said.events.shapes]
    latest = seen.copy()
    events = _column(event for part in folded for event in part.events)
    homes = _column(user for part in folded for user in part.seen)
    owners = _column(user for part in folded for user in part.latest)
    seen[events], latest[events] = _numbers_of(users, homes), _numbers_of(users, owners)
    return seen, latest


# -- identities ------------------------------------------------------------------------------------


def _seen_range(said: Said, groups: Groups) -> tuple[Longs, Longs]:
    """When each identity was seen first and last, unbinds that name it included."""
    shapes, events, count = said.shapes, said.events, len(said.identities)
    first = np.full(len(shapes) + 1, np.iinfo(np.int64).max)  # one more for what links nothing
    last = np.full(len(shapes) + 1, -1, np.int64)
    np.minimum.at(first, events.shapes, events.times)
    np.maximum.at(last, events.shapes, events.times)
    named = np.flatnonzero(groups.named >= 0)
    members = np.concatenate((shapes.members, groups.named[named]))
    of = np.concatenate((shapes.of_members(), named))
    first_ms = np.full(count, np.iinfo(np.int64).max)
    last_ms = np.full(count, -1, np.int64)
    np.minimum.at(first_ms, members, first[of])
    np.maximum.at(last_ms, members, last[of])
    return first_ms, last_ms


def _stays(said: Said, groups: Groups, users: Users, folded: Sequence[Folded]) -> Stays:
    owner = _plain_users(groups)[groups.of_identity]
    plain = np.flatnonzero(owner >= 0)
    rows = [row for part in folded for row in part.stays]
    identities = _column(row[0] for row in rows)
    others = np.ones(len(said.identities), np.bool_)
    others[plain], others[identities] = False, False
    alone = np.flatnonzero(others)
    nothing, none = np.zeros(len(plain), np.int64), np.full(len(alone), NOTHING, np.int64)
    return Stays(
        np.concatenate((plain, identities, alone)),
        np.concatenate((owner[plain], _numbers_of(users, _column(row[1] for row in rows)), none)),
        np.concatenate((nothing, _column(row[2] for row in rows), none + 1)),
        np.concatenate(
            (nothing - 1, _column(-1 if row[3] is None else row[3] for row in rows), none)
        ),
    )


def _refused(users: Users, folded: Sequence[Folded]) -> Refused:
    rows = list(chain.from_iterable(part.refusals for part in folded))
    return Refused(
        _numbers_of(users, _column(row[0] for row in rows)),
        _column(row[1] for row in rows),
        [row[2] for row in rows],
        _column(row[3] for row in rows),
        _column(row[4] for row in rows),
        _column(row[5] for row in rows),
    )


def _column(numbers: Iterator[int]) -> Longs:
    return np.fromiter(numbers, np.int64)
