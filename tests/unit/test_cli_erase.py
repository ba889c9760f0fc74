"""``idweave erase`` as people type it, and the how-to: every command of it, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.command import Ran, idweave, record, store_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "erase-a-person.md"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
PHONE, LOGIN = "13800000000", "alice-login"
WHY = ("--reason", "ticket 17", "--author", "ann")
RECORDS = [
    record(1, {"mobile": PHONE, "login_id": LOGIN}, type="track_id_bind"),
    record(2, {"login_id": LOGIN, "cookie_id": "c1"}),
    record(3, {"login_id": "bob"}),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return store_of(RECORDS, tmp_path, monkeypatch)


def ask(store: Path, *words: str) -> Ran:
    return idweave(*words, "--store", str(store))


def user_of(store: Path, key: str = "mobile", value: str = PHONE) -> str:
    found: str = ask(store, "lookup", key, value, "--json").json["user"]["canonical_id"]
    return found


def test_the_how_to_does_what_it_says(store: Path) -> None:
    steps, _, _ = PAGE.read_text("utf-8").partition("\n## ")
    lines = [
        line.strip().removeprefix("idweave ")
        for block in CONSOLE.findall(steps)
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(lines) == 6
    assert f"--user {user_of(store)} " in steps
    for line in lines:
        ran = ask(store, *shlex.split(line))
        assert ran.code == 0, ran.err
    assert ask(store, "lookup", "mobile", PHONE).code == 3
    assert "ticket 17" in ask(store, "operator", "list").out


def test_a_preview_shows_counts_and_identities_and_changes_nothing(store: Path) -> None:
    name = user_of(store)
    seen = ask(store, "erase", "--user", name, *WHY, "--dry-run")
    assert re.search(r"2\s+events go", seen.out)
    assert all(value in seen.out for value in (PHONE, LOGIN, "c1", "Nothing was changed."))
    assert user_of(store) == name


def test_json_has_what_was_erased_as_the_http_api_gives_it(store: Path) -> None:
    done = ask(store, "erase", "--user", user_of(store), *WHY, "--yes", "--json").json
    assert done["counts"]["events"] == 2
    assert done["is_scrubbed"] is True
    assert {"key": "$identity_mobile", "value": PHONE} in done["identities"]
    (listed,) = ask(store, "operator", "list", "--json").json["operators"]
    assert listed["kind"] == "erase"
    assert listed["counts"]["events"] == 2
    assert LOGIN not in str(listed)


@pytest.mark.parametrize("words", [(f"mobile={PHONE}",), ("mobile", PHONE)])
def test_an_identity_is_typed_as_a_pair_or_as_two_words(
    store: Path, words: tuple[str, ...]
) -> None:
    assert ask(store, "erase", *words, *WHY, "--yes").code == 0
    assert ask(store, "lookup", "mobile", PHONE).code == 3
    assert user_of(store, "login_id", LOGIN)


def test_without_anybody_to_ask_it_wants_yes(store: Path) -> None:
    ran = ask(store, "erase", "--user", user_of(store), *WHY)
    assert ran.code == 2
    assert "Look with --dry-run, then add --yes." in ran.err
    assert user_of(store)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "Nothing is to be erased"),
        (("mobile",), 2, "An identity is"),
        (("mobile=139",), 3, "never seen"),
        (("--user", "1"), 3, "was ever called 1"),
        (("nonsense=1",), 2, "no key"),
    ],
)
def test_a_slip_is_told_and_changes_nothing(
    store: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    ran = ask(store, "erase", *words, *WHY, "--yes")
    assert ran.code == code
    assert says in ran.err
    assert user_of(store)


def test_who_was_erased_is_called_so_by_every_question(store: Path) -> None:
    name = user_of(store)
    assert ask(store, "erase", "--user", name, *WHY, "--yes").code == 0
    for words in (
        ("user", name),
        ("events", name),
        ("how", name),
        ("past", "user", name, "--at", "0"),
    ):
        ran = ask(store, *words)
        assert (ran.code, "was erased" in ran.err) == (3, True), words


def test_an_import_of_an_old_file_says_what_stays_out(store: Path) -> None:
    ask(store, "erase", "--user", user_of(store), *WHY, "--yes")
    old = store.with_name("old.jsonl")
    old.write_text("".join(json.dumps(one) + "\n" for one in RECORDS))
    done = ask(store, "import", str(old))
    assert re.search(r"ERASED +2\n", done.out)
    assert "What was erased is not kept, and stays out." in done.out
    counted = ask(store, "import", str(old), "--json", "--again").json["total"]
    assert counted["rejected_by_code"]["ERASED"] == 2
