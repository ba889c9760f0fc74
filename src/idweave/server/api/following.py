"""The route of the change feed."""

from __future__ import annotations

from idweave.engine.following import ChangePage

from .handlers import Asked


def changes(asked: Asked) -> ChangePage:
    """A page of changes, oldest first."""
    after, limit = asked.whole("after"), asked.whole("limit")
    return asked.engine.changes(asked.project, after=after, limit=limit)
