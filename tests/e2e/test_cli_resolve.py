"""``idweave resolve``: files in, tables out, the same users as through a store; and bad input."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
import zstandard

from idweave.batch.tables import SCHEMA
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from tests.command import T0, Ran, idweave, record
from tests.golden.batches import Tables, of_tables
from tests.golden.outcomes import of_engine
from tests.golden.vectors import HERE

PEOPLE = 40


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def poisoned(count: int = 600) -> list[dict[str, Any]]:
    """Records of a crowd with junk ids, shared devices, a kiosk phone, unbinds and repeats."""
    chance = random.Random(11)
    found = []
    for nth in range(count):
        person = chance.randrange(PEOPLE)
        device = person if chance.random() < 0.9 else chance.randrange(PEOPLE)
        login = f"u{person}"
        phone = "13800000000" if person % 7 == 0 else f"139{person:04}"
        mobile = "00000" if chance.random() < 0.05 else phone
        ids = {"android_id": f"d{device}", "login_id": login, "mobile": mobile}
        carried = dict(chance.sample(sorted(ids.items()), chance.randint(1, 3)))
        kind = chance.choice(["track"] * 7 + ["track_signup", "track_id_bind", "track_id_unbind"])
        more = {"original_id": f"d{device}"} if kind == "track_signup" else {}
        time = T0 + chance.randrange(5_000)
        found.append(record(nth, carried, type=kind, distinct_id=login, time=time, **more))
    return [*found, *chance.sample(found, count // 10)]


def lines_of(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in records)


def resolve(*words: str, out: str = "out") -> Ran:
    return idweave("resolve", *words, "--out", out, "--workers", "1", "--json")


def tables(out: str = "out") -> Tables:
    return {name: pq.read_table(Path(out, f"{name}.parquet")) for name in SCHEMA}


def by_store(name: str = "s.db") -> Any:
    store = open_store(name)
    engine = Engine(store, {"default": Project("default", preset("sensors"))}, clock=lambda: T0)
    found = of_engine(engine, "default")
    store.close()
    return found


# -- the same answer -------------------------------------------------------------------------------


def test_files_resolved_and_files_imported_are_the_same_users() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    assert resolve("a.jsonl").code == 0
    assert idweave("import", "a.jsonl", "--store", "s.db").code == 0
    assert of_tables(tables()) == by_store()


def test_saved_requests_resolved_and_imported_are_the_same_users() -> None:
    path = HERE / "raw_requests.jsonl"
    ran = resolve(str(path))
    imported = idweave("import", str(path), "--store", "s.db", "--json")
    assert of_tables(tables()) == by_store()
    total = imported.json["total"]
    assert ran.json["counts"] == {name: total[name] for name in ran.json["counts"]}


def test_the_tables_of_a_store_are_those_of_its_files() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    resolve("a.jsonl")
    idweave("import", "a.jsonl", "--store", "s.db")
    assert idweave("export", "--store", "s.db", "--tables", "exported").code == 0
    assert tables("exported") == tables()


@pytest.fixture
def columns(here: Path) -> pa.Table:
    """The poisoned crowd as a table, with the event ids that its records have."""
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    resolve("a.jsonl", out="records")
    idweave("import", "a.jsonl", "--store", "s.db")
    store = open_store("s.db", read_only=True)
    engine = Engine(store, {"default": Project("default", preset("sensors"))}, clock=lambda: T0)
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for one in poisoned():
        decoded = engine.parse(as_request(one), T0, live=False)
        ((_, item),) = decoded.items
        values = {
            "event_id": item.event_id,  # type: ignore[union-attr]
            **{name: one.get(name) for name in ("time", "type", "distinct_id")},
            **one["identities"],
        }
        for name, column in rows.items():
            column.append(values.get(name))
    store.close()
    return pa.table(rows)


COLUMNS = (
    *("event_id", "time", "type", "distinct_id"),
    *("$identity_android_id", "$identity_login_id", "$identity_mobile"),
)


def as_request(one: dict[str, Any]) -> Any:
    from idweave.wire import decode, encode_data_list

    return decode(encode_data_list([one]), "")


def test_columns_of_parquet_give_what_the_records_give(columns: pa.Table) -> None:
    pq.write_table(columns, "a.parquet", row_group_size=100)
    assert resolve("a.parquet").json["counts"]["duplicates"] == 60
    assert tables() == tables("records")


def test_columns_of_csv_give_what_the_records_give(columns: pa.Table) -> None:
    pcsv.write_csv(columns, "a.csv")
    assert resolve("a.csv").code == 0
    assert tables() == tables("records")


def test_half_in_columns_and_half_in_records_is_one_history(columns: pa.Table) -> None:
    pq.write_table(columns.slice(0, 300), "a.parquet")
    Path("b.jsonl").write_bytes(lines_of(poisoned()[250:]))
    assert resolve("a.parquet", "b.jsonl").code == 0
    assert tables() == tables("records")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_files_give_what_plain_ones_give(pack: Any) -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    Path("b.bin").write_bytes(pack(lines_of(poisoned())))
    resolve("a.jsonl", out="plain")
    assert resolve("b.bin").code == 0
    assert tables() == tables("plain")


def test_the_same_files_in_another_order_give_the_same_bytes() -> None:
    records = poisoned()
    for nth in range(3):
        Path(f"{nth}.jsonl").write_bytes(lines_of(records[nth::3]))
    resolve("0.jsonl", "1.jsonl", "2.jsonl", out="one")
    resolve("2.jsonl", "0.jsonl", "1.jsonl", out="other")
    for name in SCHEMA:
        one, other = (Path(out, f"{name}.parquet").read_bytes() for out in ("one", "other"))
        assert one == other, name


# -- what it says ----------------------------------------------------------------------------------


def test_a_table_of_any_names_is_read_by_what_it_is_told() -> None:
    Path("a.csv").write_text("when,buyer,phone,amount\n2024-01-02T03:04:05Z,u1,139,7\n")
    words = ("--map", "when=time", "--map", "buyer=$identity_login_id", "--keep", "amount")
    ran = resolve("a.csv", *words)
    assert ran.code == 0
    (event,) = tables()["events"].to_pylist()
    assert event["time"].isoformat() == "2024-01-02T03:04:05+00:00"
    assert event["amount"] == "7"
    assert tables()["users"]["identities"].to_pylist() == [2]
    assert "phone=$identity_mobile" in ran.json["mappings"]["a.csv"]


def test_a_column_that_ids_may_not_come_from_is_left_out_by_a_dash() -> None:
    Path("a.csv").write_text("time,login_id,phone\n1700000000,u1,139\n1700000000,u2,139\n")
    assert resolve("a.csv", "--map", "phone=-").code == 0
    assert tables()["users"].num_rows == 2


def test_a_property_can_be_carried_into_the_events() -> None:
    one = record(1, {"login_id": "u1"}, properties={"city": "成都", "n": 3})
    Path("a.jsonl").write_bytes(lines_of([one]))
    resolve("a.jsonl", "--keep", "properties.city", "--keep", "properties.n", "--keep", "event")
    (event,) = tables()["events"].to_pylist()
    kept = [event[name] for name in ("properties.city", "properties.n", "event")]
    assert kept == ["成都", "3", "Buy"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_text_formats_hold_every_row_and_no_cell_runs_as_a_formula(form: str) -> None:
    Path("a.jsonl").write_bytes(lines_of([record(1, {"login_id": "=1+1"})]))
    resolve("a.jsonl", "--format", form)
    text = Path("out", f"identities.{form}").read_text("utf-8")
    assert ("'=1+1" in text) == (form == "csv")
    assert len(text.splitlines()) == (2 if form == "csv" else 1)


def test_people_see_counts_and_tables() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    ran = idweave("resolve", "a.jsonl", "--out", "out", "--workers", "1")
    assert "users.parquet" in ran.out
    assert "duplicates" in ran.out


def test_the_manifest_says_what_the_tables_were_made_of() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    counts = resolve("a.jsonl").json["counts"]
    manifest = json.loads(Path("out", "manifest.json").read_text("utf-8"))
    assert manifest["counts"] == counts
    assert manifest["inputs"][0]["bytes"] == Path("a.jsonl").stat().st_size
    assert manifest["tables"]["events"]["rows"] == counts["accepted"]


# -- bad input -------------------------------------------------------------------------------------


def test_bad_lines_land_in_rejections_with_their_place_and_the_rest_is_resolved() -> None:
    good = lines_of(poisoned(20))
    Path("a.jsonl").write_bytes(good + b"{broken\n[1]\n" + lines_of([record(99, {"loyal": "1"})]))
    ran = resolve("a.jsonl")
    assert ran.code == 5
    rows = tables()["rejections"].to_pylist()
    assert [(row["line"], row["code"]) for row in rows] == [
        (23, "INVALID_JSON"),
        (24, "INVALID_JSON"),
        (25, "UNDEFINED_IDENTITY"),
    ]
    counts = ran.json["counts"]
    assert counts["received"] == counts["accepted"] + counts["rejected"] + counts["duplicates"]
    assert counts["accepted"] == 20


def test_bad_rows_land_in_rejections_with_their_number() -> None:
    rows = ["e1,1700000000,u1", "e2,tomorrow,u1", ",1700000000,u1", f"e4,1700000000,{'x' * 256}"]
    Path("a.csv").write_text("event_id,time,login_id\n" + "\n".join(rows) + "\ne5,1\n")
    ran = resolve("a.csv")
    assert ran.code == 5
    found = tables()["rejections"].to_pylist()
    assert {(row["line"], row["field"]) for row in found} >= {
        (2, "time"),
        (3, "event_id"),
        (4, "login_id"),
    }
    counts = ran.json["counts"]
    assert (counts["accepted"], counts["rejected"], counts["received"]) == (1, 4, 5)


def test_a_file_that_is_cut_off_says_where_and_what_came_before_counts() -> None:
    content = lines_of(
        [record(n, {"login_id": f"u{random.Random(n).random()}"}) for n in range(3000)]
    )
    packed = gzip.compress(content)
    Path("a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    ran = resolve("a.jsonl.gz")
    assert ran.code == 1
    assert "cut off" in ran.json["flaws"][0]
    assert 0 < ran.json["counts"]["accepted"] < 3000


def test_a_damaged_parquet_file_is_refused_by_name() -> None:
    Path("a.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    ran = resolve("a.parquet")
    assert ran.code == 2
    assert "a.parquet is damaged" in ran.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("when,login_id", "no column is known to be the time"),
        ("time,whom", "no column is known to be an identity"),
    ],
)
def test_a_table_whose_columns_mean_nothing_says_how_to_map_them(head: str, said: str) -> None:
    Path("a.csv").write_text(f"{head}\n1700000000,u1\n")
    ran = resolve("a.csv")
    assert ran.code == 2
    assert said in ran.err
    assert "--map" in ran.err


def test_a_key_that_no_rule_declares_is_refused_before_anything_is_read() -> None:
    Path("a.csv").write_text("time,card\n1700000000,u1\n")
    ran = resolve("a.csv", "--map", "card=$identity_card")
    assert ran.code == 2
    assert "declares no key" in ran.err


def test_columns_under_a_simple_scheme_are_refused_and_records_of_the_same_are_taken() -> None:
    Path("a.csv").write_text("time,distinct_id,login_id\n1700000000,u1,u1\n")
    words = ("--policy", "simple-one-to-one")
    ran = resolve("a.csv", *words)
    assert ran.code == 2
    assert "JSON lines" in ran.err
    one = {"type": "track", "event": "Order", "time": T0, "_track_id": 7, "distinct_id": "u1"}
    signup = {**one, "type": "track_signup", "original_id": "a1", "event": "$SignUp"}
    Path("a.jsonl").write_bytes(lines_of([{**one, "login_id": "u1"}, signup]))
    assert resolve("a.jsonl", *words).code == 0
    assert tables()["users"]["identities"].to_pylist() == [2]


def test_tables_that_are_there_stay_unless_force_is_given() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned(20)))
    resolve("a.jsonl")
    Path("b.jsonl").write_bytes(lines_of(poisoned(10)))
    ran = resolve("b.jsonl")
    assert (ran.code, tables()["events"].num_rows) == (2, 20)
    assert "--force" in ran.err
    assert resolve("b.jsonl", "--force").code == 0
    assert tables()["events"].num_rows == 10


def test_a_folder_of_something_else_is_never_replaced() -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned(20)))
    Path("out").mkdir()
    Path("out", "thesis.txt").write_text("ten years")
    assert resolve("a.jsonl", "--force").code == 2
    assert Path("out", "thesis.txt").read_text() == "ten years"


def test_a_full_disk_leaves_nothing_half_written() -> None:
    """Linux has a device that is always full."""
    from idweave.batch.writing import folder
    from idweave.core.errors import StoreFull

    def write() -> None:
        with folder(Path("out")) as made:
            (made.unfinished / "events.parquet").symlink_to("/dev/full")
            schema = pa.schema([("n", pa.int64())])
            made.write("events", schema, [pa.table({"n": list(range(1000))})], lambda _: None)

    with pytest.raises(StoreFull, match="could not be written"):
        write()
    assert list(Path().iterdir()) == []


def test_a_file_that_is_not_there_is_named() -> None:
    ran = resolve("nowhere.jsonl")
    assert ran.code == 2
    assert "nowhere.jsonl" in ran.err


def test_ids_with_fractions_are_refused() -> None:
    pq.write_table(pa.table({"time": [1_700_000_000], "login_id": [1.5]}), "a.parquet")
    ran = resolve("a.parquet")
    assert ran.code == 2
    assert "fractions" in ran.err


def test_whole_numbers_that_met_a_gap_are_ids_still() -> None:
    pq.write_table(
        pa.table({"time": [1_700_000_000, 1], "login_id": [13800000000.0, None]}), "a.parquet"
    )
    assert resolve("a.parquet").code == 0
    assert tables()["identities"]["value"].to_pylist() == ["13800000000"]


def test_the_example_draws_pictures_of_the_tables(here: Path) -> None:
    Path("a.jsonl").write_bytes(lines_of(poisoned()))
    resolve("a.jsonl")
    script = Path(__file__).parents[2] / "examples" / "pictures.py"
    done = subprocess.run(
        [sys.executable, str(script), "out", "drawn"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    drawn = sorted(path.name for path in Path("drawn").iterdir())
    assert drawn == [
        "identities-per-user.svg",
        "keys-and-overlap.svg",
        "largest-users.svg",
        "merges-over-time.svg",
    ]
    for name in drawn:
        ET.parse(Path("drawn", name))


# -- Ctrl-C ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [False, True])
def test_ctrl_c_leaves_no_tables_no_rest_and_older_tables_as_they_were(before: bool) -> None:
    if before:
        Path("b.jsonl").write_bytes(lines_of(poisoned(10)))
        resolve("b.jsonl")
    Path("a.jsonl").write_bytes(lines_of(poisoned(20_000)))
    there = {path.name for path in Path().iterdir()}
    command = [sys.executable, "-m", "idweave", "resolve", "a.jsonl", "--out", "out", "--force"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(Path().glob(".out.unfinished-*")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b""), err
    assert err.splitlines() == [
        b"note: stopped: no tables were written, and older ones are as they were; run it again"
    ]
    assert {path.name for path in Path().iterdir()} == there
    if before:
        assert tables()["events"].num_rows == 10


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
