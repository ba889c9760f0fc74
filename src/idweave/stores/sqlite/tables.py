"""Small things every statement needs: interned names, parameter lists, bounded chunks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from .codec import damaged

PARAMETERS_MAX = 500
"""Values in one ``IN`` list: SQLite's least bound is 999, and statements of few lengths are
prepared once and kept."""


def chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    """The values in parts of at most PARAMETERS_MAX."""
    for start in range(0, len(values), PARAMETERS_MAX):
        yield list(values[start : start + PARAMETERS_MAX])


def marks(values: Sequence[Any]) -> str:
    """The question marks of an ``IN`` list."""
    return ",".join("?" * len(values))


class Names:
    """Projects and keys by number: both are few, so all of them are in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._projects: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._key_names: dict[int, str] = {}
        self.reload(connection)

    def reload(self, connection: sqlite3.Connection) -> None:
        """Read both tables again, as after a rolled-back transaction."""
        self._projects = dict(connection.execute("SELECT name, project_id FROM project"))
        self._keys = dict(connection.execute("SELECT name, key_id FROM identity_key"))
        self._key_names = {number: name for name, number in self._keys.items()}

    def project(self, name: str) -> int:
        """The number of a project, -1 (that of none) where it has none yet."""
        return self._projects.get(name, -1)

    def key(self, name: str) -> int:
        """The number of a key, -1 where it has none yet."""
        return self._keys.get(name, -1)

    def key_name(self, key_id: int) -> str:
        """The key of a number. Raises StoreError where it has none."""
        name = self._key_names.get(key_id)
        if name is None:
            raise damaged()
        return name

    def add_project(self, connection: sqlite3.Connection, name: str) -> int:
        """The number of a project, given now if need be."""
        if name not in self._projects:
            cursor = connection.execute("INSERT INTO project (name) VALUES (?)", (name,))
            self._projects[name] = int(cursor.lastrowid or 0)
        return self._projects[name]

    def add_key(self, connection: sqlite3.Connection, name: str) -> int:
        """The number of a key, given now if need be."""
        if name not in self._keys:
            cursor = connection.execute("INSERT INTO identity_key (name) VALUES (?)", (name,))
            self._keys[name] = int(cursor.lastrowid or 0)
            self._key_names[self._keys[name]] = name
        return self._keys[name]
