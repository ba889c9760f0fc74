"""Policies: which rules apply to which key (RESOLUTION.md §3). Data, not code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from .identity import LOGIN_KEY, Identity, Kind


class WhenFull(StrEnum):
    """A user already holds as many values as it may: refuse the new one, let the oldest leave, or
    let it leave only for a fact whose anchor that user holds."""

    REJECT = "reject"
    REPLACE = "replace"
    RENEW = "renew"


class WhenTaken(StrEnum):
    """The identity is another user's and the two cannot merge: it stays, or it moves here."""

    KEEP = "keep"
    MOVE = "move"


class WhenCrowded(StrEnum):
    """Too many users asked for it: it stays where it is, or it leaves its owner."""

    FREEZE = "freeze"
    QUARANTINE = "quarantine"


class Merge(StrEnum):
    """Which facts may merge two existing users."""

    ANY = "any"
    EXPLICIT = "explicit"
    NEVER = "never"


class Rebind(StrEnum):
    """Does an unbound identity need a purpose to come back, or does any fact do."""

    EXPLICIT = "explicit"
    ANY = "any"


class Unbind(StrEnum):
    """Do unbind facts act on the graph."""

    APPLY = "apply"
    IGNORE = "ignore"


class FactsFrom(StrEnum):
    """How records become facts: by their identities, or by ``distinct_id`` (simple schemes)."""

    IDENTITIES = "identities"
    DISTINCT_ID = "distinct_id"


class Normalise(StrEnum):
    """How a value is rewritten before it is compared; nothing else ever changes a value."""

    NONE = "none"
    EMAIL = "email"
    PHONE = "phone"


JUNK_VALUES = frozenset(
    {"", "null", "nil", "none", "undefined", "nan", "unknown", "0", "-1", "-", "true", "false"}
    | {"[object object]", "9774d56d682e549c", "0123456789abcdef"}
)
"""Values that name nobody, lower case: what broken clients send instead of an identifier."""

_ONLY_ZEROS_AND_DASHES = re.compile(r"[0-]+\Z")

_BIND, _OBSERVE = Kind.BIND, Kind.OBSERVE  # looked up once: slow in Python 3.11

RULES_CACHED_MAX = 10_000
"""Concrete keys whose rule is remembered. Clients can invent appids; memory must not follow."""

SETS_CACHED_MAX = 4_096
"""Identity sets whose worth is remembered: the records of a request share one to three, so a few
seconds' senders are enough."""


