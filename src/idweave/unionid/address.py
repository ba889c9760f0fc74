"""Where a request may go: public addresses by https, and what the operator listed by hand."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from idweave.core.errors import ConfigError

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to addresses as text."""

DEFAULT_PORTS = {"https": 443, "http": 80}

SHARED_OR_MAPPED = tuple(
    map(ipaddress.ip_network, ("100.64.0.0/10", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"))
)
"""Addresses that Python does not call private and that still can lead inside: carrier networks,
where clouds keep their metadata, and IPv6 forms that carry an IPv4 address."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect for a URL: the address that was checked is the one that is used, so that a
    name that resolves differently a moment later changes nothing."""

    scheme: str
    host: str
    port: int
    address: str


def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses the system's resolver gives; raises OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in found]


def check(
    url: str, *, allowed: frozenset[str] = frozenset(), resolve: Resolve = resolve_by_system
) -> Destination:
    """Where a URL leads. ``allowed`` holds ``host:port`` texts that may be private and plain http.

    Raises ConfigError for anything else that is not https to public addresses only, and OSError
    when the name does not resolve.
    """
    parts, port = _parts(url)
    host = parts.hostname or ""
    listed = f"{host}:{port}" in allowed
    if parts.scheme != "https" and not listed:
        raise _refused(host, port, "is not https")
    addresses = list(resolve(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    inside = [address for address in addresses if not is_public(address)]
    if inside and not listed:
        raise _refused(host, port, f"leads to {inside[0]}, which is not a public address")
    return Destination(parts.scheme, host, port, addresses[0])


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet: not private, loopback, link-local (where
    clouds keep their metadata), shared, reserved or multicast, also when mapped into IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in SHARED_OR_MAPPED if network.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast


def _parts(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if not parts.hostname or not port or parts.username is not None:
        fix = "Write https://host or https://host:port, without a user name."
        raise ConfigError("A platform's address is not a usable URL.", fix=fix)
    return parts, port


def _refused(host: str, port: int, why: str) -> ConfigError:
    fix = (
        f'If that is meant (the mock platform, a gateway of yours), add "{host}:{port}" to '
        "`allow_hosts` in [unionid]."
    )
    return ConfigError(f"{host}:{port} {why}; no request was sent.", fix=fix)
