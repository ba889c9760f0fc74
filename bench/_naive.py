"""The collector that a team writes in an afternoon: the standard library's decoders, a row per
event and per identity, one transaction per request. ``python -m bench._naive PORT STORE``."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import sys
from typing import Any
from urllib.parse import parse_qs

import uvicorn

TABLES = """
CREATE TABLE event (event_id TEXT PRIMARY KEY, time_ms INTEGER, user INTEGER, record TEXT);
CREATE TABLE identity (key TEXT, value TEXT, user INTEGER, PRIMARY KEY (key, value));
"""


class Naive:
    """Takes forms with ``data_list``; the user of an event is that of its first identity."""

    def __init__(self, store: str) -> None:
        self._store = sqlite3.connect(store)
        self._store.execute("PRAGMA journal_mode = WAL")
        self._store.execute("PRAGMA synchronous = FULL")
        self._store.executescript(TABLES)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        form = parse_qs(body.decode())
        for record in json.loads(gzip.decompress(base64.b64decode(form["data_list"][0]))):
            self._take(record)
        self._store.commit()
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"0")],
        }
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    def _take(self, record: dict[str, Any]) -> None:
        execute = self._store.execute
        users = []
        for pair in record["identities"].items():
            found = execute(
                "SELECT user FROM identity WHERE key = ? AND value = ?", pair
            ).fetchone()
            users.append(found[0] if found else None)
        user = next((one for one in users if one is not None), record["_track_id"])
        for pair, known in zip(record["identities"].items(), users, strict=True):
            if known is None:
                execute("INSERT INTO identity VALUES (?, ?, ?)", (*pair, user))
        event_id = f"{record['distinct_id']}-{record['time']}-{record['_track_id']}"
        row = (event_id, record["time"], user, json.dumps(record))
        execute("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)", row)


if __name__ == "__main__":
    uvicorn.run(Naive(sys.argv[2]), port=int(sys.argv[1]), log_level="error", lifespan="off")
