"""The same server with nothing to do but read and answer. ``python -m bench._empty PORT``."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
BODY = {"type": "http.response.body", "body": b""}


async def empty(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(BODY)


if __name__ == "__main__":
    uvicorn.run(empty, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