def is_junk(value: str) -> bool:
    """Whether a value is one that broken clients send for everybody (PROTOCOL.md §5)."""
    return value.lower() in JUNK_VALUES or _ONLY_ZEROS_AND_DASHES.match(value) is not None


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What the project declared for one key. ``key`` may hold ``{appid}`` or ``{corpid}``."""

    key: str
    rank: int = 10
    values_max: int = 1
    implied_max: int | None = None
    when_full: WhenFull = WhenFull.REJECT
    when_taken: WhenTaken = WhenTaken.KEEP
    conflicts_max: int | None = None
    when_crowded: WhenCrowded = WhenCrowded.FREEZE
    parent: str | None = None
    follows: bool = False
    enabled: bool = True
    blocked: frozenset[str] = frozenset()
    blocked_junk: bool = False
    normalise: Normalise = Normalise.NONE

    def limit(self, kind: Kind) -> int:
        """How many values a fact of this kind may bring together: ``values_max``, and for others
        than a bind no more than ``implied_max``."""
        if self.implied_max is None or kind is _BIND:
            return self.values_max
        return min(self.implied_max, self.values_max)

    def blocks(self, value: str) -> bool:
        """Whether this value is evidence of nobody: listed (without case), or junk."""
        if self.blocked and value.casefold() in self.blocked:
            return True
        return self.blocked_junk and is_junk(value)


_PLACEHOLDER = re.compile(r"\\\{(appid|corpid)\\\}")


def template_pattern(key: str) -> re.Pattern[str] | None:
    """The pattern of a templated key, or None for a literal one."""
    pattern, holes = _PLACEHOLDER.subn(r"(?P<\1>[A-Za-z0-9_-]+)", re.escape(key))
    return re.compile(pattern + r"\Z") if holes else None


@dataclass(frozen=True)
class Policy:
    """The rules of one project: key rules, switches, and pairs kept apart."""

    keys: tuple[KeyRule, ...]
    name: str = "unnamed"
    merge: Merge = Merge.ANY
    rebind: Rebind = Rebind.EXPLICIT
    unbind: Unbind = Unbind.APPLY
    facts_from: FactsFrom = FactsFrom.IDENTITIES
    apart: tuple[tuple[Identity, Identity], ...] = ()
    blocked: frozenset[Identity] = frozenset()
    """What operators blocked (RESOLUTION.md §8), beside what key rules block by value."""
    _rules: dict[str, KeyRule | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _effective: dict[tuple[Identity, ...], tuple[Identity, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def rule(self, key: str) -> KeyRule | None:
        """The rule of a concrete key, with that key in it; None when no rule declares it.

        A literal key wins over a template; the first template that matches wins over later ones.
        """
        try:
            return self._rules[key]
        except KeyError:
            found = self._find_rule(key)
            if len(self._rules) >= RULES_CACHED_MAX:
                self._rules.clear()
            self._rules[key] = found
            return found

    def _find_rule(self, key: str) -> KeyRule | None:
        if key in self._literal:
            return self._literal[key]
        for pattern, rule in self._templates:
            match = pattern.match(key)
            if match:
                parent = rule.parent
                for name, text in match.groupdict().items():
                    parent = parent.replace("{" + name + "}", text) if parent else None
                return replace(rule, key=key, parent=parent)
        return None

    @cached_property
    def _literal(self) -> dict[str, KeyRule]:
        return {rule.key: rule for rule in self.keys if template_pattern(rule.key) is None}

    @cached_property
    def _templates(self) -> list[tuple[re.Pattern[str], KeyRule]]:
        paired = ((template_pattern(rule.key), rule) for rule in self.keys)
        return [(pattern, rule) for pattern, rule in paired if pattern is not None]

    @cached_property
    def has_followers(self) -> bool:
        """Whether any key goes along with others."""
        return any(rule.follows for rule in self.keys)

    @cached_property
    def apart_from(self) -> dict[Identity, frozenset[Identity]]:
        """For each identity of an apart pair, the identities it never shares a user with."""
        partners: dict[Identity, set[Identity]] = {}
        for one, other in self.apart:
            partners.setdefault(one, set()).add(other)
            partners.setdefault(other, set()).add(one)
        return {identity: frozenset(others) for identity, others in partners.items()}

    def links(self, identity: Identity) -> bool:
        """Whether this identity is evidence at all: declared, enabled, not blocked."""
        rule = self.rule(identity.key)
        if rule is None or not rule.enabled or identity in self.blocked:
            return False
        return not rule.blocks(identity.value)

    def fit_one_user(self, identities: Iterable[Identity]) -> bool:
        """Whether one user may hold all of these (each given once), whatever kind of fact brings
        them together: of such identities alone a group is one user (RESOLUTION.md §7)."""
        counts: dict[str, int] = {}
        for identity in identities:
            counts[identity.key] = counts.get(identity.key, 0) + 1
        rules = ((self.rule(key), count) for key, count in counts.items())
        return all(rule is not None and count <= rule.limit(_OBSERVE) for rule, count in rules)

    def effective(self, identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
        """The identities that count, each once, strongest first: by rank, then key, then value."""
        found = self._effective.get(identities)
        if found is None:
            if len(self._effective) >= SETS_CACHED_MAX:
                self._effective.clear()
            found = self._effective[identities] = self._ranked(identities)
        return found

    def _ranked(self, identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
        ranked = []
        for identity in set(identities):
            rule = self.rule(identity.key)
            if rule is None or not rule.enabled or identity in self.blocked:
                continue
            if not rule.blocks(identity.value):
                ranked.append((rule.rank, identity))
        ranked.sort()
        return tuple(identity for _, identity in ranked)

    def named_by(self, distinct_id: str | None) -> Identity | None:
        """The identity that a ``distinct_id`` names: ``key+value`` where the part before the
        first ``+`` is a declared key, else a value of ``$identity_login_id``."""
        if not distinct_id:
            return None
        key, plus, value = distinct_id.partition("+")
        if plus and self.rule(key) is not None:
            return Identity(key, value)
        return Identity(LOGIN_KEY, distinct_id)
