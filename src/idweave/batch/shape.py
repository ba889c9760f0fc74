"""A shape as the rules see it. Processes that fold need this and the core alone, so that they start
in a fraction of the time that numpy and Arrow take to load."""

from __future__ import annotations

from typing import NamedTuple

from idweave.core.identity import Fact, Identity, Kind

NAMED_KINDS = frozenset({Kind.LOGIN, Kind.UNBIND})
"""The kinds whose ``distinct_id`` the law reads."""


class Shape(NamedTuple):
    """One shape as the rules see it."""

    kind: Kind
    identities: tuple[Identity, ...]
    distinct_id: str | None

    def fact(self, time_ms: int, event_id: str) -> Fact:
        """The fact of one event of this shape."""
        return Fact(time_ms, event_id, self.kind, self.identities, self.distinct_id)
