"""What can be set about the server, each with its default and why that number."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from idweave.core.errors import ConfigError

MIB = 1024 * 1024

BODY_BYTES_MAX = 10 * MIB
"""Body as received. The largest SDK batch (1000 records of a server language) is below 1 MiB."""

QUEUE_REQUESTS_MAX = 4096
"""Requests that wait for a commit: some seconds of work, so that 503 comes before a time-out."""

QUEUE_BYTES_MAX = 128 * MIB
"""What they may hold in memory, by the estimate of ``commits.held_bytes``."""

BATCH_REQUESTS_MAX = 512
"""Requests of one commit. By then fsync is spread thin, and readiness is noticed soon."""

BATCH_BYTES_MAX = 16 * MIB
"""Bounds one transaction, and with it how long everybody else waits."""

CONNECTIONS_MAX = 4096
"""Open connections of one listener, some 10 KiB each. Past it the longest idle one makes room."""

REQUEST_S_MAX = 30.0
"""From a connection's first byte (or its last answer) to the end of a request. A phone on a bad
net sends 100 KiB in that time; who is slower sends again."""

KEEP_ALIVE_S = 15
"""How long an idle connection is kept. SDKs flush every few seconds, or connect anew."""

GRACE_S = 10
"""How long a stop waits for requests under way. Orchestrators kill after 30 s, some after 10."""

RETRY_AFTER_S = 5
"""What 503 asks for: a full queue is written in less, a full disk takes a person anyway."""

READ_THREADS = 4
"""Threads that answer questions. SQLite reads in parallel, Python does not: more add nothing."""

READS_WAITING_MAX = 256
"""Questions under way or waiting; past it 503. Each costs a millisecond or so."""

DEFAULT_REMOTE_CONFIG = (
    '{"v":"1","configs":{"disableDebugMode":false,"disableSDK":false,"autoTrackMode":-1,'
    '"event_blacklist":[],"effect_mode":0}}'
)
"""What ``/config/…`` answers, in the words of the mobile SDKs: everything on."""

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Everything ``serve`` needs to know. Port 0 takes a free one. Raises ConfigError.

    ``api_key_hashes`` are SHA-256 in hex of the API's keys, see :func:`.keys.hash_key`;
    ``allowed_hosts`` are names beside the loopback's that a request may give as its Host.
    """

    collector_host: str = "127.0.0.1"
    collector_port: int = 8106
    api_host: str = "127.0.0.1"
    api_port: int = 8107
    api_key_hashes: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    remote_config: str = DEFAULT_REMOTE_CONFIG
    body_bytes_max: int = BODY_BYTES_MAX
    queue_requests_max: int = QUEUE_REQUESTS_MAX
    queue_bytes_max: int = QUEUE_BYTES_MAX
    batch_requests_max: int = BATCH_REQUESTS_MAX
    connections_max: int = CONNECTIONS_MAX
    request_s_max: float = REQUEST_S_MAX
    keep_alive_s: int = KEEP_ALIVE_S
    grace_s: int = GRACE_S
    retry_after_s: int = RETRY_AFTER_S

    def __post_init__(self) -> None:
        for name in ("collector_port", "api_port"):
            port: int = getattr(self, name)
            if not 0 <= port <= 65535:
                raise ConfigError(f"{name} is {port}.", fix="A port is 0 (any) to 65535.")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}.", fix="It is more than 0.")
        if not all(_HASH.fullmatch(given) for given in self.api_key_hashes):
            fix = "Give the SHA-256 of the key as 64 lower-case hexadecimal digits."
            raise ConfigError("api_key_hashes holds what is no hash of a key.", fix=fix)
        remote_version(self.remote_config)


_POSITIVE = (
    "body_bytes_max",
    "queue_requests_max",
    "queue_bytes_max",
    "batch_requests_max",
    "connections_max",
    "request_s_max",
    "keep_alive_s",
    "grace_s",
    "retry_after_s",
)


def remote_version(config: str) -> str:
    """The version (``v``) of a remote configuration, as SDKs send it back. Raises ConfigError."""
    try:
        parsed = json.loads(config)
    except (ValueError, RecursionError):
        parsed = None
    version = parsed.get("v") if isinstance(parsed, dict) else None
    if not isinstance(version, str) or not config.isascii():
        fix = 'Give a JSON object in ASCII with a text "v", such as {"v":"1","configs":{}}.'
        raise ConfigError("remote_config is not what mobile SDKs read.", fix=fix)
    return version
