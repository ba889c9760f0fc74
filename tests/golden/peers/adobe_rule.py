"""Adobe's published rule for linking, written down on its own: links between pairs, not users.

On each event its pairwise links are stamped now. Links are then united in order (those of this event
first, then the smaller sum of the two namespaces' priorities, then the newer), and one that would
bring two values of a unique namespace together is dropped for good.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import combinations

from .story import Case, Pair
from .telling import play
from .whose import clusters

Link = tuple[Pair, Pair]
Event = Sequence[Pair]
Namespaces = dict[str, tuple[int, bool]]
"""Priority, and whether it is unique, of each namespace."""

UNDECLARED = 1000
"""The priority of a namespace that nobody gave one: after all that have one."""


class Linking:
    """A graph under the rule."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._links: dict[Link, int] = {}
        self._cluster: dict[Pair, set[Pair]] = {}

    def clusters(self, events: Iterable[Event]) -> set[frozenset[Pair]]:
        """Who is one after these events, in order."""
        seen: set[Pair] = set()
        for now, event in enumerate(events):
            seen |= set(event)
            self._links |= dict.fromkeys(combinations(sorted(set(event)), 2), now)
            self._cluster = {one: {one} for one in sorted(seen)}
            for link in sorted(self._links, key=lambda link: self._order(link, now)):
                self._unite(link)
        return {frozenset(some) for some in self._cluster.values()}

    def _order(self, link: Link, now: int) -> tuple[bool, int, int, Link]:
        stamped = self._links[link]
        return stamped != now, sum(self._namespaces[key][0] for key, _ in link), -stamped, link

    def _unite(self, link: Link) -> None:
        one, other = (self._cluster[end] for end in link)
        if one is other:
            return
        unique = [key for key, _ in one | other if self._namespaces[key][1]]
        if len(unique) > len(set(unique)):
            del self._links[link]
            return
        one |= other
        for member in other:
            self._cluster[member] = one


PERSON: Namespaces
LAYERED: Namespaces
CONTACTS: Namespaces
PERSON, LAYERED, CONTACTS = (
    {"CRMID": (1, True), "ECID": (2, False)},
    {"CRMID": (1, True), "loginID": (2, False), "ECID": (3, False)},
    {"CRMID": (1, True), "Email": (2, True), "Phone": (3, True), "ECID": (4, False)},
)
VISITS: dict[str, tuple[Namespaces, Sequence[Sequence[str]]]] = {
    "person": (PERSON, (("CRMID", "ECID"), ("ECID",))),
    "layered": (LAYERED, (("CRMID", "loginID"), ("loginID", "ECID"), ("CRMID", "ECID"))),
    "contacts": (
        CONTACTS,
        (("CRMID", "Email"), ("CRMID", "Email", "Phone"), ("CRMID", "ECID"), ("Email", "ECID")),
    ),
}
"""What events of a site carry together: log-ins, profiles, guests."""


def visit(kind: str, events: int, chance: random.Random) -> Case:
    """A case of three people on three devices, in no order."""
    namespaces, carried = VISITS[kind]
    drawn = (chance.choice(carried) for _ in range(events))
    steps = [
        {"t": t, "op": "event", "ids": [[key, chance.choice("abc")] for key in keys]}
        for t, keys in enumerate(drawn)
    ]
    config = [
        {"key": key, "priority": priority, "unique": unique, "kind": "any"}
        for key, (priority, unique) in namespaces.items()
    ]
    return {
        "system": "adobe_linking_rules",
        "policy": "",
        "config": {"namespaces": config},
        "steps": steps,
        "expect": {},
    }


def by_their_rule(case: Case) -> set[frozenset[Pair]]:
    """What a case comes to by Adobe's rule."""
    rows = case["config"]["namespaces"]
    events = [[(key, value) for key, value in step["ids"]] for step in case["steps"]]
    namespaces = {key: (UNDECLARED, False) for event in events for key, _ in event}
    namespaces |= {row["key"]: (row["priority"], row["unique"]) for row in rows}
    return Linking(namespaces).clusters(events)


def differing(kind: str, events: int, cases: int) -> int:
    """How many of so many random cases come out otherwise under our preset; the same each run."""
    chance = random.Random(f"{kind} {events}")
    drawn = (visit(kind, events, chance) for _ in range(cases))
    return sum(by_their_rule(case) != _by_our_preset(case) for case in drawn)


def _by_our_preset(case: Case) -> set[frozenset[Pair]]:
    return {frozenset((one.key, one.value) for one in some) for some in clusters(play(case))}
