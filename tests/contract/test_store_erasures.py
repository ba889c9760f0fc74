"""What stores forget by an erasure, and what they remember of it: the same in every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idweave.core.errors import StoreError
from idweave.ports import Changes, Erased, OperatorRow, Suppressed, is_erased
from idweave.stores import OpenStore

from .rows import P, Q, event, identity, known, payload, user

KEY = b"k" * 32
ROWS = (Suppressed(Q, b"b" * 16, 5, whole=False), Suppressed(P, b"a" * 16, None, whole=True))
ERASURE = OperatorRow(3, P, "erase", (), "", 5, "ann", "why", 7, counts=(("events", 2),))


def erased_in(store: OpenStore) -> Erased:
    with store.reader() as reader:
        return reader.erased()


def test_nothing_is_remembered_before_the_first_erasure(store: OpenStore) -> None:
    assert erased_in(store) == Erased()


def test_what_is_remembered_comes_in_order_and_the_first_key_stays(store: OpenStore) -> None:
    store.commit(Changes(erased=Erased(KEY, (ROWS[1],), ((Q, 7), (P, 9)))))
    store.commit(Changes(erased=Erased(b"other", (ROWS[0],), ((P, 3),))))
    assert erased_in(store) == Erased(KEY, ROWS, ((Q, 7), (P, 3), (P, 9)))


def test_what_is_remembered_again_replaces_what_was(store: OpenStore) -> None:
    store.commit(Changes(erased=Erased(KEY, ROWS)))
    store.commit(Changes(erased=Erased(KEY, (replace(ROWS[0], until_ms=None, whole=True),))))
    assert erased_in(store).suppressed == (replace(ROWS[0], until_ms=None, whole=True), ROWS[1])


def test_an_erased_name_leads_to_nobody_whatever_the_same_commit_says_of_it(
    store: OpenStore,
) -> None:
    store.commit(Changes(users=[(P, user(11)), (P, user(12))]))
    store.commit(Changes(users=[(P, user(11))], erased=Erased(KEY, (), ((P, 11),))))
    with store.reader() as reader:
        row = reader.user(P, 11)
        assert row is not None
        assert is_erased(row)
        assert (row.merged_into, row.gone) == (None, True)
        assert [one.name for one in reader.users(P)] == [12]
        assert reader.tallies(P)[0] == 1
    assert store.find_users(P, [11])[11].founder.event_id == ""


def test_payloads_come_by_number_and_are_edited_or_dropped(store: OpenStore) -> None:
    store.commit(Changes(payloads=[payload(2, b"two"), payload(1, b"one"), payload(3, b"three")]))
    store.commit(Changes(dropped_payloads=[1], edited_payloads=[(3, b"else")]))
    with store.reader() as reader:
        found = [(row.payload_id, row.body) for row in reader.payloads()]
    assert found == [(2, b"two"), (3, b"else")]


def test_ids_of_untimed_events_are_forgotten_before_others_come(store: OpenStore) -> None:
    store.commit(Changes(untimed=[(P, event(1)), (P, event(2)), (Q, event(1))]))
    store.commit(Changes(dropped_untimed=[(P, event(1)), (P, event(9))], untimed=[(P, event(3))]))
    wanted = [event(1), event(2), event(3)]
    assert store.seen_untimed(P, wanted) == {event(2), event(3)}
    assert store.seen_untimed(Q, wanted) == {event(1)}


def test_operator_facts_are_dropped_by_number_and_an_erasure_keeps_its_counts(
    store: OpenStore,
) -> None:
    block = OperatorRow(1, P, "block", (identity(1),), "", None, "ann", "why", 7)
    store.commit(Changes(operators=[block, replace(block, operator_id=2)]))
    store.commit(Changes(dropped_operators=[1], operators=[ERASURE]))
    with store.reader() as reader:
        assert reader.operators(P) == [replace(block, operator_id=2), ERASURE]


def test_an_erasure_that_fails_forgets_and_remembers_nothing(store: OpenStore) -> None:
    store.commit(Changes(payloads=[payload(1, b"one")], users=[(P, user(11))]))
    store.commit(known(1))
    failing = known(1)  # an identity that is there already
    failing.dropped_payloads = [1]
    failing.erased = Erased(KEY, ROWS, ((P, 11),))
    with pytest.raises(StoreError):
        store.commit(failing)
    assert erased_in(store) == Erased()
    with store.reader() as reader:
        assert [row.body for row in reader.payloads()] == [b"one"]


def test_a_store_that_was_scrubbed_works_on(store: OpenStore) -> None:
    store.commit(Changes(payloads=[payload(1, b"one"), payload(2, b"two")]))
    erasure = Changes(dropped_payloads=[1], erased_identities=[(P, identity(1))])
    erasure.erased = Erased(KEY)
    store.commit(erasure)
    store.scrub()
    store.commit(Changes(payloads=[payload(3, b"three")]))
    with store.reader() as reader:
        assert [row.payload_id for row in reader.payloads()] == [2, 3]
