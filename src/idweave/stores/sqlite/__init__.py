"""SQLite: the default store. One file, no service, durable before it answers."""

from .store import SqliteStore

__all__ = ["SqliteStore"]
