"""The state file: whose it is, which version, and that several processes may share it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from idweave.core.errors import InputError, StoreFull, StoreVersion
from idweave.unionid.state import Database, TokenCache, TokenRow
from idweave.unionid.state.quota import Ledger, next_midnight_ms, parked_until_ms
from idweave.unionid.state.schema import MIGRATIONS
from tests.unit.unionid_room import START_MS, together


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StoreVersion, match="not one of `unionid`"):
        Database(str(path))


def test_a_file_of_a_newer_version_is_refused_by_number(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    Database(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.close()
    with pytest.raises(StoreVersion, match=f"version {len(MIGRATIONS) + 1}"):
        Database(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("hello " * 1000)
    with pytest.raises(InputError, match="not an SQLite file"):
        Database(str(path))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Database(str(tmp_path / "no" / "state.db"))


def test_a_transaction_that_fails_leaves_nothing() -> None:
    database = Database(":memory:")

    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO account (appid) VALUES ('wx')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.rows("SELECT count(*) FROM account") == [(0,)]
    database.close()


def test_a_full_disk_is_said_and_nothing_is_half_written() -> None:
    database = Database(":memory:")
    database.rows("PRAGMA max_page_count = 30")
    with pytest.raises(StoreFull), database.transaction() as connection:
        connection.execute("INSERT INTO account (appid) VALUES (zeroblob(1000000) || 'x')")
    assert database.rows("SELECT count(*) FROM account") == [(0,)]
    database.close()


def test_many_processes_make_one_file_together(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    made = together(6, lambda _: Database(path))
    numbers = together(6, lambda n: made[n].account_id("wxa"))
    assert len(set(numbers)) == 1
    for database in made:
        database.close()


def test_of_many_workers_one_gets_the_claim(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    databases = [Database(path) for _ in range(6)]
    won = together(
        6,
        lambda n: TokenCache(databases[n]).claim("s", 0, f"w{n}", now_ms=0, until_ms=10),
    )
    assert sum(won) == 1
    holder = f"w{won.index(True)}"
    cache = TokenCache(databases[0])
    assert not cache.store("s", "another", TokenRow(1, b"x", 5))
    assert cache.store("s", holder, TokenRow(1, b"x", 5))
    assert not cache.claim("s", 0, "late", now_ms=20, until_ms=30)  # it saw an older version
    assert cache.load("s") == (1, b"x", 5)
    for database in databases:
        database.close()


@pytest.mark.parametrize(
    ("now_ms", "midnight_ms"),
    [
        (START_MS, START_MS + 86_400_000),
        (START_MS - 1, START_MS),
        (START_MS + 86_399_999, START_MS + 86_400_000),
    ],
)
def test_the_day_of_the_platform_ends_at_midnight_in_china(now_ms: int, midnight_ms: int) -> None:
    assert next_midnight_ms(now_ms) == midnight_ms


def test_a_quota_is_parked_until_midnight_but_for_an_hour_where_the_reset_may_be_late() -> None:
    evening, night = START_MS + 20 * 3_600_000, START_MS + 3_600_000
    assert parked_until_ms(evening) == START_MS + 86_400_000
    assert parked_until_ms(night) == night + 3_600_000
    database = Database(":memory:")
    ledger = Ledger(database)
    assert ledger.park("wxa", "q", evening) == ledger.parked_until("wxa", "q", evening)
    database.close()
