"""The answers: equal to counting by hand in every world, and drawn so that they read well."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idweave.unionid.apps import App, OpenPlatform
from idweave.unionid.mock import MockAccount
from idweave.unionid.overlap import (
    AccountLine,
    Combination,
    Overlap,
    as_csv,
    as_json,
    overlap,
)
from idweave.unionid.picture import ACCOUNTS_MAX, COLUMNS_MAX, short, upset
from idweave.unionid.sync import sync_account
from tests.unit.unionid_room import Setup, app_of, setup, world_of

USERS = st.sets(st.integers(0, 12))


@st.composite
def accounts(draw: st.DrawFn) -> list[MockAccount]:
    """Up to five accounts of small crowds; some unbound, some of another company, some left."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        users = sorted(draw(USERS))
        left = draw(st.sets(st.sampled_from(users))) if users else set()
        platform = draw(st.sampled_from(["main", "main", "other", None]))
        name = f"wx{number:014d}"
        made.append(MockAccount(name, name, open_platform=platform, users=users, left=left))
    return made


def synced(world_accounts: Iterable[MockAccount]) -> tuple[Setup, list[App]]:
    world, time = world_of(*world_accounts)
    room = setup(world, time)
    apps = []
    for account in world.accounts.values():
        platform = account.open_platform
        changes: dict[str, Any] = {}
        if platform == "other":
            changes["open_platform"] = OpenPlatform("other", "$identity_other_unionid")
        apps.append(app_of(account, **changes))
        assert sync_account(room.room, apps[-1]).finished
    return room, apps


def people_of(account: MockAccount) -> set[tuple[str, int]]:
    """By hand: who follows and can be known."""
    if account.open_platform is None:
        return set()
    return {(account.open_platform, user) for user in account.users if user not in account.left}


@given(accounts())
def test_the_answer_is_what_counting_by_hand_gives(made: list[MockAccount]) -> None:
    room, apps = synced(made)
    found = overlap(room.database, apps)
    known = [people_of(account) for account in made]
    everybody = set().union(*known)
    following = [len(set(account.users) - account.left) for account in made]
    assert found.people == len(everybody)
    assert found.followers == sum(following)
    assert found.people_at_most == len(everybody) + sum(
        count - len(people) for count, people in zip(following, known, strict=True)
    )
    assert found.people_at_least == max([len(everybody), *following])
    assert found.matrix == tuple(tuple(len(one & two) for two in known) for one in known)
    by_hand: dict[tuple[int, ...], int] = {}
    for person in everybody:
        row = tuple(number for number, people in enumerate(known) if person in people)
        by_hand[row] = by_hand.get(row, 0) + 1
    assert {row.accounts: row.people for row in found.combinations} == by_hand
    for line, account, people in zip(found.accounts, made, known, strict=True):
        assert (line.known, line.followers) == (
            len(people),
            len(set(account.users) - account.left),
        )
        unbound = 0 if account.open_platform else len(set(account.users) - account.left)
        wanted = {"not_bound": unbound, "not_following": len(account.left)}
        assert line.unresolved == {why: count for why, count in wanted.items() if count}


def test_only_the_accounts_asked_for_are_counted() -> None:
    crowds = [range(10), range(5, 15), range(20)]
    room, apps = synced(
        MockAccount(f"wx{n}", f"A{n}", users=crowd) for n, crowd in enumerate(crowds)
    )
    found = overlap(room.database, apps[:2])
    assert (found.people, found.followers) == (15, 20)
    assert {row.accounts: row.people for row in found.combinations} == {
        (0, 1): 5,
        (0,): 5,
        (1,): 5,
    }


def test_an_account_that_was_never_synced_counts_nobody() -> None:
    room, apps = synced([MockAccount("wx0", "A", users=range(3))])
    found = overlap(room.database, [*apps, app_of(MockAccount("wx9", "New"))])
    assert found.accounts[1].followers == 0
    assert found.people == 3


def test_the_state_file_answers_in_bounded_memory_because_people_come_in_order() -> None:
    room, _ = synced([MockAccount("wx0", "A", users=range(3))])
    plan = room.database.rows(
        "EXPLAIN QUERY PLAN SELECT l.open_platform, l.unionid, l.account_id FROM link l"
        " JOIN follower f ON f.account_id = l.account_id AND f.openid = l.openid"
        " WHERE l.state = 'now' AND f.following = 1"
        " ORDER BY l.open_platform, l.unionid, l.account_id"
    )
    steps = " ".join(str(row[3]) for row in plan)
    assert "link_person" in steps
    assert "TEMP B-TREE" not in steps


# -- as data and as a picture ----------------------------------------------------------------------


def example(count: int, *, name: str = "Account") -> Overlap:
    """An answer over so many accounts, with more combinations than are drawn."""
    lines = tuple(
        AccountLine(f"wx{n}", f"{name} {n}", "main", 100 * n + 5, 100 * n) for n in range(count)
    )
    rows = [Combination((n,), 1000 - n) for n in range(count)]
    rows += [Combination((n, m), n + m) for n in range(count) for m in range(n + 1, count)]
    rows.sort(key=lambda row: (-row.people, row.accounts))
    matrix = tuple(tuple(100 * n if n == m else n + m for m in range(count)) for n in range(count))
    people = sum(row.people for row in rows)
    return Overlap(lines, people, people, people + 7, matrix, tuple(rows))


def test_the_csv_is_the_matrix_and_no_name_is_a_formula() -> None:
    text = as_csv(example(2, name="=HYPERLINK(1)"))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "account", "appid", "followers", "known", "'=HYPERLINK(1) 0", "'=HYPERLINK(1) 1",
    ]  # fmt: skip
    assert rows[2] == ["'=HYPERLINK(1) 1", "wx1", "105", "100", "1", "100"]


def test_the_json_names_accounts_and_not_places() -> None:
    told = as_json(example(3))
    assert told["combinations"][0] == {"appids": ["wx0"], "people": 1000}
    assert told["people_at_most"] - told["people"] == 7


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 12, 30])
def test_the_picture_is_well_formed_and_nothing_leaves_its_frame(count: int) -> None:
    root = ET.fromstring(upset(example(count)))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for node in root.iter():
        kind = node.tag.rpartition("}")[2]
        if kind == "rect":
            assert float(node.attrib.get("x", 0)) + float(node.attrib["width"]) <= width
            assert float(node.attrib.get("y", 0)) + float(node.attrib["height"]) <= height
        elif kind in {"circle", "text"}:
            x, y = (float(node.attrib[n]) for n in (("cx", "cy") if kind == "circle" else "xy"))
            assert 0 <= x <= width
            assert 0 <= y <= height
    circles = sum(node.tag.endswith("circle") for node in root.iter())
    assert circles <= ACCOUNTS_MAX * COLUMNS_MAX


def test_the_same_answer_is_the_same_picture() -> None:
    assert upset(example(5)) == upset(example(5))


def test_a_hostile_name_stays_text_in_the_picture() -> None:
    text = upset(example(2, name="</text><script>alert(1)</script>"))
    root = ET.fromstring(text)
    assert not any("script" in str(node.tag) for node in root.iter())


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (9999, "9999"), (10_000, "10.0k"), (123_456, "123k"), (1_234_567, "1.2M")],
)
def test_counts_are_short(count: int, text: str) -> None:
    assert short(count) == text
