"""Random policies and histories: few identities and few times, so that much goes wrong at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from idweave.core.identity import LOGIN_KEY, Fact, Identity, Kind
from idweave.core.policy import (
    KeyRule,
    Merge,
    Policy,
    Rebind,
    Unbind,
    WhenCrowded,
    WhenFull,
    WhenTaken,
)

Item = TypeVar("Item")

UNION, TEMPLATE = "union", "app_{appid}_openid"
OPENIDS = ("app_x_openid", "app_y_openid")
DEVICE, PAGE, OFF = "device", "page", "off"
KEYS = (LOGIN_KEY, UNION, *OPENIDS, DEVICE, PAGE, OFF)
PARENTS = {UNION: LOGIN_KEY, TEMPLATE: UNION, PAGE: DEVICE}
"""What each key may have as parent; with all of them a chain of three."""

VALUES = ("a", "b", "c")
BLOCKED = "junk"


class World(NamedTuple):
    """A policy and facts, each event once, in no order."""

    policy: Policy
    facts: list[Fact]


def rules(key: str) -> st.SearchStrategy[KeyRule]:
    """Any rule for a key."""
    return st.builds(
        KeyRule,
        st.just(key),
        rank=st.integers(0, 3),
        values_max=st.sampled_from([1, 1, 2, 3]),
        implied_max=st.sampled_from([None, None, 1, 2]),
        when_full=st.sampled_from(WhenFull),
        when_taken=st.sampled_from(WhenTaken),
        conflicts_max=st.sampled_from([None, None, 1, 2]),
        when_crowded=st.sampled_from(WhenCrowded),
        parent=st.sampled_from([None, PARENTS[key]]) if key in PARENTS else st.none(),
        follows=st.sampled_from([False, False, True]),
        enabled=st.just(key != OFF),
        blocked=st.sampled_from([frozenset(), frozenset({BLOCKED})]),
    )


def identities(values: Sequence[str] = (*VALUES, BLOCKED)) -> st.SearchStrategy[Identity]:
    """Any identity of the keys above."""
    return st.builds(Identity, st.sampled_from(KEYS), st.sampled_from(values))


_pairs = st.lists(identities(VALUES), min_size=2, max_size=2, unique=True).map(tuple)

policies: st.SearchStrategy[Policy] = st.builds(
    Policy,
    st.tuples(*(rules(key) for key in (LOGIN_KEY, UNION, TEMPLATE, DEVICE, PAGE, OFF))),
    merge=st.sampled_from([Merge.ANY, *Merge]),
    rebind=st.sampled_from(Rebind),
    unbind=st.sampled_from([Unbind.APPLY, *Unbind]),
    apart=st.one_of(st.just(()), st.lists(_pairs, max_size=2).map(tuple)),
)

_times = st.integers(1_000, 1_003) | st.integers(1_000, 1_030)
_kinds = st.sampled_from([*[Kind.OBSERVE] * 4, *[Kind.LOGIN, Kind.BIND] * 2, *Kind])


@st.composite
def facts(draw: st.DrawFn, number: int) -> Fact:
    """Any fact; what its ``distinct_id`` names is often one of its own identities."""
    carried = draw(st.lists(identities(), min_size=1, max_size=4))
    named = draw(st.sampled_from(carried) | identities())
    plain = st.just(named.value) | st.none()
    distinct_id = draw(st.one_of(st.just(f"{named.key}+{named.value}"), plain))
    return Fact(draw(_times), f"e{number:02}", draw(_kinds), tuple(carried), distinct_id)


@st.composite
def worlds(draw: st.DrawFn, facts_max: int = 24) -> World:
    """A policy and a history under it."""
    amount = draw(st.integers(1, facts_max))
    return World(draw(policies), [draw(facts(number)) for number in range(amount)])


def shuffled(items: Sequence[Item], chance: random.Random) -> list[Item]:
    """The items in another order."""
    return chance.sample(items, len(items))


def cut(items: Sequence[Item], chance: random.Random) -> list[list[Item]]:
    """The items cut into batches anywhere."""
    batches, rest = [], list(items)
    while rest:
        size = chance.randint(1, min(len(rest), 8))
        batches.append(rest[:size])
        rest = rest[size:]
    return batches
