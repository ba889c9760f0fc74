"""The SDK's examples run as a reader runs them, and tell one right story."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idweave import preset, resolve
from idweave.core.record import Project, Record, parse_record
from tests.unit.receiver import receiving

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["kiosk", "mini_program_backend", "server_bind"]
PROJECT = Project("default", preset("sensors"), time_window=False)


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def shown(text: str) -> Iterator[dict[str, Any]]:
    """The JSON records one after the other, as the console shows them."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        record, end = decoder.raw_decode(text)
        yield record
        text = text[end:]


def users(records: list[dict[str, Any]]) -> list[set[str]]:
    """The users these records make, each as the values of its identities."""
    facts = []
    for record in records:
        parsed = parse_record(record, PROJECT, 1_712_042_794_795)
        assert isinstance(parsed, Record), parsed
        if parsed.fact is not None:
            facts.append(parsed.fact)
    graph, made = resolve(facts, PROJECT.policy).graph, defaultdict[Any, set[str]](set)
    for identity, owner in graph.owner.items():
        made[graph.find(owner)].add(identity.value)
    return list(made.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_what_is_sent(name: str) -> None:
    on_screen = list(shown(run(name)))
    with receiving() as receiver:
        assert run(name, receiver.url) == ""
    told = [(r["type"], r.get("event")) for r in on_screen]
    assert told == [(r["type"], r.get("event")) for r in receiver.records]
    assert len(told) >= 5


def test_every_example_of_the_sdk_says_how_to_run_it() -> None:
    for name in NAMES:
        text = (EXAMPLES / f"{name}.py").read_text("utf-8")
        assert f"python examples/{name}.py" in text


def test_two_customers_of_a_kiosk_stay_two_users() -> None:
    made = users(list(shown(run("kiosk"))))
    with_account = [user for user in made if user & {"customer-1", "customer-2"}]
    assert len(with_account) == 2


def test_a_phone_number_given_back_is_no_longer_the_users() -> None:
    made = users(list(shown(run("server_bind"))))
    (user,) = [user for user in made if "user-1" in user]
    assert user == {"user-1", "13900000000"}


def test_a_unionid_makes_two_phones_one_user() -> None:
    made = users(list(shown(run("mini_program_backend"))))
    (user,) = [user for user in made if "user-1" in user]
    assert {"phone-1", "phone-2", "unionid-of-the-same-person"} <= user
