"""Who is forgotten leaves the state file to the last byte, and no sync brings them back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from idweave.unionid.mock import MockAccount, MockServer, World
from idweave.unionid.mock.scenarios import CLUB, SHOP
from tests.remains import remains
from tests.unit.test_unionid_cli import Demo, now_ms


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    world = World.of(
        [
            MockAccount(SHOP, "Shop", users=range(60)),
            MockAccount(CLUB, "Club", users=range(40, 90)),
        ],
        now_ms,
    )
    with MockServer(world) as server:
        demo = Demo(world, server, tmp_path)
        assert demo.run("sync").code == 0
        yield demo


def state_of(demo: Demo) -> Path:
    (path,) = demo.config.parent.glob("**/unionid*.db")
    return path


def ids_of(demo: Demo, user: int) -> dict[str, str]:
    """The ids of a follower of both accounts, as the file has them."""
    with sqlite3.connect(state_of(demo)) as connection:
        rows = connection.execute(
            "SELECT a.appid, l.openid, l.unionid FROM link l JOIN account a USING (account_id)"
            " WHERE l.unionid IN (SELECT unionid FROM link GROUP BY unionid HAVING count(*) = 2)"
            " ORDER BY l.unionid, a.appid"
        ).fetchall()
    connection.close()
    (first, one, union), (second, other, _) = rows[2 * user : 2 * user + 2]
    return {first: one, second: other, "unionid": union}


def identities_in(demo: Demo) -> str:
    return demo.ask("export").out


def graph_is_sound(demo: Demo) -> bool:
    return demo.ask("replay", "--verify").code == 0


def test_an_erased_person_leaves_store_and_state_file_and_no_sync_brings_it_back(
    demo: Demo,
) -> None:
    ids = ids_of(demo, 3)
    values = set(ids.values())
    folder = demo.config.parent
    assert remains(folder, values) == values
    found = demo.ask("lookup", "mp_unionid", ids["unionid"], "--json").json
    name = found["user"]["canonical_id"]
    why = ("--reason", "ticket 17", "--author", "ann")
    seen = demo.ask("erase", "--user", name, *why, "--dry-run")
    assert "2 followers of this person" in seen.out
    assert remains(folder, values) == values
    assert demo.ask("erase", "--user", name, *why, "--yes").code == 0
    assert remains(folder, values) == set()
    before = identities_in(demo)
    for words in (("sync",), ("sync", "--delta"), ("sync",)):
        assert demo.run(*words).code == 0
        assert remains(folder, values) == set()
    assert identities_in(demo) == before
    assert graph_is_sound(demo)


def test_forgetting_one_id_forgets_all_that_are_tied_to_it_and_nobody_else(demo: Demo) -> None:
    ids, others = ids_of(demo, 0), ids_of(demo, 1)
    seen = demo.run("forget", f"mp_unionid={ids['unionid']}")
    assert "2 openids, 1 union ids, 2 followers would be forgotten" in seen.out
    state = state_of(demo)
    assert remains(state.parent, ids.values()) >= set(ids.values())
    done = demo.run("forget", f"mp_unionid={ids['unionid']}", "--yes", "--json").json
    assert done == {
        "forgotten": True,
        "is_scrubbed": True,
        "openids": 2,
        "union_ids": 1,
        "followers": 2,
    }
    raw = state.read_bytes()
    assert [one for one in ids.values() if one.encode() in raw] == []
    assert all(one.encode() in raw for one in others.values())
    assert demo.run("sync").code == 0
    wal = state.with_name(state.name + "-wal")
    raw = state.read_bytes() + (wal.read_bytes() if wal.exists() else b"")
    assert [one for one in ids.values() if one.encode() in raw] == []


def test_what_is_no_id_of_an_app_is_said(demo: Demo) -> None:
    ran = demo.run("forget", "login_id=alice")
    assert ran.code == 3
    assert "No app of [unionid] has ids of these keys" in ran.err
