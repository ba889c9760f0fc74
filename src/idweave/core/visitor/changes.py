"""Which conditions change a visitor id: derived from the profiles and the conditions (§7)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from .chain import RANDOM
from .profiles import MINI, PROFILES, Profile
from .stores import CONDITIONS, Condition, Family

OPENID = "openid"
"""The source of an id that ``identify`` set."""


class Change(StrEnum):
    """What a condition does to an id of a given source."""

    NEVER = "keeps the id"
    SOURCE = "keeps the id if the source still reads the same and no better source appeared"
    ALWAYS = "new id"


class ChangeRow(NamedTuple):
    """One answer: an id of ``source`` under a profile, and what the condition does to it."""

    profile: str
    source: str
    condition: str
    change: Change


def sources(rules: Profile) -> tuple[str, ...]:
    """The sources an id of this profile can come from, strongest first, random last."""
    hinted = [link.source for link in rules.chain if link.hint]
    identified = [OPENID] if rules.family is Family.MINI_PROGRAM else []
    return (*identified, *hinted, RANDOM)


def change(rules: Profile, source: str, row: Condition) -> Change:
    """What one condition does to an id of this source."""
    hints = {link.source: link.hint for link in rules.chain}
    hint = source if source == OPENID else hints.get(source, "")
    if hint in row.renews and (_is_emptied(rules, source, row) or source == OPENID):
        return Change.ALWAYS
    if not _is_emptied(rules, source, row) or source == OPENID:
        return Change.NEVER
    return Change.ALWAYS if source == RANDOM else Change.SOURCE


def _is_emptied(rules: Profile, source: str, row: Condition) -> bool:
    """Whether the store that holds an id of this source is empty afterwards."""
    if source == OPENID:
        return MINI.kind in row.empties
    link = next((link for link in rules.chain if link.source == source), None)
    slot = (link.keeps if link and link.kept else None) or rules.keeps
    if slot is None or (link and not link.kept):  # nothing is stored: each start looks again
        return "memory" in row.empties
    return slot.kind in row.empties


def change_rows() -> Iterator[ChangeRow]:
    """Every profile, source and condition that can meet, in the order of the tables."""
    for rules in PROFILES.values():
        for source in sources(rules):
            for row in CONDITIONS:
                if rules.family in row.families:
                    yield ChangeRow(rules.name, source, row.name, change(rules, source, row))
