"""Who founded the users of uncontested groups, in whatever order their facts came."""

from __future__ import annotations

import numpy as np

from .grouping import Groups
from .ordering import in_order
from .said import NOTHING, Flags, Ints, Longs, Said

LATE = np.iinfo(np.int64).max


def founders(said: Said, groups: Groups) -> Longs:
    """The earliest fact of each uncontested group, as its event; -1 for contested ones."""
    events = said.events
    group_of = np.append(groups.of_shape, np.int32(NOTHING))[events.shapes]
    return _earliest(said, group_of, len(groups), groups.contested)


def _earliest(said: Said, part_of: Ints, count: int, without: Flags) -> Longs:
    """The earliest fact of each part, -1 where there is none or the part is one of ``without``."""
    times = said.events.times
    first = np.full(count + 1, LATE)
    np.minimum.at(first, part_of, times)
    is_first = times == first[part_of]
    is_first &= (part_of >= 0) & ~np.append(without, True)[part_of]
    likely = np.flatnonzero(is_first)
    found = np.full(count, NOTHING, np.int64)
    found[part_of[likely]] = likely
    several = np.bincount(part_of[likely], minlength=count) > 1
    likely = likely[several[part_of[likely]]]
    ordered = likely[in_order(said, likely, part_of[likely])]
    parts = part_of[ordered]
    begins = np.flatnonzero(np.diff(parts, prepend=NOTHING))
    found[parts[begins]] = ordered[begins]
    return found


def founding_shapes(said: Said, groups: Groups, first: Longs) -> tuple[Longs, Longs]:
    """The facts of uncontested groups that founded users which merged later, and the facts that
    founded the users that they are now.

    Folded in order, a fact founds a user where all its identities come for the first time; only a
    shape's first fact can. All users of an uncontested group end as one.
    """
    shapes = said.shapes
    plain = (groups.of_shape >= 0) & ~groups.contested[groups.of_shape]
    earliest = _earliest(said, said.events.shapes, len(shapes), ~plain)
    seen = np.flatnonzero(earliest >= 0)
    place = np.full(len(shapes), LATE)
    place[seen[in_order(said, earliest[seen])]] = np.arange(len(seen))
    of_members = shapes.of_members()
    arrival = np.full(len(said.identities), LATE)
    np.minimum.at(arrival, shapes.members, place[of_members])
    is_new = arrival[shapes.members] == place[of_members]
    old = np.zeros(len(shapes), np.bool_)
    old[of_members[~is_new]] = True
    founding = np.flatnonzero((earliest >= 0) & ~old)
    into = first[groups.of_shape[founding]]
    merged = earliest[founding] != into
    return earliest[founding][merged], into[merged]
