"""What facts come to, in the form of the golden cases, whoever worked it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from idweave.core.graph import User
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.resolve import Resolution, names
from idweave.engine.engine import PAGE_MAX, Engine

Former = tuple[str, str, int, int]
Refused = tuple[str | None, str, str, str, str, str, int]


class UserOutcome(NamedTuple):
    """A user: its name, founding event, identities now, and former ones (life, time left)."""

    canonical_id: str
    founder_event: str
    identities: tuple[Identity, ...]
    former: tuple[Former, ...]


class Outcomes(NamedTuple):
    """Users by name; the name of the user of each event that has one; refusals, sorted."""

    users: tuple[UserOutcome, ...]
    assigned: dict[str, str]
    refused: tuple[Refused, ...]


def facts_of(case: dict[str, Any]) -> list[Fact]:
    """The facts of a golden case, in order of arrival."""
    return [
        Fact(
            row["time"],
            row["event_id"],
            Kind[row["kind"].upper()],
            tuple(Identity(key, value) for key, value in row["identities"]),
            row["distinct_id"],
        )
        for row in case["facts"]
    ]


def expected(case: dict[str, Any]) -> Outcomes:
    """What a golden case says."""
    expect = case["expect"]
    called = [user["canonical_id"] for user in expect["users"]]
    users = (
        UserOutcome(
            user["canonical_id"],
            user["founder_event"],
            tuple(sorted(Identity(*identity) for identity in user["identities"])),
            tuple(sorted(_former(*left) for left in user["former"])),
        )
        for user in expect["users"]
    )
    assigned = {event: called[place] for event, place in expect["assigned"].items()}
    refused = ((None if home is None else called[home], *rest) for home, *rest in expect["refused"])
    return sorted_outcomes(users, assigned, refused)


def of_resolution(resolution: Resolution) -> Outcomes:
    """What the pure fold came to."""
    graph = resolution.graph
    called = {user: str(name) for user, name in names(graph.users()).items()}
    former: dict[User, list[Former]] = {user: [] for user in called}
    for stay, left_ms in graph.former.items():
        former[graph.find(stay.user)].append(_former(*stay.identity, stay.life, left_ms))
    users = (
        UserOutcome(
            name, user.event_id, tuple(graph.members(user)), tuple(sorted(former[user]))
        )
        for user, name in called.items()
    )
    homes = {event: resolution.home(event) for event in resolution.outcomes}
    assigned = {event: called[home] for event, home in homes.items() if home is not None}
    refused = (
        (
            None if key.home is None else called[key.home],
            *key.identity,
            key.reason.value,
            seen.first.event_id,
            seen.last.event_id,
            seen.times,
        )
        for key, seen in graph.refusals.items()
    )
    return sorted_outcomes(users, assigned, refused)


def of_engine(engine: Engine, project: str) -> Outcomes:
    """What an engine answers, by nothing but its answers."""
    users: list[UserOutcome] = []
    assigned: dict[str, str] = {}
    for name in engine.user_names(project):
        user = engine.user(project, name)
        held = tuple(one.identity for one in user.identities)
        former = (_former(*one.identity, one.life, one.left_at_ms) for one in user.former)
        founder = user.founder_event
        users.append(UserOutcome(user.canonical_id, founder, held, tuple(sorted(former))))
        page = engine.events(project, name, limit=PAGE_MAX)
        assert page.next_cursor is None, "golden cases are smaller than a page"
        assigned |= {event.event_id: name for event in page.events}
    rows = engine.refusals(project, limit=PAGE_MAX)
    refused = (
        (row.home, *row.identity, row.reason, _event(row.first), _event(row.last), row.count)
        for row in rows
    )
    return sorted_outcomes(users, assigned, refused)


def _event(reference: str) -> str:
    return reference.partition("-")[2]


def _former(key: str, value: str, life: int, left_ms: int) -> Former:
    return key, value, life, left_ms


def sorted_outcomes(
    users: Iterable[UserOutcome], assigned: dict[str, str], refused: Iterable[Any]
) -> Outcomes:
    """Outcomes with their lists in the one order that they are compared in."""

    def by(row: Refused) -> tuple[Any, ...]:
        return row[0] or "", *row[1:]

    return Outcomes(tuple(sorted(users)), assigned, tuple(sorted(map(tuple, refused), key=by)))
