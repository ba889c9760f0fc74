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
DEVICE, PAGE, OFF, PHONE = "device", "page", "off", "phone"
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
def small_worlds(draw: st.DrawFn, facts_max: int = 24) -> World:
    """A policy and a history under it, of few identities."""
    amount = draw(st.integers(1, facts_max))
    return World(draw(policies), [draw(facts(number)) for number in range(amount)])


KIOSK, TABLET = Identity(DEVICE, "kiosk"), Identity(DEVICE, "tablet")
SHARED = [*[KIOSK] * 5, TABLET, Identity(PHONE, "000")]
PEOPLE = 25


def _crowding_policies() -> st.SearchStrategy[Policy]:
    """One account a user; devices and phones that soon become crowded."""
    crowds = st.builds(
        KeyRule,
        st.just(DEVICE),
        rank=st.integers(0, 2),
        values_max=st.sampled_from([1, 2, 9]),
        when_full=st.sampled_from(WhenFull),
        when_taken=st.sampled_from(WhenTaken),
        conflicts_max=st.integers(1, 3),
        when_crowded=st.sampled_from(WhenCrowded),
        follows=st.sampled_from([False, False, True]),
    )
    phones = st.builds(
        KeyRule,
        st.just(PHONE),
        rank=st.integers(0, 2),
        values_max=st.sampled_from([1, 1, 3]),
        implied_max=st.sampled_from([None, None, 1]),
        when_taken=st.sampled_from(WhenTaken),
        conflicts_max=st.sampled_from([None, 1]),
        when_crowded=st.sampled_from(WhenCrowded),
        follows=st.sampled_from([False, False, True]),
        parent=st.sampled_from([None, LOGIN_KEY]),
    )
    return st.builds(
        lambda *keys, **switches: Policy((KeyRule(LOGIN_KEY, rank=1), *keys), **switches),
        crowds,
        phones,
        merge=st.sampled_from([Merge.ANY, Merge.ANY, *Merge]),
        rebind=st.sampled_from(Rebind),
    )


def _visit(chance: random.Random, number: int) -> Fact:
    """Somebody at a shared device, or at their own; now and then a fact that ends something."""
    who = chance.randrange(PEOPLE)
    person, own = Identity(LOGIN_KEY, f"user {who}"), Identity(DEVICE, f"device {who}")
    shared = chance.sample(SHARED, chance.choice([1, 1, 1, 2]))
    both = [KIOSK, chance.choice([TABLET, own])]
    carried = chance.choice([[person, *shared], [person, *shared], both, [person, own], both[1:]])
    carried += [Identity(DEVICE, "device 0")] if chance.random() < 0.05 else []
    common = [Kind.OBSERVE, Kind.LOGIN, Kind.BIND]
    kind = chance.choice([*common] if chance.random() < 0.9 else [*Kind])
    carried = [chance.choice(carried)] if chance.random() < 0.1 else carried
    named = chance.choice(carried)
    identities = tuple(dict.fromkeys(carried))
    time_ms = 1_000 + chance.randrange(60)
    return Fact(time_ms, f"e{number:02}", kind, identities, f"{named.key}+{named.value}")


@st.composite
def kiosks(draw: st.DrawFn, facts_max: int = 50) -> World:
    """Many people at few devices."""
    chance, amount = random.Random(draw(st.integers(0, 1 << 32))), draw(st.integers(5, facts_max))
    return World(draw(_crowding_policies()), [_visit(chance, number) for number in range(amount)])


def worlds(facts_max: int = 24) -> st.SearchStrategy[World]:
    """A policy and a history under it: of few identities, or of a crowd at few devices."""
    small = small_worlds(facts_max)
    return st.one_of(small, small, small, kiosks(2 * facts_max))


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
