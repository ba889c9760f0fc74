"""A folder of history, one file of it broken, on all three ways in: imported, resolved without a
store, and sent over HTTP into a project whose time window is off. It is the same users."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from idweave.batch.files.content import Content
from idweave.batch.files.lines import Lines
from idweave.batch.tables import SCHEMA
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from tests.command import T0, idweave
from tests.golden.batches import of_tables
from tests.golden.outcomes import Outcomes, of_engine

from .serving import served
from .test_cli_resolve import lines_of, poisoned

DAYS = 4
HISTORY = Path("history")


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A folder of one file a day, the newest first; the last was cut off while it was copied.
    Returns the records that can be read."""
    monkeypatch.chdir(tmp_path)
    HISTORY.mkdir()
    records = sorted(poisoned(), key=lambda one: str(one["time"]), reverse=True)
    size = len(records) // DAYS
    for day in range(DAYS):
        some = records[day * size : (day + 1) * size]
        packed = gzip.compress(lines_of(some), mtime=0)
        (HISTORY / f"{day}.jsonl.gz").write_bytes(packed)
    broken = lines_of(records[:3]) + b'{"type":"track"}\n{"type":\n'
    (HISTORY / "broken.jsonl").write_bytes(broken)
    cut = HISTORY / f"{DAYS - 1}.jsonl.gz"
    cut.write_bytes(cut.read_bytes()[:-2000])
    whole = list(readable())
    assert size * (DAYS - 1) < len(whole) < len(records)
    return whole


def readable() -> Iterator[dict[str, Any]]:
    """The records of all whole lines of the packed files."""
    for path in sorted(HISTORY.glob("*.gz")):
        with closing(Content(str(path))) as content:
            yield from (json.loads(line.text) for line in Lines(content))


def of_store(path: str) -> Outcomes:
    project = Project("default", preset("sensors"))
    with closing(open_store(path, read_only=True)) as store:
        return of_engine(Engine(store, {"default": project}, clock=lambda: T0), "default")


def test_a_folder_with_a_broken_file_comes_to_the_same_users_on_every_way_in(
    history: list[dict[str, Any]],
) -> None:
    files = sorted(map(str, HISTORY.iterdir()))
    imported = idweave("import", *files, "--store", "imported.db", "--json")
    assert imported.code == 1
    assert f"{DAYS - 1}.jsonl.gz is cut off" in imported.err
    resolved = idweave("resolve", str(HISTORY), "--out", "resolved", "--workers", "1", "--json")
    assert resolved.code == 1
    assert f"{DAYS - 1}.jsonl.gz is cut off" in resolved.err
    with closing(open_store("sent.db")) as store, served(store) as server:
        for start in range(0, len(history), 50):
            assert server.send(*history[start : start + 50]).status_code == 200
        sent = of_engine(server.engine, "default")
        accepted = server.stats()["accepted"]
    tables = {name: pq.read_table(Path("resolved", f"{name}.parquet")) for name in SCHEMA}
    assert of_tables(tables) == sent == of_store("imported.db")
    total = imported.json["total"]
    assert total["accepted"] == resolved.json["counts"]["accepted"] == accepted
    assert total["rejected_by_code"] == resolved.json["rejected_by_code"]
    assert sum(total["rejected_by_code"].values()) == 2
