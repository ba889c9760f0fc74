"""The change feed is kept as it was told: numbered without holes, and forgotten in place."""

from __future__ import annotations

from idweave.core.identity import Identity
from idweave.ports import Change, ChangeKind, Changes, FeedRow
from idweave.stores import OpenStore

from .rows import P, Q, created, identity, joined, known

LARGE = 2_503
"""More than one row of any store holds, and not a multiple of a round number."""


def told(*changes: Change, project: str = P, at_ms: int = 7) -> Changes:
    return Changes(feed=[(project, at_ms, changes)])


def feed(store: OpenStore, project: str = P, after: int = 0, limit: int = 100) -> list[FeedRow]:
    with store.reader() as reader:
        return reader.feed(project, after, limit)


def end(store: OpenStore, project: str = P) -> int:
    with store.reader() as reader:
        return reader.feed_end(project)


EVERY = [
    created(1),
    Change(ChangeKind.SPLIT, 2, 1, None, "", "5-e"),
    joined(1, 3),
    Change(ChangeKind.JOINED, 2, 1, Identity("k", "张三 🧶\n\0\ud800'"), "", "", 3),
    Change(ChangeKind.LEFT, 2, None, identity(4), "unbind", "5-e", 0),
    Change(ChangeKind.MERGED, 1, (1 << 63) - 1),
    Change(ChangeKind.RENAMED, (1 << 63) - 1, 2),
    Change(ChangeKind.GONE, 9),
    Change(ChangeKind.ERASED, 9),
]


def test_every_kind_of_change_comes_back_as_it_was_told(store: OpenStore) -> None:
    store.commit(told(*EVERY))
    rows = [FeedRow(number, 7, change) for number, change in enumerate(EVERY, 1)]
    assert feed(store) == rows


def test_numbers_go_on_from_commit_to_commit_and_each_project_has_its_own(
    store: OpenStore,
) -> None:
    store.commit(told(created(1), created(2)))
    store.commit(told(created(3), project=Q))
    store.commit(told(created(4), at_ms=9))
    assert [(row.seq, row.change.user) for row in feed(store)] == [(1, 1), (2, 2), (3, 4)]
    assert [(row.seq, row.change.user) for row in feed(store, Q)] == [(1, 3)]
    assert feed(store)[2].recorded_at_ms == 9
    assert (end(store), end(store, Q), end(store, "nobody's")) == (3, 1, 0)
    assert feed(store, "nobody's") == []


def test_a_page_begins_and_ends_anywhere(store: OpenStore) -> None:
    store.commit(told(*map(created, range(LARGE))))
    store.commit(told(created(LARGE), created(LARGE + 1)))
    for after, limit in ((0, 1), (999, 3), (1000, 1), (1001, 1500), (LARGE - 1, 3), (LARGE + 2, 9)):
        numbers = [row.seq for row in feed(store, P, after, limit)]
        assert numbers == list(range(after + 1, min(after + limit, LARGE + 2) + 1))
    assert [row.change.user for row in feed(store, P, 0, LARGE * 2)] == [*range(LARGE + 2)]


def test_what_is_forgotten_is_blank_and_keeps_its_number(store: OpenStore) -> None:
    store.commit(told(created(1), joined(1, 5), joined(1, 6)))
    store.commit(told(joined(1, 5), project=Q))
    forgetting = told(Change(ChangeKind.ERASED, 1))
    forgetting.forgotten.append((P, frozenset({identity(5)})))
    store.commit(forgetting)
    _, blank, kept, _ = feed(store)
    assert blank == FeedRow(2, 7, joined(1, 5)._replace(identity=None, event=""))
    assert kept == FeedRow(3, 7, joined(1, 6))
    assert feed(store, Q) == [FeedRow(1, 7, joined(1, 5))]
    assert end(store) == 4


def test_owners_are_found_by_number(store: OpenStore) -> None:
    changes = known(1, 2, owner=11)
    changes.new_identities += known(3).new_identities
    store.commit(changes)
    assert store.find_owners([1, 3, 4]) == {1: 11, 3: None}
    assert store.find_owners([]) == {}
