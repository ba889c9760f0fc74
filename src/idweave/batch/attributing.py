"""Whose events are, and what that says of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arrays import LATE, Ints, Longs
from .events import Events, Run
from .founding import Spans


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose events are. Those of a shape are one user's (-1: nobody's, or not of one alone), but
    for the events of contested groups, which are listed by number: the user they had then, and
    whose they are now. ``of_shape`` has one entry more, for events without a shape."""

    of_shape: Ints
    events: Longs
    seen: Longs
    latest: Longs

    def of(self, run: Run, rows: slice) -> tuple[Ints, Ints]:
        """The user of some events of a run as seen, and the latest."""
        seen = self.of_shape[run.shapes[rows]]
        first = run.first + rows.start
        start, end = np.searchsorted(self.events, (first, first + len(seen)))
        if start == end:
            return seen, seen
        latest, places = seen.copy(), self.events[start:end] - first
        seen[places], latest[places] = self.seen[start:end], self.latest[start:end]
        return seen, latest


class UserSpans(NamedTuple):
    """When each user had the first event and the last, as seen (-1: none), and how many."""

    firsts: Longs
    lasts: Longs
    counts: Longs


def user_spans(events: Events, owners: Attribution, of_shape: Spans, users: int) -> UserSpans:
    """The spans of so many users, by those of the shapes and by the events that are listed."""
    plain = np.flatnonzero(owners.of_shape[:-1] >= 0)
    listed = np.flatnonzero(owners.seen >= 0)
    times = events.times_of(owners.events[listed])
    of: Longs = np.concatenate((owners.of_shape[plain], owners.seen[listed]))
    firsts, lasts = np.full(users, LATE), np.full(users, -1, np.int64)
    np.minimum.at(firsts, of, np.concatenate((of_shape.firsts[plain], times)))
    np.maximum.at(lasts, of, np.concatenate((of_shape.lasts[plain], times)))
    counts = np.zeros(users, np.int64)
    ones = np.ones(len(listed), np.int64)
    np.add.at(counts, of, np.concatenate((of_shape.counts[plain], ones)))
    return UserSpans(np.where(lasts < 0, -1, firsts), lasts, counts)
