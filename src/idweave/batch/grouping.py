"""Which shapes can matter to each other, and where the order of facts does (RESOLUTION.md §7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from idweave.core.evidence import naming
from idweave.core.identity import ENDING_KINDS, Identity, Kind
from idweave.core.policy import Merge, Policy

from .said import NOTHING, Flags, Identities, Ints, Longs, Said, Shapes


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups by number: that of each identity, of each shape, and which are contested. ``named``
    is the identity that the ``distinct_id`` of an unbind names, -1 elsewhere."""

    of_identity: Ints
    of_shape: Ints
    contested: Flags
    named: Ints

    def __len__(self) -> int:
        return len(self.contested)


def with_named(said: Said, policy: Policy) -> tuple[Said, Ints]:
    """The same with an identity for whatever the ``distinct_id`` of an unbind names, and which."""
    shapes, named = said.shapes, np.full(len(said.shapes), NOTHING, np.int32)
    unbinds = np.flatnonzero(shapes.kinds == Kind.UNBIND)
    wanted: dict[Identity, list[int]] = {}
    texts = shapes.distinct_ids.take(unbinds).to_pylist()
    for number, text in zip(unbinds.tolist(), texts, strict=True):
        identity = policy.named_by(naming(text, policy) if text else None)
        if identity is not None and policy.links(identity):
            wanted.setdefault(identity, []).append(number)
    if not wanted:
        return said, named
    identities, numbers = _with(said.identities, list(wanted))
    for number, places in zip(numbers, wanted.values(), strict=True):
        named[places] = number
    return Said(identities, shapes, said.events), named


def _with(identities: Identities, more: list[Identity]) -> tuple[Identities, list[int]]:
    """The identities and those of ``more`` that are not among them; the numbers of ``more``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = dict.fromkeys(more, NOTHING)
    is_value = pc.is_in(identities.values, pa.array(list({one.value for one in more})))
    likely = np.flatnonzero(is_value.to_numpy(zero_copy_only=False))
    for number, identity in zip(likely.tolist(), identities.of(likely), strict=True):
        if identity in numbers:
            numbers[identity] = number
    missing = [identity for identity, number in numbers.items() if number == NOTHING]
    keys = {key: place for place, key in enumerate(identities.keys)}
    added = np.array([keys.setdefault(one.key, len(keys)) for one in missing], np.int32)
    for number, identity in enumerate(missing, len(identities)):
        numbers[identity] = number
    values = pa.array([one.value for one in missing], identities.values.type)
    key = np.concatenate((identities.key, added))
    grown = Identities(tuple(keys), key, pa.concat_arrays([identities.values, values]))
    return grown, [numbers[identity] for identity in more]


def group(said: Said, named: Ints, policy: Policy) -> Groups:
    """Groups of what was said; ``named`` as :func:`with_named` found it."""
    shapes, count = said.shapes, len(said.identities)
    firsts = shapes.firsts()
    of_identity, groups = _components(shapes, named, count)
    of_shape = np.where(firsts >= 0, of_identity[firsts], np.int32(NOTHING))
    contested = _overfull(said.identities, of_identity, policy)
    contested[of_shape[_contests(shapes, policy) & (firsts >= 0)]] = True
    for one, other in _apart(said.identities, policy):
        if of_identity[one] == of_identity[other]:
            contested[of_identity[one]] = True
    assert len(contested) >= groups
    return Groups(of_identity, of_shape, contested, named)


def _components(shapes: Shapes, named: Ints, count: int) -> tuple[Ints, int]:
    """The group of each identity: those that share a shape, and what an unbind names, are one."""
    firsts = shapes.firsts()
    from_, to = firsts[shapes.of_members()], shapes.members
    is_link = from_ != to
    is_named = (named >= 0) & (firsts >= 0)
    rows = np.concatenate((from_[is_link], firsts[is_named]))
    columns = np.concatenate((to[is_link], named[is_named]))
    ones = np.ones(len(rows), np.int8)
    edges = coo_array((ones, (rows, columns)), shape=(count, count)).tocsr()
    groups, labels = connected_components(edges, directed=False)
    return labels.astype(np.int32), int(groups)


def _contests(shapes: Shapes, policy: Policy) -> Flags:
    """Which shapes alone make their group one where order matters."""
    found = np.isin(shapes.kinds, [int(kind) for kind in ENDING_KINDS])
    if policy.merge is not Merge.ANY:
        found |= shapes.sizes > 1
    return found


def _overfull(identities: Identities, of_identity: Ints, policy: Policy) -> Flags:
    """Which groups hold more values of a key than any fact may bring together."""
    groups = int(of_identity.max(initial=-1)) + 1
    rules = [policy.rule(key) for key in identities.keys]
    limits = np.array([0 if rule is None else rule.limit(Kind.OBSERVE) for rule in rules], np.int64)
    contested = np.zeros(groups, np.bool_)
    for key, limit in enumerate(limits.tolist()):
        holders: Longs = np.bincount(of_identity[identities.key == key], minlength=groups)
        contested |= holders > limit
    return contested


def _apart(identities: Identities, policy: Policy) -> list[tuple[int, int]]:
    """The pairs kept apart of which both were seen."""
    wanted = [one for pair in policy.apart for one in pair]
    if not wanted:
        return []
    grown, numbers = _with(identities, list(dict.fromkeys(wanted)))
    known = dict(zip(dict.fromkeys(wanted), numbers, strict=True))
    pairs = [(known[one], known[other]) for one, other in policy.apart]
    return [pair for pair in pairs if max(pair) < len(identities)] if len(grown) else []
