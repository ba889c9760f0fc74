"""Which facts come first: of each shape, of each uncontested group, and of the users in these, in
whatever order the facts came."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import LATE, NOTHING, Longs
from .grouping import Groups
from .ordering import Facts, in_order
from .said import Said


class Spans(NamedTuple):
    """Of each shape: when it was seen first and last, how often, and the earliest of its events by
    the order of the law. No event has a shape of -1."""

    firsts: Longs
    lasts: Longs
    counts: Longs
    earliest: Longs


def spans(said: Said) -> Spans:
    """The spans of all shapes; each has an event (:meth:`Said.compacted`)."""
    count = len(said.shapes) + 1  # one more for what links nothing
    firsts, lasts = np.full(count, LATE), np.full(count, -1, np.int64)
    counts = np.zeros(count, np.int64)
    for run in said.events.runs:
        times = run.columns().times
        np.minimum.at(firsts, run.shapes, times)
        np.maximum.at(lasts, run.shapes, times)
        np.add.at(counts, run.shapes, 1)
    firsts[-1] = NOTHING  # no event of it counts
    earliest = _earliest_events(said, firsts)
    return Spans(firsts[:-1], lasts[:-1], counts[:-1], earliest)


def _earliest_events(said: Said, firsts: Longs) -> Longs:
    """The event of each shape that is the first by the order of the law."""
    found = np.full(len(firsts) - 1, NOTHING, np.int64)
    twice: list[Longs] = [np.empty(0, np.int64)]
    for run in said.events.runs:
        rows = np.flatnonzero(run.columns().times == firsts[run.shapes])
        shapes = run.shapes[rows]
        before = found[shapes]
        found[shapes] = run.first + rows
        doubled = (before >= 0) | (found[shapes] != run.first + rows)
        if doubled.any():
            twice += [before[before >= 0], run.first + rows[doubled], found[shapes[doubled]]]
    likely = np.unique(np.concatenate(twice))
    if len(likely):
        shapes = said.events.shapes_of(likely)
        ordered = in_order(_facts(said, likely, firsts[shapes]), shapes)
        begins = np.flatnonzero(np.diff(shapes[ordered], prepend=NOTHING))
        found[shapes[ordered][begins]] = likely[ordered[begins]]
    return found


def _facts(said: Said, events: Longs, times: Longs) -> Facts:
    """Facts by what they are ordered by."""
    kinds = said.shapes.kinds[said.events.shapes_of(events)]
    return Facts(times, kinds, lambda rows: said.events.ids_of(events[rows]))


def founders(said: Said, spans: Spans, groups: Groups) -> Longs:
    """The earliest fact of each uncontested group, as its event; -1 for contested ones."""
    plain = _plain(groups)
    least = np.full(len(groups), LATE)
    np.minimum.at(least, groups.of_shape[plain], spans.firsts[plain])
    likely = plain[spans.firsts[plain] == least[groups.of_shape[plain]]]
    parts = groups.of_shape[likely]
    found = np.full(len(groups), NOTHING, np.int64)
    found[parts] = spans.earliest[likely]
    several = np.flatnonzero(np.bincount(parts, minlength=len(groups))[parts] > 1)
    likely, parts = likely[several], parts[several]
    events = spans.earliest[likely]
    ordered = in_order(_facts(said, events, spans.firsts[likely]), parts)
    begins = ordered[np.flatnonzero(np.diff(parts[ordered], prepend=NOTHING))]
    found[parts[begins]] = events[begins]
    return found


def _plain(groups: Groups) -> Longs:
    """The shapes of uncontested groups."""
    return np.flatnonzero((groups.of_shape >= 0) & ~groups.contested[groups.of_shape])


def founding_shapes(said: Said, spans: Spans, groups: Groups, first: Longs) -> tuple[Longs, Longs]:
    """The facts of uncontested groups that founded users which merged later, and the facts that
    founded the users that they are now.

    Folded in order, a fact founds a user where all its identities come for the first time; only a
    shape's first fact can. All users of an uncontested group end as one.
    """
    shapes, plain = said.shapes, _plain(groups)
    place = np.full(len(shapes), LATE)
    facts = _facts(said, spans.earliest[plain], spans.firsts[plain])
    place[plain[in_order(facts)]] = np.arange(len(plain))
    of_members = shapes.of_members()
    arrival = np.full(len(said.identities), LATE)
    np.minimum.at(arrival, shapes.members, place[of_members])
    is_new = arrival[shapes.members] == place[of_members]
    old = np.zeros(len(shapes), np.bool_)
    old[of_members[~is_new]] = True
    founding = plain[~old[plain]]
    into = first[groups.of_shape[founding]]
    merged = spans.earliest[founding] != into
    return spans.earliest[founding][merged], into[merged]
