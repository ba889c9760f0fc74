"""What an erasure leaves of a fact (RESOLUTION.md §8): all of it, nothing, or the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .identity import Fact, Identity, Kind
from .policy import Policy


def named(fact: Fact, policy: Policy) -> Identity | None:
    """The identity that ``distinct_id`` names, where the law asks for it: as the purpose of a
    login, as the claimant of an unbind."""
    return policy.named_by(fact.distinct_id) if fact.kind in (Kind.LOGIN, Kind.UNBIND) else None


def carried(fact: Fact, policy: Policy) -> tuple[Identity, ...]:
    """Every identity that a fact is about."""
    about = named(fact, policy)
    return fact.identities if about is None else (*fact.identities, about)


def without(fact: Fact, erased: Mapping[Identity, bool], policy: Policy) -> Fact | None:
    """The fact as it may stay once these identities are erased; itself where it carries none.

    None: it goes as a whole, because its strongest identity is erased, or the one that it names,
    or one of which the value says that all facts with it go. Else it is somebody else's, who only
    was seen with the identity (on a phone that both use, say): it stays without it. The answer
    depends on nothing but the fact, so that it is the same before and after it was stored.
    """
    if named(fact, policy) in erased:
        return None
    hit = [identity for identity in fact.identities if identity in erased]
    if not hit:
        return fact
    if any(erased[identity] for identity in hit) or _strongest(fact, policy) in erased:
        return None
    rest = tuple(identity for identity in fact.identities if identity not in erased)
    return replace(fact, identities=rest)


def _strongest(fact: Fact, policy: Policy) -> Identity:
    """The first identity that links; where none does, the first of all."""
    linking = policy.effective(fact.identities)
    return linking[0] if linking else min(fact.identities)
