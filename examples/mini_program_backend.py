"""The back end of a mini program: it learns the UnionID, which the program itself never sees.

    python examples/mini_program_backend.py                                            # shows
    python examples/mini_program_backend.py http://localhost:8106/sa?project=default   # sends

The program sends its login code and what its SDK has stored. The back end asks the platform who
that is, binds the ids on the visitor's behalf, and returns the state for the program to store.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from idweave.sdk import (
    ConsoleConsumer,
    Consumer,
    HttpConsumer,
    MemoryStorage,
    Tracker,
    TrackerOptions,
)

APP_ID = "wx0a1b2c3d4e5f6789"
KEY = "sensorsdata2015_wechat"


class Session(NamedTuple):
    """What the platform says of a login code."""

    openid: str
    unionid: str


def code_to_session(code: str) -> Session:
    """Stands for the platform's ``jscode2session``; ``idweave.unionid`` asks the real one."""
    return Session(f"openid-of-{code}", f"unionid-of-{code}")


def on_login(consumer: Consumer, stored: dict[str, object], code: str, account: str) -> object:
    """Bind what the platform says; returns the state the program is to store under its key."""
    storage = MemoryStorage({KEY: stored})
    tracker = Tracker("wechat", consumer, storage=storage, options=TrackerOptions(app_id=APP_ID))
    tracker.login(account)
    session = code_to_session(code)
    tracker.bind_openid(session.openid)
    tracker.bind_unionid(session.unionid)
    return storage.read(KEY)


def main(arguments: list[str]) -> None:
    """One user on two phones: the UnionID makes them one, whatever each phone calls itself."""
    consumer: Consumer = HttpConsumer(arguments[0]) if arguments else ConsoleConsumer()
    for phone in ("phone-1", "phone-2"):
        stored: dict[str, object] = {
            "distinct_id": phone,
            "identities": {"$identity_mp_id": phone},
        }
        state = on_login(consumer, stored, "the-same-person", "user-1")
        assert isinstance(state, dict), "WeChat's storage holds an object"
        assert state["first_id"] == phone, "the program goes on as the visitor it was"
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
