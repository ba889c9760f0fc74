"""The command line as a test runs it: words in, exit code and both streams out."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from idweave.cli import main
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from idweave.wire import decode, encode_data_list

T0 = 1_700_000_000_000
"""When the records of these tests happened, ms since 1970."""


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def idweave(*words: str) -> Ran:
    """Run a command in this process, through its outermost door."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Ran(code, out.getvalue(), err.getvalue())


def record(nth: int, identities: dict[str, str], **fields: Any) -> dict[str, Any]:
    """A record as an SDK sends it; the nth has its own time and track id."""
    first = next(iter(identities.values()))
    return {
        "type": "track",
        "event": "Buy",
        "distinct_id": first,
        "time": T0 + nth,
        "_track_id": nth,
        "identities": {f"$identity_{key}": value for key, value in identities.items()},
        "properties": {},
        **fields,
    }


def fill(path: Path, records: list[dict[str, Any]], preset_name: str = "sensors") -> None:
    """Make a store that holds these records, in the project ``default``."""
    store = open_store(str(path))
    try:
        projects = {"default": Project("default", preset(preset_name))}
        engine = Engine(store, projects, clock=lambda: T0)
        decoded = decode(encode_data_list(records), "")
        engine.accept([engine.parse(decoded, T0, live=False)])
    finally:
        store.close()


def store_of(records: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of these records in a folder, which is where commands run from then on; in UTC."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TZ", "UTC")
    path = folder / "s.db"
    fill(path, records)
    return path
