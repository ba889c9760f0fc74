"""What can be set: a setting is a row. The reference page, the environment variables, ``idweave
config show`` and the checks all come from these tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from idweave.core.identity import ANONYMOUS_KEY, LOGIN_KEY
from idweave.core.toml_file import Where
from idweave.server import settings as server

PREFIX = "IDWEAVE_"

_KEY_HASH = re.compile(r"[0-9a-f]{64}\Z")
_SWITCH = {"on": True, "off": False, "true": True, "false": False}


# -- what a setting can be -------------------------------------------------------------------------


def _text(value: Any, where: Where) -> str:
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise where.error(f"It must be text, not {value!r}.", "Put it in quotes.")


def _switch(value: Any, where: Where) -> bool:
    if isinstance(value, str):
        value = _SWITCH.get(value.lower(), value)
    if isinstance(value, bool):
        return value
    raise where.error(f"{value!r} is neither on nor off.", "Write true or false.")


def _number(value: Any, where: Where) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise where.error(f"{value!r} is not a number.", "Write a whole number, 1 or more.")


def _port(value: Any, where: Where) -> int:
    if value not in {0, "0"}:
        value = _number(value, where)
    if int(value) <= 65535:
        return int(value)
    raise where.error(f"There is no port {value}.", "Write 1 to 65535, or 0 for any free one.")


def _key_hashes(value: Any, where: Where) -> tuple[str, ...]:
    hashes = value.split() if isinstance(value, str) else value
    is_list = isinstance(hashes, list) and all(isinstance(one, str) for one in hashes)
    if is_list and all(_KEY_HASH.match(one) for one in hashes):
        return tuple(hashes)
    fix = "`idweave config new-key` makes a key and prints its hash."
    raise where.error("These are not SHA-256 hashes of API keys (64 hex digits each).", fix)


def _words(value: Any, where: Where) -> tuple[str, ...]:
    words = value.split() if isinstance(value, str) else value
    if isinstance(words, list) and all(isinstance(one, str) and one for one in words):
        return tuple(words)
    raise where.error("It must be a list of texts.", 'Write such as ["a", "b"].')


_BARE_WORDS = {"anonymous": ANONYMOUS_KEY, "login": LOGIN_KEY}


def _bare_key(value: Any, where: Where) -> str:
    key = _text(value, where)
    return _BARE_WORDS.get(key, key)


class Setting(NamedTuple):
    """One row: its name in the file, how its value is read, its default, and what it does."""

    name: str
    read: Callable[[Any, Where], Any]
    default: Any
    help: str
    secret: bool = False
    sample: str = ""
    """How it may look in a file, where the default says nothing."""


SETTINGS = (
    Setting(
        "store.url",
        _text,
        "data/idweave.db",
        "The store: the path of a file (made when missing, in a folder that exists or can be made),"
        " `sqlite:PATH`, or `memory:`, which forgets everything when the process ends.",
    ),
    Setting("server.collector_host", _text, "127.0.0.1", "Where SDKs send to: address or name."),
    Setting("server.collector_port", _port, 8106, "Its port; 0 takes any free one."),
    Setting(
        "server.api_host",
        _text,
        "127.0.0.1",
        "Where questions are answered. Anything but loopback needs `server.api_key_hashes`.",
    ),
    Setting("server.api_port", _port, 8107, "Its port; 0 takes any free one."),
    Setting(
        "server.api_key_hashes",
        _key_hashes,
        (),
        "SHA-256 hashes of the keys that the API accepts; none: no key is asked for. A key itself"
        " is never stored. `idweave config new-key` makes one.",
        sample='["4b981596a12f239cbde21419115d558bf000a4e994b78ca3d9d3c36e4d2c4fbd"]',
    ),
    Setting(
        "server.allowed_hosts",
        _words,
        (),
        "Names beside the loopback's by which the API may be called (its Host header).",
        sample='["idweave.example.com"]',
    ),
    Setting(
        "server.remote_config",
        _text,
        server.DEFAULT_REMOTE_CONFIG,
        "What mobile SDKs get as their remote configuration: JSON with a `v`.",
    ),
    Setting(
        "server.body_bytes_max",
        _number,
        server.BODY_BYTES_MAX,
        "Body of one request as received; over it the answer is 413.",
    ),
    Setting(
        "server.queue_requests_max",
        _number,
        server.QUEUE_REQUESTS_MAX,
        "Requests that may wait for a commit; past it the answer is 503.",
    ),
    Setting(
        "server.queue_bytes_max",
        _number,
        server.QUEUE_BYTES_MAX,
        "What they may hold in memory, in bytes; past it the answer is 503.",
    ),
    Setting(
        "server.batch_requests_max",
        _number,
        server.BATCH_REQUESTS_MAX,
        "Requests that share one commit.",
    ),
    Setting(
        "server.connections_max",
        _number,
        server.CONNECTIONS_MAX,
        "Open connections of each listener.",
    ),
    Setting(
        "server.request_s_max",
        _number,
        int(server.REQUEST_S_MAX),
        "Seconds that one request may take to arrive.",
    ),
    Setting(
        "server.keep_alive_s",
        _number,
        server.KEEP_ALIVE_S,
        "Seconds that an idle connection is kept.",
    ),
    Setting(
        "server.grace_s",
        _number,
        server.GRACE_S,
        "Seconds that a stop waits for requests under way.",
    ),
    Setting(
        "server.retry_after_s",
        _number,
        server.RETRY_AFTER_S,
        "Seconds that a 503 asks clients to wait.",
    ),
)

PROJECT_SETTINGS = (
    Setting(
        "policy",
        _text,
        "sensors",
        "Which rules apply: the name of a preset, or the path of a policy file.",
    ),
    Setting(
        "token",
        _text,
        None,
        "What senders must carry as `token`; none: any sender is believed. Not a password: apps"
        " carry it in the open.",
        secret=True,
        sample='"s3cret"',
    ),
    Setting(
        "time_window",
        _switch,
        True,
        "Whether live events must be at most 10 days old and 1 hour early.",
    ),
    Setting(
        "clock_correction",
        _switch,
        False,
        "Whether times are shifted by what `_flush_time` says of the sender's clock.",
    ),
    Setting(
        "bare_distinct_id",
        _bare_key,
        ANONYMOUS_KEY,
        "What a `distinct_id` is that nothing else explains: `anonymous`, `login` or a key.",
    ),
)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
