"""Routes about the past."""

from __future__ import annotations

from typing import cast

from idweave.engine.operated import DifferenceAnswer
from idweave.engine.past import Instant, PastEvent, PastIdentity, PastPage, PastUser

from .governing import check_size
from .handlers import Asked, as_stored


def _instant(asked: Asked, time: str = "at", position: str = "position") -> Instant:
    values = (cast(int | None, asked.values[name]) for name in (time, position))
    return Instant(*values)


def past_lookup(asked: Asked) -> PastIdentity:
    """Who held an identity then."""
    identity = as_stored(asked, asked.text("key"), asked.text("value"))
    return asked.engine.past_lookup(asked.project, identity, _instant(asked))


def past_user(asked: Asked) -> PastUser:
    """A user as it was then."""
    name = asked.text("canonical_id")
    return asked.engine.past_user(asked.project, name, _instant(asked))


def past_event(asked: Asked) -> PastEvent:
    """Whose an event was, as seen from then."""
    return asked.engine.past_event(asked.project, asked.text("event"), _instant(asked))


def past_difference(asked: Asked) -> DifferenceAnswer:
    """What differs between two instants."""
    check_size(asked)
    first = _instant(asked, "from", "from_position")
    return asked.engine.past_difference(
        asked.project, (first, _instant(asked, "to", "to_position"))
    )


def past_users(asked: Asked) -> PastPage:
    """Everybody as they were then."""
    cursor = cast(str | None, asked.values["cursor"])
    limit = asked.whole("limit")
    return asked.engine.past_page(asked.project, _instant(asked), cursor=cursor, limit=limit)
