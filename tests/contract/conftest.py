"""Every store that is to keep the contract; a new one is a row here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from idweave.stores import OpenStore, open_store

URLS = {"memory": "memory:", "sqlite": "sqlite:{}/store.db"}


@pytest.fixture(params=sorted(URLS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """An empty store of each kind."""
    opened = open_store(URLS[request.param].format(tmp_path))
    yield opened
    opened.close()
