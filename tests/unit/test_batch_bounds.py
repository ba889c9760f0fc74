"""What the batch resolver holds in memory is bounded, and no bound shows in the answer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from idweave.batch.events import BOUNDS, Bounds, Columns, Pile, Shelf
from idweave.batch.merging import event_tables
from idweave.batch.run import SPILLED, Job, resolve_files
from idweave.batch.spreading import Spread
from idweave.batch.tables import SCHEMA
from idweave.batch.writing import folder
from idweave.core.errors import StoreFull
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy_file import preset
from idweave.core.record import Project
from tests.golden.batches import worked_out

ROWS = 2_000
START_MS = 1_700_000_000_000
PROJECT = Project("shop", preset("sensors"))
TIGHT = Bounds(
    chunk_rows=150,
    run_events=200,
    run_bytes=1 << 12,
    memory_bytes=0,
    repeat_events=300,
    fact_events=40,
)


def crowd() -> pa.Table:
    """Rows of a crowd with a shared phone, unbinds, late events and equal times."""
    chance = random.Random(5)
    rows = []
    for nth in range(ROWS):
        person = chance.randrange(90)
        unbind = chance.random() < 0.02
        day = -86_400 if chance.random() < 0.05 else 0
        row = {
            "event_id": f"{chance.getrandbits(64):016x}",
            "time": START_MS + nth // 3 + day,
            "type": "track_id_unbind" if unbind else chance.choice(["track", "track_signup"]),
            "distinct_id": f"u{person}",
            "android_id": None if unbind else f"d{person if nth % 9 else chance.randrange(90)}",
            "login_id": f"u{person}" if chance.random() < 0.6 else None,
            "mobile": "13800000000" if person % 9 == 0 else f"139{person:04}",
            "shop": chance.choice(["north", "south", None]),
        }
        rows.append(row)
    return pa.Table.from_pylist(rows)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    """The crowd as Parquet, CSV and JSON lines, a third each; some rows of the first two again."""
    table = crowd()
    third = table.num_rows // 3
    found = tuple(tmp_path / name for name in ("a.parquet", "b.csv", "c.jsonl", "d.csv"))
    again = np.random.default_rng(5).permutation(2 * third)[: third // 3]
    pcsv.write_csv(table.take(pa.array(again)), found[3])
    pq.write_table(table.slice(0, third), found[0], row_group_size=170)
    pcsv.write_csv(table.slice(third, third), found[1])
    with found[2].open("w") as lines:
        for row in table.slice(2 * third).to_pylist():
            lines.write(json.dumps(record_of(row)) + "\n")
    return found


def record_of(row: dict[str, object]) -> dict[str, object]:
    keys = ("android_id", "login_id", "mobile")
    ids = {f"$identity_{key}": row[key] for key in keys if row[key]}
    plain = {name: row[name] for name in ("time", "type", "distinct_id", "shop")}
    return {**plain, "message_id": row["event_id"], "identities": ids, "properties": {}}


def resolved(files: tuple[Path, ...], out: Path, bounds: Bounds) -> dict[str, bytes]:
    job = Job(files, PROJECT, START_MS, keep=("shop",), bounds=bounds)
    with folder(out) as made:
        resolve_files(job, made, Spread(1), lambda *_: None)
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


def test_the_tightest_bounds_give_the_same_bytes_as_none(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    loose = resolved(files, tmp_path / "loose", BOUNDS)
    tight = resolved(files, tmp_path / "tight", TIGHT)
    assert json.loads(loose["manifest.json"])["counts"]["duplicates"] == ROWS // 9
    assert set(loose) == {*(f"{name}.parquet" for name in SCHEMA), "manifest.json"}
    for name, content in loose.items():
        assert tight[name] == content, name


def test_columns_past_the_bound_go_to_files_and_none_stays_behind(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "spilled", Bounds(run_events=10, memory_bytes=500))
    pile = Pile(shelf)
    for nth in range(20):
        pile.add(columns_of(range(nth * 10, nth * 10 + 10)), np.zeros(10, np.int32))
    events = pile.events()
    assert shelf.held_bytes <= 500
    assert len(list((tmp_path / "spilled").iterdir())) == shelf.files >= 10
    assert events.ids_of(np.array([150, 3, 199])).to_pylist() == ["e150", "e3", "e199"]
    shelf.close()
    assert not (tmp_path / "spilled").exists()


def columns_of(numbers: range) -> Columns:
    ids = pa.array([f"e{number}" for number in numbers])
    return Columns(np.array(numbers, np.int64), ids, pa.table({}))


def test_events_that_are_left_out_leave_their_files_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "spilled", Bounds(run_events=10, memory_bytes=0))
    pile = Pile(shelf)
    pile.add(columns_of(range(10)), np.arange(10, dtype=np.int32))
    pile.add(columns_of(range(10, 20)), np.arange(10, 20, dtype=np.int32))
    some = pile.events().without(np.array([*range(9), 15]))
    left = [9, 10, 11, 12, 13, 14, 16, 17, 18, 19]
    assert some.ids_of(np.arange(10)).to_pylist() == [f"e{number}" for number in left]
    assert some.shapes_of(np.arange(10)).tolist() == left
    assert len(list((tmp_path / "spilled").iterdir())) == 2


def test_columns_to_keep_are_there_where_no_event_is(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text("nothing\n")
    resolved((lines,), tmp_path / "out", BOUNDS)
    assert pq.read_schema(tmp_path / "out" / "events.parquet").names[-1] == "shop"


def test_row_groups_are_full_wherever_the_runs_are_cut() -> None:
    chance = random.Random(3)
    facts = [
        Fact(1_000 + chance.randrange(50), f"e{n}", Kind.OBSERVE, (Identity("email", f"{n}@a.b"),))
        for n in range(100)
    ]
    outcome = worked_out(facts, PROJECT.policy)
    parts = list(event_tables(outcome, 7))
    assert [part.num_rows for part in parts] == [*[7] * 14, 2]
    rows = pa.concat_tables(parts)
    assert rows["event_id"].to_pylist() == [
        fact.event_id for fact in sorted(facts, key=lambda fact: (fact.time_ms, fact.event_id))
    ]


def test_a_disk_that_is_full_of_spilled_columns_is_told_and_leaves_nothing(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    """Linux has a device that is always full."""
    job, out = Job(files, PROJECT, START_MS, bounds=TIGHT), tmp_path / "out"

    def run() -> None:
        with folder(out) as made:
            (made.unfinished / SPILLED).mkdir()
            (made.unfinished / SPILLED / "3.arrow").symlink_to("/dev/full")
            resolve_files(job, made, Spread(1), lambda *_: None)

    with pytest.raises(StoreFull, match="could not be written"):
        run()
    assert sorted(tmp_path.iterdir()) == sorted(files)
