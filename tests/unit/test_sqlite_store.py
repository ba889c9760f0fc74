"""The default store as a file: durable, one writer, its own version, and room that runs out."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from idweave.core.errors import InputError, StoreBusy, StoreError, StoreVersion
from idweave.ports import Changes, PayloadRow
from idweave.stores import open_store
from idweave.stores.sqlite import SqliteStore
from idweave.stores.sqlite.health import examine
from idweave.stores.sqlite.schema import APPLICATION_ID, MIGRATIONS, migrate

P = "shop"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@contextmanager
def opened(path: Path, *, create: bool = True, read_only: bool = False) -> Iterator[SqliteStore]:
    store = SqliteStore(str(path), create=create, read_only=read_only)
    try:
        yield store
    finally:
        store.close()


def count(store: SqliteStore) -> int:
    with store.reader() as reader:
        return reader.counters(P).get((P, "received"), 0)


def counted() -> Changes:
    return Changes(counters={(P, "received"): 1})


@contextmanager
def other_process(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python that runs ``code`` and has said its first line; killed if it still runs."""
    command = [sys.executable, "-c", dedent(code), str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


HOLD = """
    import sys
    from idweave.ports import Changes, PayloadRow
    from idweave.stores.sqlite import SqliteStore
    store = SqliteStore(sys.argv[1])
    store.commit(Changes(counters={("shop", "received"): 1}))
    print("ready", flush=True)
    sys.stdin.read()
"""


# -- how the file is kept --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1), ("temp_store", 2)],
)
def test_a_commit_is_on_the_disk_before_it_is_answered(
    path: Path, name: str, value: object
) -> None:
    with opened(path) as store:
        assert store.pragma(name) == value


def test_the_file_says_whose_it_is_and_of_which_version(path: Path) -> None:
    with opened(path) as store:
        assert store.pragma("application_id") == APPLICATION_ID
        assert store.pragma("user_version") == len(MIGRATIONS)


def test_every_table_holds_its_columns_to_their_types(path: Path) -> None:
    with opened(path), closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
        tables = {name: strict for name, strict in rows if not name.startswith("sqlite_")}
    assert len(tables) > 10
    assert set(tables.values()) == {1}


def test_everything_committed_is_there_after_closing(path: Path) -> None:
    with opened(path) as store:
        store.commit(counted())
    with opened(path, create=False) as store:
        assert count(store) == 1


@pytest.mark.parametrize("prefix", ["sqlite:", ""])
def test_a_store_is_opened_by_its_url_or_by_its_path(path: Path, prefix: str) -> None:
    store = open_store(f"{prefix}{path}")
    store.close()
    assert path.exists()


# -- what is no store of ours ----------------------------------------------------------------------


def test_who_only_reads_is_told_of_an_older_store_and_of_a_stranger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        file.execute("CREATE TABLE payload (payload_id)")
    with pytest.raises(StoreVersion, match="version 0; this idweave reads"):
        SqliteStore(str(path), read_only=True)
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA application_id = 0")
    with pytest.raises(StoreVersion, match="not an idweave store"):
        SqliteStore(str(path), read_only=True)
    assert tables(path) == ["payload"]


def test_a_newer_store_is_refused_with_both_versions(path: Path) -> None:
    newer, ours = len(MIGRATIONS) + 41, len(MIGRATIONS)
    with opened(path), closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(StoreVersion, match=rf"version {newer}.* knows {ours}\b") as caught:
        SqliteStore(str(path))
    assert "Upgrade" in caught.value.fix


def test_the_database_of_another_program_is_refused_and_left_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE account (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreVersion, match="not an idweave store"):
        SqliteStore(str(path))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path: Path) -> None:
    path.write_text("name,age\n" * 1000)
    with pytest.raises(InputError, match="not an SQLite file"):
        SqliteStore(str(path))
    assert path.read_text() == "name,age\n" * 1000


@pytest.mark.parametrize("options", [{"create": False}, {"read_only": True}])
def test_a_store_that_is_to_exist_is_not_made(path: Path, options: dict[str, bool]) -> None:
    with pytest.raises(InputError, match="no store at"):
        SqliteStore(str(path), **options)
    assert list(path.parent.iterdir()) == []


def test_a_store_in_a_folder_that_does_not_exist_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        SqliteStore(str(path / "store.db"))


@pytest.mark.parametrize("url", ["", "sqlite:", "postgres://host/db", "http://x/y"])
def test_an_address_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is not a store"):
        open_store(url)


def test_a_refused_file_is_not_kept_locked(path: Path) -> None:
    path.write_text("name,age\n" * 1000)
    with pytest.raises(InputError):
        SqliteStore(str(path))
    path.unlink()
    with opened(path) as store:
        store.commit(counted())


# -- one writer ------------------------------------------------------------------------------------


def test_a_second_process_is_refused_with_the_number_of_the_first(path: Path) -> None:
    with other_process(HOLD, path) as holder:
        with pytest.raises(StoreBusy, match=rf"in use by process {holder.pid}\b") as caught:
            SqliteStore(str(path))
        assert "Stop that process" in caught.value.fix


def test_a_second_store_of_the_same_process_is_refused(path: Path) -> None:
    with opened(path) as store:
        with pytest.raises(StoreBusy, match=rf"process {os.getpid()}\b"):
            SqliteStore(str(path))
        store.commit(counted())  # and the first one goes on


