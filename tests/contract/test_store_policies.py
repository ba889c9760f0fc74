"""Policies in force, and commits of several parts: the same in every store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idweave.core.errors import StoreError
from idweave.ports import Changes, PolicyRow
from idweave.stores import OpenStore

from .rows import P, Q, identity, known

FIRST = PolicyRow(1, P, "sensors", 'name = "sensors"\n', "configuration", "it began", 5)
OTHER = PolicyRow(2, Q, "张三", "a = '\n'", "bea", "why", 6)
NEXT = PolicyRow(3, P, "loose", "", "ann", "shared", 7)


def test_policies_are_kept_by_project_and_number(store: OpenStore) -> None:
    store.commit(Changes(policies=[FIRST, OTHER]))
    store.commit(Changes(policies=[NEXT]))
    with store.reader() as reader:
        assert reader.policies(None) == [FIRST, OTHER, NEXT]
        assert reader.policies(P) == [FIRST, NEXT]
        assert reader.policies("none") == []


def test_parts_are_written_as_they_come_and_seen_by_who_makes_the_next(store: OpenStore) -> None:
    seen = []

    def parts() -> Iterator[Changes]:
        for number in (1, 2):
            yield known(number, group=number, owner=10 + number)
            seen.append(list(store.find_identities(P, [identity(number)])))

    store.commit(parts())
    assert seen == [[identity(1)], [identity(2)]]


def test_who_read_before_sees_no_part_until_all_are_written(store: OpenStore) -> None:
    with store.reader() as before:
        assert before.identity(P, identity(1)) is None
        store.commit([known(1, group=1, owner=11), known(2, group=2, owner=12)])
        assert before.identity(P, identity(1)) is None
    with store.reader() as after:
        assert after.identity(P, identity(2)) is not None


def test_parts_that_fail_leave_nothing(store: OpenStore) -> None:
    def parts() -> Iterator[Changes]:
        yield known(1, group=1, owner=11)
        raise StoreError("The disk is gone.")

    with pytest.raises(StoreError, match="disk"):
        store.commit(parts())
    with store.reader() as reader:
        assert reader.identity(P, identity(1)) is None
    store.commit(known(1, group=1, owner=11))
