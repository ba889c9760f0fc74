"""What every store promises (``idweave.ports``): the same sentences hold for each of them.

Here: every question finds what was written, in the order that the port says. What commits and
views promise is in ``test_store_commits.py``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from idweave.core.identity import Fact, Identity, Kind, Order
from idweave.ports import (
    Changes,
    Entry,
    GroupRow,
    HighMarks,
    IdentityRow,
    IdentityState,
    PayloadRow,
    Run,
    SetKey,
    SetRow,
    Sighting,
)
from idweave.stores import OpenStore
from tests.contract.rows import (
    P,
    Q,
    entry,
    event,
    identity,
    known,
    order,
    payload,
    refusal,
    rejection,
    sighting,
    state,
    stay,
    user,
    with_sets,
)

NAME_MAX = (1 << 63) - 1

# -- the writer's questions ------------------------------------------------------------------------


def test_an_empty_store_has_given_no_numbers(store: OpenStore) -> None:
    assert store.high_marks() == HighMarks(0, 0, 0, 0, 0)


def test_the_marks_are_the_largest_number_of_each_kind(store: OpenStore) -> None:
    changes = with_sets(known(7, 3), (), (7,))
    changes.payloads += [payload(9), payload(2)]
    changes.groups.append((P, GroupRow(4, False, 1, order(1), 1)))
    changes.rejections += [rejection(6), rejection(5)]
    store.commit(changes)
    assert store.high_marks() == HighMarks(9, 7, 2, 4, 6)


def test_the_number_of_a_settled_rejection_is_not_given_again(store: OpenStore) -> None:
    store.commit(Changes(rejections=[rejection(1), rejection(2)]))
    store.commit(Changes(settled_rejections=[1, 2]))
    assert store.high_marks().rejection == 2


def test_a_set_is_found_by_its_identities_in_their_order(store: OpenStore) -> None:
    store.commit(with_sets(known(1, 2, group=8), (1, 2)))
    one, two = identity(1), identity(2)
    key, turned, part = SetKey((one, two)), SetKey((two, one)), SetKey((one,))
    found = store.find_sets(P, [turned, key, part])
    assert found == {key: SetRow(1, 8, -1)}


def test_a_set_is_another_one_where_it_names_an_identity(store: OpenStore) -> None:
    one, two = identity(1), identity(2)
    plain, other, own = SetKey((one,)), SetKey((one,), two), SetKey((one,), one)
    changes = known(1, 2)
    changes.new_sets += [(P, 1, plain, (1,)), (P, 2, other, (1, 2)), (P, 3, own, (1,))]
    store.commit(changes)
    found = store.find_sets(P, [own, other, plain])
    assert {key: row.set_id for key, row in found.items()} == {plain: 1, other: 2, own: 3}


def test_a_set_without_identities_has_no_group(store: OpenStore) -> None:
    store.commit(with_sets(Changes(sightings=[sighting(1, 30)]), ()))
    assert store.find_sets(P, [SetKey(())]) == {SetKey(()): SetRow(1, None, 30)}


def test_a_set_knows_the_latest_time_of_all_its_sightings(store: OpenStore) -> None:
    changes = with_sets(known(1), (1,))
    changes.sightings += [sighting(1, 50, 90, 60), sighting(1, 20)]
    store.commit(changes)
    key = SetKey((identity(1),))
    assert store.find_sets(P, [key])[key].newest_ms == 90


def test_a_set_is_its_projects_own(store: OpenStore) -> None:
    changes = with_sets(known(1), (1,))
    changes.new_identities += known(2, project=Q).new_identities
    store.commit(changes)
    assert store.find_sets(Q, [SetKey((identity(1),))]) == {}


def test_an_identity_is_found_by_project_key_and_value(store: OpenStore) -> None:
    row = IdentityRow(1, Identity("mobile", "138"), 5)
    store.commit(Changes(new_identities=[(P, row, None)]))
    others = [Identity("email", "138"), Identity("mobile", "139"), Identity("MOBILE", "138")]
    assert store.find_identities(P, [*others, row.identity]) == {row.identity: row}
    assert store.find_identities(Q, [row.identity]) == {}


def test_projects_share_no_identity(store: OpenStore) -> None:
    changes = known(1)
    changes.new_identities.append((Q, IdentityRow(2, identity(1), 2), None))
    store.commit(changes)
    assert store.find_identities(Q, [identity(1)])[identity(1)].identity_id == 2


@pytest.mark.parametrize(
    "row",
    [
        GroupRow(3, False, 2, Order(5, Kind.BIND, event(9)), 7),
        GroupRow(3, False, 2, Order(5, Kind.BIND, "stated by hand"), 7),
        GroupRow(3, True, 12, None, 0),
    ],
)
def test_a_group_is_found_as_it_was_written(store: OpenStore, row: GroupRow) -> None:
    store.commit(Changes(groups=[(P, row)]))
    assert store.find_groups([3, 4]) == {3: row}


def test_a_group_that_is_written_again_replaces_the_old_one(store: OpenStore) -> None:
    row = GroupRow(3, False, 2, order(5), 7)
    store.commit(Changes(groups=[(P, row)]))
    later = replace(row, contested=True, founder=None, founder_set=0, size=4)
    store.commit(Changes(groups=[(P, later)]))
    assert store.find_groups([3]) == {3: later}


def test_names_are_found_with_their_founding_event_even_when_they_lead_on(
    store: OpenStore,
) -> None:
    store.commit(Changes(users=[(P, user(1)), (P, user(2, into=1)), (Q, user(3))], gone=[(P, 1)]))
    gone = replace(user(1), gone=True)
    assert store.find_users(P, [1, 2, 3, 4]) == {1: gone, 2: user(2, into=1)}


# -- groups unite ----------------------------------------------------------------------------------


def groups_of(store: OpenStore, *numbers: int) -> list[int]:
    found = store.find_identities(P, [identity(number) for number in numbers])
    return [found[identity(number)].group_id for number in numbers]


def test_a_union_moves_the_members_and_forgets_the_group(store: OpenStore) -> None:
    changes = known(1, group=1)
    changes.new_identities += known(2, 3, group=2).new_identities
    changes.groups += [(P, GroupRow(n, False, n, order(n), 1)) for n in (1, 2)]
    store.commit(changes)
    store.commit(Changes(joined_groups=[(1, 2)]))
    assert groups_of(store, 1, 2, 3) == [2, 2, 2]
    assert list(store.find_groups([1, 2])) == [2]
    assert sorted(row.identity_id for row in store.members(2)) == [1, 2, 3]
    assert store.members(1) == []


def test_unions_of_one_commit_happen_in_order(store: OpenStore) -> None:
    changes = known(1, group=3)
    changes.joined_groups += [(3, 2), (2, 1)]
    store.commit(changes)
    assert groups_of(store, 1) == [1]


def test_the_owner_of_a_group_reaches_what_the_same_commit_united(store: OpenStore) -> None:
    store.commit(known(1, group=1, owner=10))
    changes = known(2, group=2, owner=10)
    changes.joined_groups.append((1, 2))
    changes.group_owners.append((2, 20))
    store.commit(changes)
    with store.reader() as reader:
        assert reader.held(P, 20) == [state(1, 20), state(2, 20)]
        assert reader.held(P, 10) == []


def test_the_state_of_an_identity_wins_over_the_owner_of_its_group(store: OpenStore) -> None:
    store.commit(known(1, 2))
    lone = IdentityState(1, identity(1), None, 3, 70, 80)
    store.commit(Changes(group_owners=[(1, 10)], identities=[lone]))
    with store.reader() as reader:
        assert reader.identity(P, identity(1)) == lone
        assert reader.identity(P, identity(2)) == state(2, 10)
    assert groups_of(store, 1) == [1]


# -- facts and repeats -----------------------------------------------------------------------------


def test_the_facts_of_a_group_are_those_of_all_its_sets_and_no_items(store: OpenStore) -> None:
    changes = with_sets(known(1, 2), (1, 2), (2,))
    changes.new_identities += known(3, group=2).new_identities
    changes.new_sets.append((P, 3, SetKey((identity(3),)), (3,)))
    login, item = entry(20, 2, "track_signup"), entry(30, 3, "item_set")
    changes.sightings += [Sighting(1, 1, (entry(10, 1), login, item)), sighting(2, 40)]
    changes.sightings.append(sighting(3, 50))
    store.commit(changes)
    both, two = (identity(1), identity(2)), (identity(2),)
    assert sorted(store.facts(1), key=lambda found: found[2].order) == [
        (1, SetKey(both), Fact(10, event(1), Kind.OBSERVE, both)),
        (1, SetKey(both), Fact(20, event(2), Kind.LOGIN, both)),
        (2, SetKey(two), Fact(40, event(40), Kind.OBSERVE, two)),
    ]


@pytest.mark.parametrize(("named", "ids"), [(2, (1, 2)), (1, (1,))])
def test_what_a_set_names_is_the_distinct_id_of_its_facts(
    store: OpenStore, named: int, ids: tuple[int, ...]
) -> None:
    changes = known(*ids)
    key = SetKey((identity(1),), identity(named))
    changes.new_sets.append((P, 1, key, ids))
    changes.sightings.append(Sighting(1, 1, (entry(10, 1, "track_id_unbind"),)))
    store.commit(changes)
    name = f"{identity(named).key}+{identity(named).value}"
    fact = Fact(10, event(1), Kind.UNBIND, (identity(1),), name)
    assert list(store.facts(1)) == [(1, key, fact)]
    with store.reader() as reader:
        assert reader.set_members(1) == [state(1)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 9, []), (0, 10, [10, 30]), (20, 20, [10, 30]), (30, 99, [10, 30, 90]), (31, 89, [])],
)
def test_events_are_seen_in_sightings_that_overlap_a_time(
    store: OpenStore, low: int, high: int, expected: list[int]
) -> None:
    changes = with_sets(known(1), (1,), ())
    changes.sightings += [sighting(1, 30, 10), sighting(1, 90), sighting(2, 20)]
    store.commit(changes)
    assert store.seen(P, 1, low, high) == {event(time) for time in expected}


def test_untimed_events_are_their_projects_own(store: OpenStore) -> None:
    store.commit(Changes(untimed=[(P, event(1)), (P, "by hand"), (Q, event(2))]))
    asked = [event(1), event(2), "by hand", "by nobody"]
    assert store.seen_untimed(P, asked) == {event(1), "by hand"}
    assert store.seen_untimed("none", asked) == set()


# -- users, stays, refusals ------------------------------------------------------------------------


def test_nobody_is_known_by_a_name_or_identity_that_was_never_given(store: OpenStore) -> None:
    store.commit(Changes(users=[(P, user(1))], new_identities=known(1).new_identities))
    with store.reader() as reader:
        assert (reader.user(P, 2), reader.user(Q, 1)) == (None, None)
        assert (reader.identity(P, identity(2)), reader.identity(Q, identity(1))) == (None, None)
        assert (reader.payload(1), reader.last_stay(1), reader.seen_range(1)) == (None, None, None)
        assert (reader.set_members(1), reader.names_into(P, 1)) == ([], [])


def test_a_user_that_is_written_again_replaces_the_old_row(store: OpenStore) -> None:
    store.commit(Changes(users=[(P, user(1))]))
    store.commit(Changes(users=[(P, user(1, into=2))]))
    with store.reader() as reader:
        assert reader.user(P, 1) == user(1, into=2)


def test_a_gone_user_leads_nowhere_by_itself_and_a_name_never_given_cannot_go(
    store: OpenStore,
) -> None:
    store.commit(Changes(users=[(P, user(1, into=2)), (Q, user(1))], gone=[(P, 1), (P, 9)]))
    with store.reader() as reader:
        assert reader.user(P, 1) == replace(user(1), gone=True)
        assert (reader.user(P, 9), reader.user(Q, 1)) == (None, user(1))
        assert reader.names_into(P, 2) == []


def test_live_users_come_by_name(store: OpenStore) -> None:
    rows = [(P, user(n)) for n in (9, NAME_MAX, 4)]
    changes = Changes(users=[*rows, (P, user(5, into=4)), (P, user(6)), (Q, user(1))])
    changes.gone.append((P, 6))
    changes.new_identities += known(1, 2).new_identities
    store.commit(changes)
    with store.reader() as reader:
        assert [row.name for row in reader.users(P)] == [4, 9, NAME_MAX]
        assert reader.tallies(P) == (3, 2)


def test_names_that_lead_to_a_user_come_ascending_and_one_step_far(store: OpenStore) -> None:
    rows = [user(1), user(8, into=1), user(3, into=1), user(5, into=3)]
    store.commit(Changes(users=[*((P, row) for row in rows), (Q, user(2, into=1))]))
    with store.reader() as reader:
        assert reader.names_into(P, 1) == [3, 8]


def test_held_identities_come_by_key_and_value_in_code_points(store: OpenStore) -> None:
    names = [("b", "1"), ("a", "é"), ("a", "z"), ("a", "Z"), ("a", "\uffff"), ("a", "😀")]
    rows = [IdentityRow(n, Identity(*name), 1) for n, name in enumerate(names, 1)]
    store.commit(Changes(new_identities=[(P, row, 7) for row in rows]))
    with store.reader() as reader:
        held = [state.identity for state in reader.held(P, 7)]
        assert held == sorted(row.identity for row in rows)
        assert (reader.held(Q, 7), reader.held(P, 8)) == ([], [])


def test_users_with_the_most_identities_come_first_then_by_name(store: OpenStore) -> None:
    changes = known(1, 2, owner=30)
    for numbers, owner in (((3, 4), 20), ((5,), 10), ((6, 7, 8), None)):
        changes.new_identities += known(*numbers, owner=owner).new_identities
    changes.new_identities += known(9, owner=10, project=Q).new_identities
    store.commit(changes)
    with store.reader() as reader:
        assert reader.largest(P, 9) == [(20, 2), (30, 2), (10, 1)]
        assert reader.largest(P, 1) == [(20, 2)]


def test_stays_come_by_time_left_then_key_and_value(store: OpenStore) -> None:
    rows = [stay(1, 2, 50), stay(2, 1, 50), stay(1, 3, 50), stay(1, 1, 40, life=1), stay(3, 1, 9)]
    store.commit(
        Changes(new_identities=known(1, 2, 3).new_identities, stays=[(P, r) for r in rows])
    )
    with store.reader() as reader:
        by_identity = sorted(rows[:3], key=lambda row: row.identity)
        assert reader.stays(P, [2, 1]) == [rows[3], *by_identity]
        assert reader.stays(Q, [2, 1]) == []


def test_a_stay_that_is_not_so_any_more_is_forgotten_and_one_said_again_replaced(
    store: OpenStore,
) -> None:
    rows = [stay(1, 1, 10), stay(1, 1, 20, life=1), stay(2, 1, 30, life=2)]
    changes = Changes(stays=[(P, row) for row in rows])
    changes.new_identities += known(1).new_identities
    store.commit(changes)
    store.commit(Changes(ended_stays=[(P, 1, 1, 1)], stays=[(P, stay(1, 1, 15))]))
    with store.reader() as reader:
        assert reader.stays(P, [1, 2]) == [stay(1, 1, 15), rows[2]]


def test_the_last_stay_is_that_of_the_latest_life(store: OpenStore) -> None:
    rows = [stay(5, 1, 10), stay(6, 1, 30, life=2), stay(7, 1, 20, life=1), stay(8, 2, 99)]
    changes = Changes(stays=[(P, row) for row in rows])
    changes.new_identities += known(1, 2).new_identities
    store.commit(changes)
    with store.reader() as reader:
        assert reader.last_stay(1) == 6


REFUSED = [
    refusal(5, 1, order(10, 1)),
    refusal(None, 1, order(30, 1)),
    refusal(6, 2, order(20, 2)),
    refusal(5, 2, order(20, 1, Kind.BIND)),
    refusal(5, 3, order(20, 1)),
    refusal(6, 3, Order(9, Kind.LOGIN, "stated by hand"), count=4),
]


@pytest.fixture
def refused(store: OpenStore) -> OpenStore:
    changes = known(1, 2, 3)
    changes.refusals += [(P, row) for row in REFUSED]
    store.commit(changes)
    return store


def test_refusals_come_most_recent_first(refused: OpenStore) -> None:
    recent = sorted(REFUSED, key=lambda row: row.last, reverse=True)
    with refused.reader() as reader:
        assert reader.refusals(P, None, 0, 99) == recent
        assert reader.refusals(P, None, 1, 3) == recent[1:4]
        assert reader.refusals(P, None, 6, 3) == []
        assert reader.refusals(Q, None, 0, 99) == []


def test_refusals_of_one_moment_come_by_event_id_whoever_made_it(store: OpenStore) -> None:
    ids = [event(7), "f" * 32, "stated by hand", "0", "00", "A" * 32]
    rows = [refusal(n, 1, Order(5, Kind.BIND, event_id)) for n, event_id in enumerate(ids)]
    changes = known(1)
    changes.refusals += [(P, row) for row in rows]
    store.commit(changes)
    with store.reader() as reader:
        found = [row.last.event_id for row in reader.refusals(P, None, 0, 9)]
    assert found == sorted(ids, reverse=True)


def test_refusals_are_found_by_who_asked(refused: OpenStore) -> None:
    with refused.reader() as reader:
        assert reader.refusals(P, [6], 0, 9) == [REFUSED[2], REFUSED[5]]
        assert reader.refusals(P, [6, 7], 1, 1) == [REFUSED[5]]


def test_a_refusal_is_forgotten_or_counted_on_by_who_asked_for_what_and_why(
    refused: OpenStore,
) -> None:
    more = replace(REFUSED[2], count=2, last=order(40))
    ended = [(P, None, 1, "taken"), (P, 5, 1, "taken"), (P, 5, 2, "full")]
    refused.commit(Changes(ended_refusals=list(ended), refusals=[(P, more)]))
    with refused.reader() as reader:
        assert reader.refusals(P, None, 0, 99) == [more, REFUSED[4], REFUSED[3], REFUSED[5]]


# -- sets, runs, sightings -------------------------------------------------------------------------


def test_sets_are_found_by_any_of_their_identities(store: OpenStore) -> None:
    changes = with_sets(known(1, 2, 3), (2, 1), (3,), (1,), ())
    changes.new_sets.append((P, 5, SetKey((identity(3),), identity(1)), (3, 1)))
    store.commit(changes)
    with store.reader() as reader:
        assert reader.sets_of([1]) == [1, 3, 5]
        assert reader.sets_of([2, 3, 9]) == [1, 2, 5]


def test_the_identities_of_a_set_come_in_its_order_as_they_are_now(store: OpenStore) -> None:
    store.commit(with_sets(known(1, 2, 3), (3, 1, 2)))
    store.commit(Changes(identities=[state(1, 10)]))
    with store.reader() as reader:
        assert reader.set_members(1) == [state(3), state(1, 10), state(2)]


RUNS = [
    Run(1, order(10, 1), 5, 1),
    Run(1, order(20, 1, Kind.UNBIND), None, None),
    Run(1, order(20, 1), 6, 2),
    Run(1, order(20, 2), 5, 1),
    Run(2, order(5, 1), 7, 1),
]


@pytest.fixture
def ran(store: OpenStore) -> OpenStore:
    changes = with_sets(known(1, 2, 3), (1, 2), (1, 3))
    changes.runs += [RUNS[index] for index in (4, 3, 1, 0, 2)]
    store.commit(changes)
    return store


def test_runs_come_by_set_and_start(ran: OpenStore) -> None:
    with ran.reader() as reader:
        assert reader.runs([2, 1, 3]) == RUNS
        assert reader.runs([2]) == RUNS[4:]


@pytest.mark.parametrize(
    ("start", "left"), [(order(20, 1), 2), (order(20, 2), 3), (order(21), 4), (None, 0)]
)
def test_runs_are_dropped_from_an_order_on(ran: OpenStore, start: Order | None, left: int) -> None:
    ran.commit(Changes(dropped_runs=[(1, start)]))
    with ran.reader() as reader:
        assert reader.runs([1, 2]) == RUNS[:left] + RUNS[4:]


def test_runs_are_dropped_before_those_of_the_same_commit_come(ran: OpenStore) -> None:
    later = [replace(run, name=99) for run in RUNS[2:4]]
    ran.commit(Changes(dropped_runs=[(1, RUNS[2].start)], runs=list(later)))
    with ran.reader() as reader:
        assert reader.runs([1]) == RUNS[:2] + later


def test_sets_are_found_by_whom_their_runs_name(ran: OpenStore) -> None:
    with ran.reader() as reader:
        assert reader.run_sets(P, [7, 6], []) == [1, 2]
        assert reader.run_sets(P, [], [2]) == [1]
        assert reader.run_sets(P, [7], [2]) == [1, 2]
        assert reader.run_sets(P, [8], [3]) == []
        assert reader.run_sets(Q, [7], [2]) == []


def test_an_identity_was_seen_wherever_it_was_carried_or_named(store: OpenStore) -> None:
    changes = with_sets(known(1, 2), (1,), (1, 2))
    changes.new_sets.append((P, 3, SetKey((identity(2),), identity(1)), (2, 1)))
    changes.sightings += [sighting(1, 50, 40), sighting(2, 60), sighting(3, 80, 20)]
    store.commit(changes)
    with store.reader() as reader:
        assert reader.seen_range(1) == (20, 80)


SEEN = [sighting(1, 10, 50), sighting(2, 40), sighting(1, 50), sighting(3, 45), sighting(2, 90)]


@pytest.fixture
def told(store: OpenStore) -> OpenStore:
    store.commit(with_sets(known(1, 2, 3), (1,), (2,), (3,)))
    store.commit(Changes(sightings=SEEN[:3]))
    store.commit(Changes(sightings=SEEN[3:]))
    return store


def test_sightings_come_latest_end_first_and_of_these_the_last_written(told: OpenStore) -> None:
    expected = [SEEN[4], SEEN[2], SEEN[0], SEEN[1]]
    with told.reader() as reader:
        assert list(reader.sightings([2, 1], 1000)) == expected
        assert list(reader.sightings([2, 1], 40)) == [SEEN[0], SEEN[1]]
        assert list(reader.sightings([2, 1], 9)) == []


def test_a_set_that_is_asked_for_twice_is_shown_once(told: OpenStore) -> None:
    with told.reader() as reader:
        assert list(reader.sightings([2, 3, 2], 50)) == [SEEN[3], SEEN[1]]


def test_two_walks_through_sightings_do_not_disturb_each_other(told: OpenStore) -> None:
    with told.reader() as reader:
        one, other = reader.sightings([1], 1000), reader.sightings([2], 1000)
        assert [next(one), next(other)] == [SEEN[2], SEEN[4]]
        assert [next(one), next(other)] == [SEEN[0], SEEN[1]]


def test_the_log_goes_by_payload_and_there_as_written(store: OpenStore) -> None:
    order_written = [(1, 3), (2, 1), (1, 2), (2, 2), (1, 1), (1, 3)]
    rows = [sighting(of, 10 * n, payload_id=id_) for n, (of, id_) in enumerate(order_written)]
    store.commit(Changes(sightings=rows))
    with store.reader() as reader:
        assert list(reader.log()) == [rows[index] for index in (1, 4, 2, 3, 0, 5)]


@pytest.mark.parametrize("event_id", [event(5), "stated-1", "DEADBEEF" * 4, ""])
def test_an_entry_is_found_as_it_was_written(store: OpenStore, event_id: str) -> None:
    entries = (entry(9, 1, "profile_set"), Entry((1 << 48) - 1, event_id, "detach", 65_536))
    store.commit(Changes(sightings=[Sighting(1, 1, entries)]))
    with store.reader() as reader:
        assert list(reader.log()) == [Sighting(1, 1, entries)]


# -- payloads, rejections, counters ----------------------------------------------------------------


def test_a_payload_is_kept_to_the_byte_and_takes_room(store: OpenStore) -> None:
    body = bytes(range(256)) * 64
    rows = [PayloadRow(3, P, 77, body), PayloadRow(4, Q, 78, b"", stated=True)]
    store.commit(Changes(payloads=list(rows)))
    with store.reader() as reader:
        assert [reader.payload(3), reader.payload(4)] == rows
        assert reader.store_bytes() >= len(body)


@pytest.fixture
def rejected(store: OpenStore) -> OpenStore:
    projects = {1: P, 2: Q, 3: P, 4: P, 5: "?"}
    rows = [rejection(number, projects[number]) for number in (3, 1, 2, 5, 4)]
    store.commit(Changes(rejections=rows))
    return store


def test_rejections_come_by_number_after_the_last_one_seen(rejected: OpenStore) -> None:
    with rejected.reader() as reader:
        assert [row.rejection_id for row in reader.rejections(None, 0, 9)] == [1, 2, 3, 4, 5]
        assert reader.rejections(P, 1, 1) == [rejection(3)]
        assert reader.rejections(P, 4, 9) == []


def test_rejections_are_found_by_number_within_a_project(rejected: OpenStore) -> None:
    with rejected.reader() as reader:
        assert reader.rejections(P, 0, 9, [4, 2, 9, 1]) == [rejection(1), rejection(4)]
        assert reader.rejections(None, 1, 1, [4, 2]) == [rejection(2, Q)]


def test_a_settled_rejection_is_not_open_any_more(rejected: OpenStore) -> None:
    rejected.commit(Changes(settled_rejections=[3, 99]))
    with rejected.reader() as reader:
        assert reader.rejections(P, 0, 9) == [rejection(1), rejection(4)]


def test_counters_add_up_and_projects_are_those_that_have_any(store: OpenStore) -> None:
    store.commit(Changes(counters={(Q, "received"): 1, (P, "received"): 5, (P, "accepted"): 5}))
    store.commit(Changes(counters={(P, "received"): 2, (P, "accepted"): -1, ("?", "new"): 0}))
    mine = {(P, "received"): 7, (P, "accepted"): 4}
    with store.reader() as reader:
        assert reader.counters(P) == mine
        assert reader.counters(None) == mine | {(Q, "received"): 1, ("?", "new"): 0}
        assert reader.projects() == ["?", Q, P]
