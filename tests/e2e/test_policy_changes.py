"""A policy is changed while records come, and by processes that are killed: never half."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store

from .crashing import batch_of
from .serving import NOW_MS, Served, served

HOME = "/v1/projects/default"
BY = {"author": "ann", "reason": "a test"}
LOOSE = """
extends = "sensors"
name = "loose"
[[keys]]
key = "$identity_login_id"
values_max = 9
"""
BATCHES = 30

DIES = """
import os, signal, sys
from idweave.core.policy_file import parse_policy, preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store

path, text, at = sys.argv[1], sys.argv[2], float(sys.argv[3])

def tell(done, total):
    if done >= at * total:
        os.kill(os.getpid(), signal.SIGKILL)

projects = {"default": Project("default", preset("sensors"), time_window=False)}
engine = Engine(open_store(path), projects, clock=lambda: 5)
engine.apply_policy("default", parse_policy(text), ("ann", "a test"), tell=tell)
"""


def post(server: Served, path: str, **body: Any) -> dict[str, Any]:
    answer = server.api.post(HOME + path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_records_that_come_while_a_policy_changes_are_resolved_under_one_policy() -> None:
    store = open_store("memory:")
    with served(store) as server:
        for number in range(5):
            server.send(*batch_of(number))

        def send() -> None:
            for number in range(5, BATCHES):
                assert server.send(*batch_of(number)).status_code == 200

        sending = threading.Thread(target=send)
        sending.start()
        changed = post(server, "/policy/apply", policy=LOOSE, **BY)
        back = post(server, "/policy/back", **BY)
        again = post(server, "/policy/back", **BY)
        sending.join()
        names = [one["policy"]["name"] for one in (changed, back, again)]
        assert names == ["loose", "sensors", "loose"]
        held = server.api.get(f"{HOME}/policy").json()
        assert (held["policy"]["name"], held["configured"]) == ("loose", False)
        replayed = server.engine.replay(open_store("memory:"))
        assert list(replayed.export("default")) == list(server.engine.export("default"))
    store.close()


@pytest.mark.parametrize(
    ("policy", "status", "code"),
    [
        ("sensor", 400, "POLICY_INVALID"),
        ("name = ", 400, "POLICY_INVALID"),
        ('name = "none"\n[[keys]]\nkey = "$identity_anonymous_id"', 409, "CONFLICT"),
    ],
)
def test_a_policy_that_cannot_be_applied_is_a_problem(policy: str, status: int, code: str) -> None:
    store = open_store("memory:")
    with served(store) as server:
        server.send(*batch_of(1))
        answer = server.api.post(f"{HOME}/policy/apply", json={"policy": policy, **BY})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert len(server.api.get(f"{HOME}/policy/history").json()["policies"]) == 1
    store.close()


def test_the_pages_of_everybody_at_an_instant_are_everybody() -> None:
    store = open_store("memory:")
    with served(store) as server:
        for number in range(BATCHES):
            server.send(*batch_of(number))
        found: list[Any] = []
        query = {"limit": "2"}
        while True:
            page = server.api.get(f"{HOME}/past/users", params=query).json()
            assert len(page["users"]) <= 2
            found += [one["canonical_id"] for one in page["users"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert sorted(found, key=int) == list(server.engine.user_names("default"))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("at", [0.3, 0.6, 0.8, 1.0])
def test_a_change_that_is_killed_leaves_the_old_policy_or_the_new_one(
    at: float, tmp_path: Path
) -> None:
    path = str(tmp_path / "s.db")
    store = open_store(path)
    with served(store) as server:
        for number in range(BATCHES):
            server.send(*batch_of(number))
        before = list(server.engine.export("default"))
    store.close()
    done = subprocess.run([sys.executable, "-c", DIES, path, LOOSE, str(at)], check=False)
    assert done.returncode == -signal.SIGKILL
    store = open_store(path)
    engine = Engine(store, {"default": Project("default", preset("sensors"))}, clock=lambda: NOW_MS)
    assert list(engine.export("default")) == before
    assert [one.name for one in engine.policies("default").policies] == ["sensors"]
    store.close()
