"""Who is who, by number: uncontested groups are one user each, contested ones are folded."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from idweave.core.identity import Order
from idweave.core.policy import Policy
from idweave.core.resolve import names

from .arrays import LATE, NOTHING, Ints, Longs
from .attributing import Attribution, UserSpans, user_spans
from .events import Events
from .folding import REASONS, Folded, Numbers, Task, first_names, fold_all
from .founding import Spans, founders, founding_shapes, spans
from .grouping import Groups, group, with_named
from .ordering import Facts, in_order
from .said import Identities, Said
from .spreading import Spread

FACTS_IN_TASK = 20_000
"""Facts that one process folds at once: a tenth of a second, so that all end together."""

NAMES_AT_ONCE = 50_000
"""Users that one process names at once."""


@dataclass(frozen=True, slots=True)
class Users:
    """Users by number: the event that founded each, that one's id, and the name; and the events
    that founded users that are another's now, with the number of that."""

    founders: Longs
    founder_ids: pa.Array
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
    """The whole answer. ``first_ms`` and ``last_ms`` say when each identity was seen, ``spans`` the
    same of users. ``renamed`` are older names and those they lead to now, which a store knows
    beside the law's redirects: late facts and operators took them away."""

    identities: Identities
    events: Events
    users: Users
    owners: Attribution
    spans: UserSpans
    stays: Stays
    refused: Refused
    first_ms: Longs
    last_ms: Longs
    contested_facts: int
    renamed: tuple[tuple[int, int], ...] = ()


def work_out(said: Said, policy: Policy, spread: Spread) -> Outcome:
    """Resolve what was said. No event id may come twice (:mod:`.repeats`)."""
    said, named = with_named(said.compacted(), policy)
    groups = group(said, named, policy)
    facts = _contested_facts(said, groups)
    folded = _folded(said, groups, facts, (policy, spread))
    seen = spans(said)
    plain = founders(said, seen, groups)
    users = _users(said, plain, folded, (founding_shapes(said, seen, groups, plain), spread))
    owners = _owners(groups, users, folded)
    return Outcome(
        said.identities,
        said.events,
        users,
        owners,
        user_spans(said.events, owners, seen, len(users.names)),
        _stays(said, groups, users, folded),
        _refused(users, folded),
        *_seen_range(said, seen, groups),
        len(facts),
    )


# -- contested groups ------------------------------------------------------------------------------


def _contested_facts(said: Said, groups: Groups) -> Longs:
    """The events of contested groups, by group and in the order of the law."""
    is_contested = np.append(groups.contested[groups.of_shape], False)  # -1: the last
    is_contested[:-1] &= groups.of_shape >= 0
    numbers, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for run in said.events.runs:
        rows = np.flatnonzero(is_contested[run.shapes])
        numbers.append(run.first + rows)
        times.append(run.columns().times[rows])
    found = np.concatenate(numbers)
    shapes = said.events.shapes_of(found)
    kinds = said.shapes.kinds[shapes]
    facts = Facts(np.concatenate(times), kinds, lambda rows: said.events.ids_of(found[rows]))
    return found[in_order(facts, groups.of_shape[shapes])]


def _folded(said: Said, groups: Groups, facts: Longs, by: tuple[Policy, Spread]) -> list[Folded]:
    policy, spread = by
    return list(spread.map(fold_all, _tasks(said, groups, facts, policy)))


def _tasks(said: Said, groups: Groups, facts: Longs, policy: Policy) -> Iterator[Task]:
    """The facts in tasks of whole groups; their columns are taken for many tasks at once."""
    group_of = groups.of_shape[said.events.shapes_of(facts)]
    ends = np.flatnonzero(np.diff(group_of, append=NOTHING)) + 1
    for start, end in _cuts(ends, said.events.shelf.bounds.fact_events):
        part, within = facts[start:end], group_of[start:end]
        shapes, times = said.events.shapes_of(part), said.events.times_of(part)
        ids = said.events.ids_of(part)
        inner = np.flatnonzero(np.diff(within, append=NOTHING)) + 1
        for begin, stop in _cuts(inner, FACTS_IN_TASK):
            rows = slice(begin, stop)
            own, place = np.unique(shapes[rows], return_inverse=True)
            some = said.shapes.some(own)
            used = np.unique(some.members)
            yield Task(
                policy,
                array("q", within[rows].astype(np.int64).tobytes()),
                array("q", part[rows].tobytes()),
                array("q", times[rows].tobytes()),
                ids[begin:stop].to_pylist(),
                array("q", place.tobytes()),
                some.texts(said.identities, policy),
                dict(zip(said.identities.of(used), used.tolist(), strict=True)),
            )


