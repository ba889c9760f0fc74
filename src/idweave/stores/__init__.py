"""Where the engine keeps what it knows: one port, several technologies."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from idweave.core.errors import InputError
from idweave.ports import Store


class OpenStore(Store, Protocol):
    """A store that was opened and has to be closed."""

    def close(self) -> None:
        """Give back what it holds; everything committed stays."""
        ...


def open_store(url: str, *, create: bool = True, read_only: bool = False) -> OpenStore:
    """Open ``memory:``, ``sqlite:PATH`` or a bare path. ``read_only`` takes no lock and works
    beside a running server. Raises InputError, StoreBusy or StoreVersion, each with a fix."""
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        from .memory import MemoryStore

        return MemoryStore()
    path = _path(url)
    if not path or "://" in url:
        fix = "Use memory:, sqlite:PATH, or the path of a file."
        raise InputError(f"{url!r} is not a store.", fix=fix)
    from .sqlite import SqliteStore

    return SqliteStore(path, create=create, read_only=read_only)


def is_fresh(url: str) -> bool:
    """Whether :func:`filling` can fill a store: a file that is not there, or holds nothing yet.
    Raises as :func:`open_store` does."""
    path = _path(url)
    if url == "memory:" or not path or "://" in url:
        return False
    from .sqlite import filling as sqlite

    return sqlite.is_fresh(Path(path))


def filling(url: str) -> AbstractContextManager[OpenStore]:
    """A store in place of a fresh one, for ``engine.loading`` to fill: it appears when the block
    ends well, and nothing has changed when it does not."""
    from .sqlite import filling as sqlite

    return sqlite.filling(Path(_path(url)))


def _path(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    return rest if scheme == "sqlite" and colon else url
