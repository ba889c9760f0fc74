"""The recorded requests, sent over HTTP as the SDKs sent them."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from urllib.parse import urlsplit

from idweave.core.errors import InputError

ANSWER_S_MAX = 30
"""How long one answer may take: a slow disk takes some seconds to write, nothing takes longer."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request of the story."""

    title: str
    sdk: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


def recorded() -> list[Recorded]:
    """All requests, in the order of the story."""
    text = (resources.files(__package__) / "requests.jsonl").read_text("utf-8")
    return [
        Recorded(
            row["title"],
            row["sdk"],
            row["method"],
            row["path"],
            row["query"],
            dict(row["headers"]),
            base64.b64decode(row["body_base64"]),
        )
        for row in map(json.loads, text.splitlines())
    ]


def send(requests: list[Recorded], url: str) -> Iterator[Recorded]:
    """Send each to a collector, and yield it once it was answered with 200: then it is on disk."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port or 80, timeout=ANSWER_S_MAX
    )
    with closing(connection):
        for one in requests:
            try:
                connection.request(one.method, f"{one.path}?{one.query}", one.body, one.headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise _unanswered(one, str(error) or type(error).__name__) from None
            if answer.status != http.HTTPStatus.OK:
                raise _unanswered(one, f"HTTP status {answer.status}")
            yield one


def _unanswered(one: Recorded, problem: str) -> InputError:
    fix = "Run it again: what was answered is kept, and the demo goes on from there."
    return InputError(f"The collector did not take {one.title!r}: {problem}.", fix=fix)
