"""What the server counts about itself; what projects received is counted by the store."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets: from one fsync of a good disk to a stop's whole grace."""


@dataclass(slots=True)
class Histogram:
    """Durations by bucket. Written by one thread, read by any."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class Meters:
    """Counts since the start of the process."""

    queued: int = 0
    body_bytes: int = 0
    """Of bodies that come in pieces, while they come and while they are decoded."""
    streams: int = 0
    """Clients that follow the change feed now."""
    commits_failed: int = 0
    commit_seconds: Histogram = field(default_factory=Histogram)
    answered: Counter[int] = field(default_factory=Counter)
    """Answers of the collector by status."""
