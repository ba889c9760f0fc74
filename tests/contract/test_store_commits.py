"""What every store promises of commits and views: all or nothing, any text, any size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from idweave.core.errors import StoreError
from idweave.core.identity import Identity, Kind, Order
from idweave.ports import (
    Change,
    ChangeKind,
    Changes,
    Entry,
    FeedRow,
    GroupRow,
    IdentityRow,
    IdentityState,
    Place,
    RefusalRow,
    RejectionRow,
    Run,
    SetKey,
    Sighting,
    StayRow,
    UserRow,
)
from idweave.stores import OpenStore
from tests.contract.answers import answers
from tests.contract.rows import (
    P,
    created,
    event,
    identity,
    joined,
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
TIME_MAX_MS = 253_402_300_799_999

LARGE = 5001
"""More than fits one question of any store: 5000 values, and not a multiple of a round number."""

HOSTILE = [
    'it\'s "quoted" and `ticked`',
    "100% _ ? :name $1 {0}",
    "'; DROP TABLE identity; --",
    "🧶👩‍👩‍👧 Ünïcode 统一身份",
    "𝔘" * 255,
    "\\ back\tslash\r\nlines",
    "nul\0inside",
    " blank at both ends ",
    "007",
    "NULL",
]

# -- all or nothing --------------------------------------------------------------------------------


def lived_in(start: int) -> Changes:
    """Some of everything, with numbers from ``start`` on."""
    changes = Changes(
        new_identities=[(P, IdentityRow(n, identity(n), start), None) for n in (start, start + 1)],
        payloads=[payload(start, b"{}")],
        groups=[(P, GroupRow(start, False, 2, order(start), start))],
        users=[(P, user(start)), (P, user(start + 1, into=start))],
        stays=[(P, stay(start, start, 10))],
        refusals=[(P, refusal(start, start, order(start)))],
        runs=[Run(start, order(start), start, start)],
        untimed=[(P, event(start))],
        rejections=[rejection(start)],
        counters={(P, "received"): start},
        identities=[state(start, start)],
        sightings=[sighting(start, 10, 20, payload_id=start)],
        feed=[(P, start, [created(start), joined(start, start)])],
    )
    key = SetKey((identity(start), identity(start + 1)))
    changes.new_sets.append((P, start, key, (start, start + 1)))
    return changes


def undoing(start: int) -> Changes:
    """Changes of everything that :func:`lived_in` wrote, and more of it."""
    changes = lived_in(start + 10)
    changes.joined_groups.append((start, start + 10))
    changes.group_owners.append((start + 10, start + 10))
    changes.gone.append((P, start))
    changes.ended_stays.append((P, start, start, 0))
    changes.ended_refusals.append((P, start, start, "taken"))
    changes.dropped_runs.append((start, None))
    changes.settled_rejections.append(start)
    changes.forgotten.append((P, frozenset({identity(start)})))
    return changes


Spoil = Callable[[Changes], None]
SPOILED: dict[str, Spoil] = {
    "payload": lambda c: c.payloads.append(payload(1, b"again")),
    "payload within the commit": lambda c: c.payloads.append(c.payloads[-1]),
    "identity": lambda c: c.new_identities.append((P, IdentityRow(1, identity(99), 1), None)),
    "identity's text": lambda c: c.new_identities.append(
        (P, IdentityRow(99, identity(1), 1), None)
    ),
    "set": lambda c: c.new_sets.append((P, 1, SetKey((identity(11),)), (11,))),
    "set's key": lambda c: c.new_sets.append((P, 99, SetKey((identity(1), identity(2))), (1, 2))),
    "untimed event": lambda c: c.untimed.append((P, event(1))),
    "run": lambda c: c.runs.append(c.runs[-1]),
    "rejection": lambda c: c.rejections.append(replace(rejection(1), reason="again")),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_commit_that_fails_leaves_nothing_and_the_store_works_on(
    store: OpenStore, what: str
) -> None:
    store.commit(lived_in(1))
    before = answers(store, [P, "new"])
    spoiled = undoing(1)
    spoiled.new_identities += known(50, project="new").new_identities
    SPOILED[what](spoiled)
    with pytest.raises(StoreError) as caught:
        store.commit(spoiled)
    assert caught.value.fix
    assert answers(store, [P, "new"]) == before
    store.commit(undoing(1))
    assert answers(store, [P]) != before


def test_a_commit_of_nothing_changes_nothing(store: OpenStore) -> None:
    store.commit(lived_in(1))
    before = answers(store, [P])
    store.commit(Changes())
    assert answers(store, [P]) == before


def test_what_a_commit_took_back_can_be_committed_later(store: OpenStore) -> None:
    spoiled = lived_in(1)
    spoiled.payloads *= 2
    with pytest.raises(StoreError):
        store.commit(spoiled)
    store.commit(lived_in(1))
    with store.reader() as reader:
        assert reader.held(P, 1) == [state(1, 1)]


# -- views -----------------------------------------------------------------------------------------


def test_a_view_shows_what_was_committed_when_it_was_opened(store: OpenStore) -> None:
    store.commit(lived_in(1))
    with store.reader() as reader:
        store.commit(undoing(1))
        assert reader.runs([1, 11]) == [Run(1, order(1), 1, 1)]
        assert reader.identity(P, identity(1)) == state(1, 1)
        assert reader.counters(P) == {(P, "received"): 1}
        assert len(list(reader.log())) == 1
    with store.reader() as reader:
        assert reader.runs([1, 11]) == [Run(11, order(11), 11, 11)]


def test_views_opened_between_commits_each_show_their_own_time(store: OpenStore) -> None:
    with ExitStack() as stack:
        readers = []
        for number in range(1, 5):
            readers.append(stack.enter_context(store.reader()))
            store.commit(Changes(counters={(P, "received"): number}))
        seen = [reader.counters(P).get((P, "received"), 0) for reader in readers]
    assert seen == [0, 1, 3, 6]


def test_a_view_shows_no_commit_that_failed_meanwhile(store: OpenStore) -> None:
    store.commit(lived_in(1))
    with store.reader() as reader:
        with pytest.raises(StoreError):
            store.commit(Changes(counters={(P, "received"): 1}, payloads=[payload(1, b"again")]))
        assert reader.counters(P) == {(P, "received"): 1}


def test_an_error_while_reading_passes_and_the_store_works_on(store: OpenStore) -> None:
    with pytest.raises(ZeroDivisionError), store.reader():
        _ = 1 // 0
    store.commit(lived_in(1))
    with store.reader() as reader:
        assert reader.projects() == [P]


def test_a_view_may_be_read_and_closed_by_another_thread(store: OpenStore) -> None:
    store.commit(lived_in(1))
    opened = store.reader()
    reader = opened.__enter__()  # as a web server does, that runs each step in some thread
    found: list[list[str]] = []

    def finish() -> None:
        found.append(reader.projects())
        opened.__exit__(None, None, None)

    thread = threading.Thread(target=finish)
    thread.start()
    thread.join()
    store.commit(undoing(1))
    assert found == [[P]]


def test_readers_see_whole_commits_while_a_writer_writes(store: OpenStore) -> None:
    failed: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with store.reader() as reader:
                counted = reader.counters(P).get((P, "received"), 0)
                kept = len(reader.rejections(P, 0, 999))
                if counted != kept:
                    failed.append((counted, kept))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 60):
        store.commit(Changes(rejections=[rejection(number)], counters={(P, "received"): 1}))
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []


# -- any text, any number --------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_kept_as_it_is_wherever_texts_stand(store: OpenStore, text: str) -> None:
    one = Identity(text, text)
    founder = Order(5, Kind.BIND, text)
    entries = (Entry(5, text, "track", 0),)
    why = RejectionRow(1, text, text, text, text, text, 5, Place(1, -1))
    told = Change(ChangeKind.LEFT, 7, None, one, text, text, 1)
    asked = RefusalRow(7, 1, one, text, founder, founder, 1)
    changes = Changes(
        new_identities=[(text, IdentityRow(1, one, 1), 7)],
        new_sets=[(text, 1, SetKey((one,), one), (1,))],
        sightings=[Sighting(1, 1, entries)],
        untimed=[(text, text)],
        groups=[(text, GroupRow(1, False, 1, founder, 1))],
        users=[(text, UserRow(7, founder, 1))],
        stays=[(text, StayRow(7, 1, one, 0, 9))],
        refusals=[(text, asked)],
        runs=[Run(1, founder, 7, 1)],
        rejections=[why],
        counters={(text, text): 1},
        feed=[(text, 5, [told])],
    )
    store.commit(changes)
    with store.reader() as reader:
        assert reader.feed(text, 0, 9) == [FeedRow(1, 5, told)]
    assert store.find_identities(text, [one]) == {one: IdentityRow(1, one, 1)}
    assert store.find_sets(text, [SetKey((one,), one)])[SetKey((one,), one)].set_id == 1
    assert store.find_groups([1])[1].founder == founder
    assert store.find_users(text, [7]) == {7: UserRow(7, founder, 1)}
    assert store.seen_untimed(text, [text]) == store.seen(text, 1, 5, 5) == {text}
    assert next(store.facts(1))[2].distinct_id == f"{text}+{text}"
    with store.reader() as reader:
        assert reader.identity(text, one) == IdentityState(1, one, 7)
        assert reader.user(text, 7) == UserRow(7, founder, 1)
        assert reader.stays(text, [7]) == [StayRow(7, 1, one, 0, 9)]
        assert reader.refusals(text, [7], 0, 9) == [asked]
        assert reader.runs([1]) == [Run(1, founder, 7, 1)]
        assert reader.rejections(text, 0, 9) == [why]
        assert reader.counters(text) == {(text, text): 1}
        assert reader.projects() == [text]
        assert list(reader.log()) == [Sighting(1, 1, entries)]


def test_texts_that_look_alike_are_not_the_same(store: OpenStore) -> None:
    values = ["é", "e\u0301", "É", "e", "E", "e ", " e", "e\0", "1", "1.0", "01", "+1"]
    rows = [IdentityRow(n, Identity("key", value), n) for n, value in enumerate(values, 1)]
    store.commit(Changes(new_identities=[(P, row, None) for row in rows]))
    found = store.find_identities(P, [row.identity for row in rows])
    assert [found[row.identity] for row in rows] == rows


@pytest.mark.parametrize("name", [1, NAME_MAX])
def test_names_have_63_bits_wherever_names_stand(store: OpenStore, name: int) -> None:
    changes = with_sets(known(1, owner=name), (1,))
    changes.users += [(P, user(2, into=name)), (P, user(name))]
    changes.stays.append((P, stay(name, 1, TIME_MAX_MS)))
    changes.refusals.append((P, refusal(name, 1, order(TIME_MAX_MS))))
    changes.runs.append(Run(1, order(TIME_MAX_MS), name, 1))
    store.commit(changes)
    assert store.find_users(P, [name]) == {name: user(name)}
    with store.reader() as reader:
        assert reader.held(P, name) == [state(1, name)]
        assert reader.names_into(P, name) == [2]
        assert reader.stays(P, [name]) == [stay(name, 1, TIME_MAX_MS)]
        assert [row.home for row in reader.refusals(P, [name], 0, 9)] == [name]
        assert reader.run_sets(P, [name], []) == [1]
        assert reader.last_stay(1) == name
        assert reader.largest(P, 1) == [(name, 1)]


# -- any size --------------------------------------------------------------------------------------


def test_asking_for_nothing_finds_nothing(store: OpenStore) -> None:
    store.commit(lived_in(1))
    assert store.find_sets(P, []) == {}
    assert store.find_identities(P, []) == {}
    assert store.find_groups([]) == {}
    assert store.find_users(P, []) == {}
    assert store.seen_untimed(P, []) == set()
    with store.reader() as reader:
        assert (reader.stays(P, []), reader.refusals(P, [], 0, 9)) == ([], [])
        assert (reader.sets_of([]), reader.runs([]), reader.run_sets(P, [], [])) == ([], [], [])
        assert list(reader.sightings([], TIME_MAX_MS)) == []
        assert reader.rejections(P, 0, 9, []) == []
        assert (reader.refusals(P, None, 0, 0), reader.rejections(P, 0, 0)) == ([], [])


@pytest.fixture
def large(store: OpenStore) -> OpenStore:
    """A store with many of everything; each number is the id of one row of every kind."""
    numbers = range(1, LARGE + 1)
    changes = with_sets(Changes(), *((number,) for number in numbers))
    for n in numbers:
        changes.new_identities.append((P, IdentityRow(n, identity(n), n), n))
        changes.groups.append((P, GroupRow(n, False, 1, order(n), n)))
        changes.users.append((P, user(n)))
        changes.stays.append((P, stay(n, n, n)))
        changes.refusals.append((P, refusal(n, n, order(n, n))))
        changes.runs.append(Run(n, order(n), n, n))
        changes.untimed.append((P, event(n)))
        changes.sightings.append(sighting(n, n))
        changes.rejections.append(rejection(n))
    store.commit(changes)
    return store


def test_many_are_found_in_one_question_of_the_writer(large: OpenStore) -> None:
    numbers = range(LARGE, 0, -1)
    keys = [SetKey((identity(n),)) for n in numbers]
    assert len(large.find_sets(P, keys)) == LARGE
    assert len(large.find_identities(P, [identity(n) for n in numbers])) == LARGE
    assert len(large.find_groups(numbers)) == LARGE
    assert len(large.find_users(P, numbers)) == LARGE
    assert len(large.seen_untimed(P, [event(n) for n in numbers])) == LARGE


def test_many_are_found_in_order_in_one_question_of_a_reader(large: OpenStore) -> None:
    up, down = list(range(1, LARGE + 1)), list(range(LARGE, 0, -1))
    with large.reader() as reader:
        assert [row.name for row in reader.stays(P, down)] == up
        assert [row.home for row in reader.refusals(P, up, 0, LARGE)] == down
        assert reader.sets_of(down) == up
        assert [run.set_id for run in reader.runs(down)] == up
        assert reader.run_sets(P, down, []) == reader.run_sets(P, [], down) == up
        assert [seen.set_id for seen in reader.sightings(up, TIME_MAX_MS)] == down
        assert [row.rejection_id for row in reader.rejections(P, 0, LARGE, down)] == up
        assert [row.name for row in reader.users(P)] == up


def test_a_set_may_have_many_identities(store: OpenStore) -> None:
    numbers = tuple(range(LARGE, 0, -1))
    store.commit(with_sets(known(*numbers), numbers))
    with store.reader() as reader:
        assert [member.identity_id for member in reader.set_members(1)] == list(numbers)
    assert len(store.members(1)) == LARGE
