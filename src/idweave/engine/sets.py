"""Identity sets: what a fact is seen under, and which identities tie it to a group."""

from __future__ import annotations

from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.ports import SetKey


def links(key: SetKey) -> tuple[Identity, ...]:
    """The identities that tie a set to its group: its own, and the one an unbind names."""
    if key.named is None or key.named in key.identities:
        return key.identities
    return (*key.identities, key.named)


def set_key(fact: Fact, policy: Policy) -> SetKey:
    """The identity set that a fact is seen under. What ``distinct_id`` names is part of it where
    the law asks for it: as the claimant of an unbind, as the purpose of a login."""
    identities = policy.effective(fact.identities)
    if not identities or fact.kind not in (Kind.UNBIND, Kind.LOGIN):
        return SetKey(identities)
    named = policy.named_by(fact.distinct_id)
    if named is None or not policy.links(named):
        return SetKey(identities)
    if fact.kind is Kind.LOGIN and named not in identities:
        return SetKey(identities)
    return SetKey(identities, named)
