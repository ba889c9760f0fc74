"""Rows to put into stores, each made from as few numbers as tell it from the others."""

from __future__ import annotations

from idweave.core.identity import Identity, Kind, Order
from idweave.ports import (
    Change,
    ChangeKind,
    Changes,
    Entry,
    IdentityRow,
    IdentityState,
    PayloadRow,
    Place,
    RefusalRow,
    RejectionRow,
    SetKey,
    Sighting,
    StayRow,
    UserRow,
)

P, Q = "shop", "other"
"""Two projects."""


def identity(number: int) -> Identity:
    """One of many identities."""
    return Identity(f"key{number % 3}", f"value{number:05}")


def event(number: int) -> str:
    return f"{number:032x}"


def order(time_ms: int, number: int = 0, kind: Kind = Kind.OBSERVE) -> Order:
    return Order(time_ms, kind, event(number))


def entry(time_ms: int, number: int = 0, type_: str = "track") -> Entry:
    return Entry(time_ms, event(number), type_, 0)


def sighting(set_id: int, *times: int, payload_id: int = 1) -> Sighting:
    return Sighting(set_id, payload_id, tuple(entry(time, time) for time in times))


def payload(number: int, body: bytes = b"") -> PayloadRow:
    return PayloadRow(number, P, 5, body)


def known(*numbers: int, group: int = 1, owner: int | None = None, project: str = P) -> Changes:
    """Identities, each with its number as id, in one group."""
    rows = [(project, IdentityRow(n, identity(n), group), owner) for n in numbers]
    return Changes(new_identities=list(rows))


def state(number: int, owner: int | None = None) -> IdentityState:
    return IdentityState(number, identity(number), owner)


def with_sets(changes: Changes, *sets: tuple[int, ...], project: str = P) -> Changes:
    """Add sets, numbered from 1, of the identities with these ids."""
    for set_id, ids in enumerate(sets, 1):
        key = SetKey(tuple(identity(number) for number in ids))
        changes.new_sets.append((project, set_id, key, ids))
    return changes


def user(name: int, into: int | None = None) -> UserRow:
    return UserRow(name, order(name % 1000, name % 1000), 1, into)


def refusal(home: int | None, number: int, last: Order, count: int = 1) -> RefusalRow:
    return RefusalRow(home, number, identity(number), "taken", order(1), last, count)


def stay(name: int, number: int, left_ms: int, life: int = 0) -> StayRow:
    return StayRow(name, number, identity(number), life, left_ms)


def rejection(number: int, project: str = P) -> RejectionRow:
    place = Place(1, number - 1)
    return RejectionRow(number, project, "INVALID_FIELD", "time", "why", "fix", 5, place)


def created(name: int) -> Change:
    return Change(ChangeKind.CREATED, name, event=f"{name}-{event(name)}")


def joined(name: int, number: int) -> Change:
    return Change(ChangeKind.JOINED, name, None, identity(number), event=f"{name}-{event(number)}")
