"""Servers for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from idweave.stores import OpenStore, open_store

from .serving import Served, served


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OpenStore]:
    """An empty store in a file."""
    opened = open_store(str(tmp_path / "store.db"))
    yield opened
    opened.close()


@pytest.fixture
def server(store: OpenStore) -> Iterator[Served]:
    """A server on an empty store."""
    with served(store) as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    """A server for tests that only ask, or that do not mind what others sent."""
    store = open_store("memory:")
    with served(store) as running:
        yield running
    store.close()
