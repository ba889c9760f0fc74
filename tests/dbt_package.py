"""Runs the package in ``dbt/`` with dbt and DuckDB, on tables that ``idweave resolve`` writes.

    python -m tests.dbt_package

dbt brings fifty packages, some of which contradict ours, so it lives in ``.venv-dbt``, made from
``dbt/requirements.lock``. Checked are all models and their tests, what they count against the
tables themselves, and that tables which are not as they should be are found.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.command import idweave
from tests.e2e.test_cli_resolve import lines_of, poisoned

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dbt"
LOCK = PACKAGE / "requirements.lock"
VENV = ROOT / ".venv-dbt"
STAMP = VENV / "idweave.stamp"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


class Built(NamedTuple):
    """What a run of dbt came to."""

    code: int
    said: str


def make_environment() -> None:
    """Make ``.venv-dbt`` hold what the lock says."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted:
        return
    venv.create(VENV, clear=True, with_pip=True)
    words = ["-m", "pip", "-qqq", "install", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    subprocess.run([str(BIN / "python"), *words], check=True)  # the lock names them all
    STAMP.write_text(wanted, "utf-8")


def build(tables: Path, **more: str) -> Built:
    """``dbt build`` over a folder of tables, into the file ``out.duckdb`` beside it."""
    beside = tables.parent
    said = json.dumps({"idweave_tables": str(tables), **more})
    words = ["--no-version-check", "build", "--profiles-dir", "profile", "--vars", said]
    places = ["--target-path", str(beside / "target"), "--log-path", str(beside / "logs")]
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "False", "NO_COLOR": "1"}
    own = {"IDWEAVE_DUCKDB": str(beside / "out.duckdb"), **quiet}
    ran = subprocess.run(
        [str(BIN / "dbt"), *words, *places],
        cwd=PACKAGE,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    return Built(ran.returncode, ran.stdout + ran.stderr)


def asked(file: Path, question: str) -> Any:
    """The one number that a question of SQL comes to."""
    script = (
        "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql(sys.argv[2]).fetchall()[0][0])"
    )
    words = [str(BIN / "python"), "-c", script, str(file), question]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(ran.stdout)


def rows(tables: Path, name: str) -> pa.Table:
    return pq.read_table(tables / f"{name}.parquet")


def counts(tables: Path) -> Iterator[tuple[str, int]]:
    """Questions to the models, and what the tables say to them."""
    users, redirects, events = (rows(tables, name) for name in ("users", "redirects", "events"))
    identities = rows(tables, "identities")
    is_now = pc.and_(pc.is_null(identities["left_at"]), pc.is_valid(identities["canonical_id"]))
    yield "select sum(users) from idweave_identities_per_user", users.num_rows
    yield "select count(*) from idweave_names", users.num_rows + redirects.num_rows
    yield "select count(*) from idweave_identities_now", identities.filter(is_now).num_rows
    yield "select sum(merged_users) from idweave_merges_by_month", redirects.num_rows
    yield "select sum(events) from idweave_daily_users", events.num_rows
    phones = pc.and_(is_now, pc.equal(identities["key"], "$identity_mobile"))
    holders = len(pc.unique(identities.filter(phones)["canonical_id"]))
    both = "key = '$identity_mobile' and other_key = key"
    yield f"select users from idweave_key_overlap where {both}", holders


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


def of_nobody(name: str) -> Callable[[pa.Table], pa.Table]:
    """The first row names a user that there is not, or a reason that is none."""

    def damaged(table: pa.Table) -> pa.Table:
        column = pa.array(["0", *table[name].to_pylist()[1:]], pa.string())
        return table.set_column(table.column_names.index(name), name, column)

    return damaged


DAMAGES: tuple[tuple[str, Callable[[pa.Table], pa.Table], str], ...] = (
    ("users", twice, "unique"),
    ("events", of_nobody("canonical_id"), "relationships"),
    ("refusals", of_nobody("reason"), "accepted_values"),
    ("identities", lambda table: table.slice(1), "users_count_what_they_hold"),
)
"""What is done to a table, and the test that must find it."""


def main() -> int:
    """Check everything; says what is wrong and returns 1."""
    make_environment()
    with TemporaryDirectory() as name:
        folder = Path(name)
        flaws = list(found(folder))
    for flaw in flaws:
        sys.stdout.write(f"dbt package: {flaw}\n")
    sys.stdout.write(f"dbt package: {'sound' if not flaws else f'{len(flaws)} flaws'}\n")
    return 1 if flaws else 0


def found(folder: Path) -> Iterator[str]:
    """What is wrong with the package."""
    (folder / "a.jsonl").write_bytes(lines_of(poisoned()))
    tables = folder / "tables"
    resolved = idweave("resolve", str(folder / "a.jsonl"), "--out", str(tables))
    if resolved.code:
        yield resolved.err
        return
    for attribution in ("as_seen", "latest"):
        built = build(tables, idweave_attribution=attribution)
        if built.code or "Deprecat" in built.said:
            yield built.said
            return
    for question, expected in counts(tables):
        said = asked(folder / "out.duckdb", question)
        if said != expected:
            yield f"{question}: {said}, and the tables say {expected}"
    for table, damage, finder in DAMAGES:
        damaged = folder / f"damaged-{table}"
        shutil.copytree(tables, damaged)
        pq.write_table(damage(rows(tables, table)), damaged / f"{table}.parquet")
        built = build(damaged)
        if built.code == 0 or not any(
            finder in line for line in built.said.splitlines() if " FAIL " in line
        ):
            yield f"{table}: the damage was not found by {finder}: {built.said}"


if __name__ == "__main__":
    sys.exit(main())
