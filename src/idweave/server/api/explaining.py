"""Routes that explain: their answers are the engine's as they are, every id already text."""

from __future__ import annotations

from idweave.core.identity import Identity
from idweave.engine.explained import DecisionPage, SeparationAnswer, WhyAnswer

from .handlers import Asked, as_stored


def pair(asked: Asked) -> tuple[Identity, Identity]:
    """The two identities of a question."""
    return (
        as_stored(asked, asked.text("key"), asked.text("value")),
        as_stored(asked, asked.text("other_key"), asked.text("other_value")),
    )


def why(asked: Asked) -> WhyAnswer:
    """Why two identities are one user, or why not."""
    return asked.engine.why(asked.project, *pair(asked))


def separation(asked: Asked) -> SeparationAnswer:
    """What would part two identities."""
    return asked.engine.separation(asked.project, *pair(asked))


def decisions(asked: Asked) -> DecisionPage:
    """A page of the decisions that made a user."""
    return asked.engine.decisions(
        asked.project,
        asked.text("canonical_id"),
        offset=asked.whole("cursor"),
        limit=asked.whole("limit"),
    )