def test_the_lock_of_a_killed_process_is_no_obstacle_and_its_commits_stay(path: Path) -> None:
    with other_process(HOLD, path) as holder:
        holder.kill()
        holder.wait()
        with opened(path) as store:
            assert count(store) == 1
            store.commit(counted())
            assert count(store) == 2


def test_a_closed_store_lets_the_next_writer_in(path: Path) -> None:
    for _ in range(2):
        with opened(path) as store:
            store.commit(counted())
    with opened(path) as store:
        assert count(store) == 2


# -- reading beside a writer -----------------------------------------------------------------------


def test_a_reading_store_follows_a_writer_in_another_process(path: Path) -> None:
    with other_process(HOLD, path), opened(path, read_only=True) as store:
        assert count(store) == 1


def test_a_reading_store_sees_what_is_committed_after_it_was_opened(path: Path) -> None:
    with opened(path) as writer, opened(path, read_only=True) as store:
        writer.commit(counted())
        assert count(store) == 1


def test_a_reading_store_cannot_write(path: Path) -> None:
    with opened(path) as writer, opened(path, read_only=True) as store:
        with pytest.raises(StoreError):
            store.commit(counted())
        writer.commit(counted())
        assert count(store) == 1


def files(path: Path) -> dict[str, bytes]:
    """The store and its log."""
    names = (path.name, f"{path.name}-wal")
    return {name: path.with_name(name).read_bytes() for name in names}


def test_reading_what_a_killed_process_left_changes_nothing(path: Path) -> None:
    with other_process(HOLD, path) as holder:
        holder.kill()
        holder.wait()
    before = files(path)
    with opened(path, read_only=True) as store:
        assert count(store) == 1
    examine(path, thorough=True)
    assert files(path) == before


# -- migrations ------------------------------------------------------------------------------------


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in rows]


def test_a_migration_that_fails_half_way_is_taken_back(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        file.execute("CREATE TABLE counter (stands_in_the_way)")  # the last one that is made
        with pytest.raises(sqlite3.OperationalError, match="counter already exists"):
            migrate(file, str(path))
        assert not file.in_transaction
    assert tables(path) == ["counter"]


def test_a_migration_that_is_killed_half_way_is_done_again(path: Path) -> None:
    code = """
        import os, sqlite3, sys
        from idweave.stores.sqlite.schema import migrate
        file = sqlite3.connect(sys.argv[1], isolation_level=None)
        def end_half_way(statement):
            if "CREATE TABLE counter" in statement:
                os._exit(9)
        file.set_trace_callback(end_half_way)
        migrate(file, "store.db")
    """
    run = subprocess.run([sys.executable, "-c", dedent(code), str(path)], check=False)
    assert run.returncode == 9
    assert tables(path) == []
    with opened(path) as store:
        store.commit(counted())
        assert count(store) == 1


KILL_EVERYWHERE = """
    import os, sqlite3, sys
    from contextlib import closing
    from pathlib import Path
    from idweave.stores.sqlite.schema import MIGRATIONS, migrate

    def migrate_until(end, path):
        left = [end]
        def count(statement):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.set_trace_callback(count)
            migrate(file, path)

    def objects(file):
        return file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def after(version):
        with closing(sqlite3.connect(":memory:")) as file:
            for statements in MIGRATIONS[:version]:
                for statement in statements:
                    file.execute(statement)
            return objects(file)

    def state(path):
        with closing(sqlite3.connect(path)) as file:
            return file.execute("PRAGMA user_version").fetchone()[0], objects(file)

    path, end, code, newest = sys.argv[1], 0, 9, len(MIGRATIONS)
    whole = {(version, after(version)) for version in range(newest + 1)}
    while code:
        end += 1
        Path(path).unlink(missing_ok=True)
        child = os.fork()
        if not child:
            migrate_until(end, path)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert state(path) in whole, end
        migrate_until(0, path)
        assert state(path) == (newest, after(newest)), end
    print(end - 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_f15_a_migration_killed_at_any_of_its_statements_leaves_nothing_and_is_done_again(
    path: Path,
) -> None:
    command = [sys.executable, "-c", dedent(KILL_EVERYWHERE), str(path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(run.stdout) > sum(map(len, MIGRATIONS))
    with opened(path) as store:
        store.commit(counted())
        assert count(store) == 1


# -- no room ---------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of files")
def test_a_full_disk_refuses_writes_until_there_is_room_and_reads_go_on(path: Path) -> None:
    code = """
        import resource, sys
        from idweave.core.errors import StoreFull
        from idweave.ports import Changes, PayloadRow
        from idweave.stores.sqlite import SqliteStore

        def received():
            with store.reader() as reader:
                return reader.counters("shop")["shop", "received"]

        def write(size):
            number = store.high_marks().payload + 1
            body = bytes([number]) * size
            counters = {("shop", "received"): 1, (f"new {number}", "received"): 1}
            store.commit(Changes(payloads=[PayloadRow(number, "p", 5, body)], counters=counters))

        store = SqliteStore(sys.argv[1])
        write(1000)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        for _ in range(2):
            try:
                write(5_000_000)
            except StoreFull as error:
                print(error.code, received(), store.high_marks().payload)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        write(5_000_000)
        print("written", received(), store.high_marks().payload)
        store.close()
    """
    command = [sys.executable, "-c", dedent(code), str(path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines() == ["STORE_FULL 1 1", "STORE_FULL 1 1", "written 2 2"]
    with opened(path) as store, store.reader() as reader:
        assert reader.payload(2) == PayloadRow(2, "p", 5, b"\2" * 5_000_000)
