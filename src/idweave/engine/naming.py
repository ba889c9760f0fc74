"""Names of users: made from founding events, unique within a project (RESOLUTION.md §5)."""

from __future__ import annotations

from collections.abc import Iterable

from idweave.core.graph import User
from idweave.core.resolve import first_name
from idweave.ports import Store

from .reading import all_names

NAMES_CACHED_MAX = 200_000
"""Names remembered, so that a user that is touched often is not looked up each time."""


class Naming:
    """Gives each founding event its name. A name that was given once stays: on a collision the
    user that came later to the store adds 1 until free (docs/decisions/0003)."""

    def __init__(self, project: str, store: Store) -> None:
        self._project = project
        self._store = store
        self._given: dict[str, int] = {}

    def of(self, users: Iterable[User]) -> dict[User, int]:
        """The names of these users."""
        wanted = sorted(set(users))
        unknown = [user for user in wanted if user.event_id not in self._given]
        if unknown:
            if len(self._given) > NAMES_CACHED_MAX:
                self._given.clear()
                unknown = wanted
            self._name(unknown)
        return {user: self._given[user.event_id] for user in wanted}

    def led_to(self, user: User) -> list[User]:
        """The users whose names lead to that of this one, itself first. Of a part that was
        uncontested until now they all do; that may no longer be so."""
        with self._store.reader() as reader:
            names = all_names(reader, self._project, self.of([user])[user])
            rows = (reader.user(self._project, name) for name in names)
            return [row.founder for row in rows if row is not None]

    def _name(self, users: list[User]) -> None:
        firsts = [first_name(user.event_id) for user in users]
        taken = self._taken(firsts)
        for user, first in zip(users, firsts, strict=True):
            name = first
            while taken.setdefault(name, user.event_id) != user.event_id:
                name += 1
                taken |= self._taken([name])
            self._given[user.event_id] = name

    def _taken(self, names: list[int]) -> dict[int, str]:
        """Those of these names that were given, with the event that founded the user of each."""
        rows = self._store.find_users(self._project, names)
        return {name: row.founder.event_id for name, row in rows.items()}
