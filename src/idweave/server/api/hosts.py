"""Which Host a request may name: a page that a browser loaded elsewhere must not reach us by
making its own name point to this machine (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import re

from ..settings import ServerSettings

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine talking to itself, and nothing else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Hosts:
    """Judges Host headers. Beyond the loopback a key is needed anyway, and names are only checked
    where some are configured."""

    def __init__(self, settings: ServerSettings) -> None:
        self._named = frozenset(name.lower() for name in settings.allowed_hosts)
        self._checked = is_loopback(settings.api_host) or bool(self._named)

    def allow(self, header: bytes) -> bool:
        """Whether a request with this Host is answered."""
        if not self._checked:
            return True
        match = _HOST.fullmatch(header.decode("latin-1"))
        return match is not None and (is_loopback(match[1]) or match[1].lower() in self._named)