def _cuts(ends: Longs, count: int) -> Iterator[tuple[int, int]]:
    """From where to where: whole groups by where they end, with at least ``count`` facts each."""
    start, last = 0, int(ends[-1]) if len(ends) else 0
    while start < last:
        end = int(ends[np.searchsorted(ends, min(start + count, last))])
        yield start, end
        start = end


# -- users -----------------------------------------------------------------------------------------


def _users(
    said: Said, plain: Longs, folded: Sequence[Folded], by: tuple[tuple[Longs, Longs], Spread]
) -> Users:
    """Users of uncontested groups first, by group (-1 where the group is contested: left out)."""
    merged, spread = by
    contested = _rows((part.users for part in folded), 1)[:, 0]
    founding = np.concatenate((plain[plain >= 0], contested))
    by_founder = np.argsort(founding)
    pairs = _rows((part.redirects for part in folded), 2)
    heirs = np.concatenate((merged[1], pairs[:, 1]))
    into = by_founder[np.searchsorted(founding[by_founder], heirs)]
    absorbed = np.concatenate((merged[0], pairs[:, 0]))
    ids = said.events.ids_of(founding)
    return Users(founding, ids, _names(said, founding, ids, spread), absorbed, into)


def _names(said: Said, founding: Longs, founder_ids: pa.Array, spread: Spread) -> Longs:
    """The name of each user; in the rare case that two would share one, as the law has it."""
    count = len(founder_ids)
    starts = range(0, count, NAMES_AT_ONCE)
    parts = (founder_ids.slice(start, NAMES_AT_ONCE).to_pylist() for start in starts)
    few = count <= NAMES_AT_ONCE
    named = map(first_names, parts) if few else spread.map(first_names, parts)
    found = _rows(named, 1)[:, 0]
    if len(np.unique(found)) == len(found):
        return found
    kinds = said.shapes.kinds[said.events.shapes_of(founding)].tolist()
    times = said.events.times_of(founding).tolist()
    orders = list(map(Order, times, kinds, founder_ids.to_pylist()))
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
    plain = ~groups.contested
    found[:-1][plain] = np.arange(int(plain.sum()), dtype=np.int32)
    return found


def _owners(groups: Groups, users: Users, folded: Sequence[Folded]) -> Attribution:
    of_shape = np.append(_plain_users(groups)[groups.of_shape], np.int32(NOTHING))
    rows = _rows((part.events for part in folded), 3)
    rows = rows[np.argsort(rows[:, 0])]
    owners = _numbers_of(users, rows[:, 1:].ravel()).reshape(-1, 2)
    return Attribution(of_shape, rows[:, 0].copy(), owners[:, 0].copy(), owners[:, 1].copy())


# -- identities ------------------------------------------------------------------------------------


def _seen_range(said: Said, spans: Spans, groups: Groups) -> tuple[Longs, Longs]:
    """When each identity was seen first and last, unbinds that name it included."""
    shapes, count = said.shapes, len(said.identities)
    named = np.flatnonzero(groups.named >= 0)
    first_ms, last_ms = np.full(count, LATE), np.full(count, -1, np.int64)
    np.minimum.at(first_ms, shapes.members, np.repeat(spans.firsts, shapes.sizes))
    np.minimum.at(first_ms, groups.named[named], spans.firsts[named])
    np.maximum.at(last_ms, shapes.members, np.repeat(spans.lasts, shapes.sizes))
    np.maximum.at(last_ms, groups.named[named], spans.lasts[named])
    return first_ms, last_ms


def _stays(said: Said, groups: Groups, users: Users, folded: Sequence[Folded]) -> Stays:
    owner = _plain_users(groups)[groups.of_identity]
    plain = np.flatnonzero(owner >= 0)
    rows = _rows((part.stays for part in folded), 4)
    others = np.ones(len(said.identities), np.bool_)
    others[plain], others[rows[:, 0]] = False, False
    alone = np.flatnonzero(others)
    nothing, none = np.zeros(len(plain), np.int64), np.full(len(alone), NOTHING, np.int64)
    return Stays(
        np.concatenate((plain, rows[:, 0], alone)),
        np.concatenate((owner[plain], _numbers_of(users, rows[:, 1]), none)),
        np.concatenate((nothing, rows[:, 2], none + 1)),
        np.concatenate((nothing - 1, rows[:, 3], none)),
    )


def _refused(users: Users, folded: Sequence[Folded]) -> Refused:
    rows = _rows((part.refusals for part in folded), 6)
    reasons = [REASONS[place].value for place in rows[:, 2].tolist()]
    homes = _numbers_of(users, rows[:, 0])
    return Refused(homes, rows[:, 1], reasons, rows[:, 3], rows[:, 4], rows[:, 5])


def _rows(parts: Iterable[Numbers], width: int) -> Longs:
    """Rows of so many numbers."""
    found = np.concatenate(
        [np.empty(0, np.int64), *(np.frombuffer(one, np.int64) for one in parts)]
    )
    return found.reshape(-1, width)
