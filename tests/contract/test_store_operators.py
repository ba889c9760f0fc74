"""What stores forget to tell it again, and what operators stated: the same in every store."""

from __future__ import annotations

from dataclasses import replace

from idweave.core.identity import Identity
from idweave.ports import (
    Changes,
    GroupRow,
    OperatorRow,
    SetKey,
    Sighting,
)
from idweave.stores import OpenStore

from .rows import (
    P,
    Q,
    entry,
    event,
    identity,
    known,
    order,
    payload,
    refusal,
    sighting,
    stay,
    user,
    with_sets,
)

JOIN = OperatorRow(1, P, "join", (identity(1), identity(2)), event(9), 5, "ann", "why", 7)
BLOCK = OperatorRow(2, Q, "block", (Identity("k", "张三\n"),), "", None, "bea", "junk", 8)


def two_groups() -> Changes:
    """Group 1 with identities 1 and 2, group 2 with identity 3; all that may hang on them."""
    changes = known(1, 2, group=1, owner=11)
    changes.new_identities += known(3, group=2, owner=12).new_identities
    with_sets(changes, (1, 2), (3,))
    changes.new_sets.append((P, 3, SetKey(()), ()))
    changes.groups += [(P, GroupRow(group, True, 1, None, 0)) for group in (1, 2)]
    changes.payloads.append(payload(1))
    changes.sightings += [sighting(1, 10), sighting(2, 20), sighting(3, 30, 31), sighting(3, 40)]
    changes.users += [(P, user(11)), (P, user(12))]
    changes.stays += [(P, stay(11, 1, 5)), (P, stay(12, 3, 5))]
    changes.refusals += [(P, refusal(11, 2, order(10))), (P, refusal(12, 3, order(10)))]
    return changes


def test_a_dropped_group_takes_all_that_hangs_on_it_and_nothing_else(store: OpenStore) -> None:
    store.commit(two_groups())
    store.commit(Changes(dropped_groups=[1]))
    with store.reader() as reader:
        assert reader.groups(P) == [2]
        assert reader.identity(P, identity(1)) is None
        assert reader.identity(P, identity(3)) is not None
        assert {seen.set_id for seen in reader.log()} == {2, 3}
        assert reader.stays(P, [11, 12]) == [stay(12, 3, 5)]
        assert [row.home for row in reader.refusals(P, None, 0, 9)] == [12]
        assert reader.user(P, 11) == user(11)
        assert reader.payload(1) is not None
        assert reader.set_members(1) == []
    assert set(store.find_groups([1, 2])) == {2}


def test_what_is_dropped_can_come_again_in_the_same_commit(store: OpenStore) -> None:
    store.commit(two_groups())
    again = with_sets(known(1, 2, group=5, owner=11), (1, 2))
    again.dropped_groups.append(1)
    again.sightings.append(sighting(1, 11))
    store.commit(again)
    with store.reader() as reader:
        assert reader.groups(P) == [2, 5]
        assert [seen.entries for _, seen in reader.told(5)] == [(entry(11, 11),)]


def test_a_sighting_is_dropped_by_its_very_entries(store: OpenStore) -> None:
    store.commit(two_groups())
    store.commit(Changes(dropped_sightings=[sighting(3, 40), sighting(3, 30)]))
    with store.reader() as reader:
        assert reader.unlinked(P) == [sighting(3, 30, 31)]


def test_an_event_is_found_whatever_its_id_looks_like(store: OpenStore) -> None:
    changes = two_groups()
    named = Sighting(1, 1, (entry(50, 50)._replace(event_id='a "b" 张'), entry(51, 51)))
    changes.sightings.append(named)
    store.commit(changes)
    key = SetKey((identity(1), identity(2)))
    with store.reader() as reader:
        assert reader.find_event(P, 'a "b" 张') == [(key, named)]
        assert reader.find_event(P, event(51)) == [(key, named)]
        assert reader.find_event(P, event(30)) == [(SetKey(()), sighting(3, 30, 31))]
        assert reader.find_event(P, event(99)) == []
        assert reader.find_event(Q, event(30)) == []


def test_operator_facts_are_kept_and_replaced_by_number(store: OpenStore) -> None:
    store.commit(Changes(operators=[JOIN, BLOCK]))
    removed = replace(JOIN, removed_ms=9, removed_by="bea", removed_because="no")
    store.commit(Changes(operators=[removed]))
    with store.reader() as reader:
        assert reader.operators(None) == [removed, BLOCK]
        assert reader.operators(Q) == [BLOCK]
