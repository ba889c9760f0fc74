"""Identities and facts: the two values every rule speaks of (RESOLUTION.md §1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

LOGIN_KEY = "$identity_login_id"
ANONYMOUS_KEY = "$identity_anonymous_id"


class Identity(NamedTuple):
    """One identifier: a key such as ``$identity_mobile`` and its value, both text.

    A named tuple, so that comparing and hashing cost what a tuple costs; text compares by code
    point, which is the order the law asks for in every store.
    """

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class Kind(IntEnum):
    """What a fact says. The number is its place in the order of facts of one millisecond:
    what ends comes before what begins, the explicit before the implied."""

    RELEASE = 0
    DETACH = 1
    UNBIND = 2
    LOGIN = 3
    BIND = 4
    OBSERVE = 5

    @property
    def word(self) -> str:
        """The kind as the wire, the log and the reports write it: ``login``, ``unbind`` …"""
        return self.name.lower()


ENDING_KINDS = frozenset({Kind.RELEASE, Kind.DETACH, Kind.UNBIND})


class Order(NamedTuple):
    """The place of a fact in the one order of facts; a user is known by its founder's."""

    time_ms: int
    kind: Kind
    event_id: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One accepted statement of the log: who was seen together, when, and how it was said.

    ``time_ms`` counts from 1970 in UTC; ``event_id`` is unique within a project;
    ``distinct_id`` matters for ``login`` (purpose) and ``unbind`` (claimant) only.
    """

    time_ms: int
    event_id: str
    kind: Kind
    identities: tuple[Identity, ...]
    distinct_id: str | None = None

    @property
    def order(self) -> Order:
        """The fact's place in the order of the law: time, then kind, then event id."""
        return Order(self.time_ms, self.kind, self.event_id)


KIND_OF_TYPE: dict[str, Kind] = {
    "track": Kind.OBSERVE,
    "track_signup": Kind.LOGIN,
    "track_id_bind": Kind.BIND,
    "track_id_unbind": Kind.UNBIND,
    "profile_set": Kind.OBSERVE,
    "profile_set_once": Kind.OBSERVE,
    "profile_increment": Kind.OBSERVE,
    "profile_append": Kind.OBSERVE,
    "profile_unset": Kind.OBSERVE,
    "profile_delete": Kind.OBSERVE,
    "join": Kind.BIND,
    "detach": Kind.DETACH,
    "release": Kind.RELEASE,
}
"""The kind of fact that each type of record makes. Items (``item_set``, ``item_delete``) make none;
the last three are stated by operators, not by records (RESOLUTION.md §8)."""
