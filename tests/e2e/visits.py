"""A site whose visitors are played by released SDKs, and what it must know of them afterwards.

Everybody plays the same story, as far as the SDK has words for it: an anonymous visit, a login, a
phone bound, a second device with the same login, the phone unbound, a logout and a last visit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from .serving import WAIT_S

LOGIN = ("$identity_login_id", "ada")
PHONE = ("$identity_mobile", "13800000000")

STORY = {"Visit": 2, "SignUp": 2, "BindID": 1, "Buy": 1, "Order": 1, "UnbindID": 1, "Back": 1}
"""The events of the story: the first two devices visit, log in, and one of them buys with the
phone bound; the other orders; the last event comes from the first device, logged out."""


@dataclass(frozen=True)
class Site:
    """A started ``idweave serve`` and its API."""

    collector: str
    api: httpx2.Client
    folder: Path

    def url(self, project: str, path: str = "/sa") -> str:
        """Where an SDK of this project sends to."""
        return f"{self.collector}{path}?project={project}"

    def get(self, project: str, path: str, **asked: str) -> dict[str, Any]:
        """What the API says."""
        answer = self.api.get(f"/v1/projects/{project}/{path}", params=asked)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def user(self, project: str, key: str, value: str) -> dict[str, Any] | None:
        """The user who holds an identity."""
        found: dict[str, Any] | None = self.get(project, "lookup", key=key, value=value)["user"]
        return found

    def events(self, project: str, canonical_id: str) -> list[dict[str, Any]]:
        """The records of a user's events, oldest first."""
        path = f"users/{canonical_id}/events"
        rows = self.get(project, path, limit="500")["events"]
        return [row["record"] for row in reversed(rows)]

    def wait_for(self, project: str, *, received: int) -> dict[str, Any]:
        """The stats of a project once so many records have come."""
        until = time.monotonic() + WAIT_S
        while (stats := self.get(project, "stats"))["received"] < received:
            assert time.monotonic() < until, stats
            time.sleep(0.05)
        return stats


@contextmanager
def site(folder: Path, projects: Mapping[str, str]) -> Iterator[Site]:
    """``idweave serve`` as people start it, with these projects and the policy of each."""
    lines = [f'[projects.{name}]\npolicy = "{policy}"\n' for name, policy in projects.items()]
    folder.joinpath("idweave.toml").write_text("".join(lines), "utf-8")
    command = [sys.executable, "-m", "idweave", "serve", "--json"]
    command += ["--collector-port", "0", "--api-port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, cwd=folder, text=True) as process:
        try:
            assert process.stdout is not None
            urls = json.loads(process.stdout.readline())
            with httpx2.Client(base_url=urls["api"], timeout=WAIT_S) as api:
                yield Site(urls["collector"], api, folder)
        finally:
            process.kill()


def one_user(site: Site, project: str, story: Mapping[str, int]) -> dict[str, Any]:
    """The one user whom the project must know, once all events of the story have come, of whom
    none was refused, doubled or damaged on its way."""
    stats = site.wait_for(project, received=sum(story.values()))
    assert (stats["rejected"], stats["duplicates"], stats["crc_mismatches"]) == (0, 0, 0)
    user = site.user(project, *LOGIN)
    assert user is not None
    assert stats["users"] == 1
    records = site.events(project, user["canonical_id"])
    names = Counter(one.get("event", one["type"]).removeprefix("$") for one in records)
    assert names == Counter(story)
    return user


def held(user: Mapping[str, Any]) -> Counter[str]:
    """How many identities of each key a user holds."""
    return Counter(one["key"].removeprefix("$identity_") for one in user["identities"])


def is_unbound(site: Site, project: str, user: Mapping[str, Any]) -> bool:
    """Whether the phone was this user's and is nobody's now."""
    found = site.get(project, "lookup", key=PHONE[0], value=PHONE[1])
    former = [(one["key"], one["value"]) for one in user["former"]]
    return found["user"] is None and found["unbound_at_ms"] is not None and former == [PHONE]
