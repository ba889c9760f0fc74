"""Requests over httpx2: the checked address and no other, no redirects, no proxies, bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from .address import DEFAULT_PORTS, Destination, Resolve, check, resolve_by_system
from .extras import need
from .ports import Reply, Request, TransportFailed

if TYPE_CHECKING:
    import httpx2

CONNECT_S_MAX = 5.0
READ_S_MAX = 10.0
"""The platforms answer within a second; a silence of ten is a fault."""

ANSWER_S_MAX = 30.0
"""One answer in all: who sends a byte every nine seconds must not hold a worker for hours."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""The largest good answer, a page of 10,000 openids, has 0.3 MB."""

RESOLVED_S_MAX = 60.0
"""How long a checked address is used before the name is asked again: as long as busy names live."""

CONNECTIONS_MAX = 32
"""Per host, more than `parallel` can be."""


class HttpTransport:
    """The :class:`~idweave.unionid.ports.Transport` of every real platform, and of the mock.

    Plain transports of httpx2 and not its client: that one logs every URL, and these hold secrets.
    """

    def __init__(
        self, *, allowed: Iterable[str] = (), resolve: Resolve = resolve_by_system
    ) -> None:
        need("httpx2")
        self._allowed = frozenset(allowed)
        self._resolve = resolve
        self._lock = threading.Lock()
        self._open: dict[str, httpx2.HTTPTransport] = {}
        self._checked: dict[str, tuple[float, Destination]] = {}

    def send(self, request: Request) -> Reply:
        """See :class:`idweave.unionid.ports.Transport`. Raises ConfigError for an address that
        may not be asked."""
        import httpx2

        destination = self._destination(request.url)
        try:
            return self._send(request, destination)
        except httpx2.TimeoutException:
            raise TransportFailed(f"{destination.host} did not answer in time") from None
        except httpx2.TransportError as error:
            kind = type(error).__name__
            raise TransportFailed(f"{destination.host} could not be reached ({kind})") from None

    def close(self) -> None:
        """See :class:`idweave.unionid.ports.Transport`."""
        with self._lock:
            for transport in self._open.values():
                transport.close()
            self._open.clear()

    def _destination(self, url: str) -> Destination:
        place = urlsplit(url).netloc
        held = self._checked.get(place)
        if held is not None and time.monotonic() - held[0] < RESOLVED_S_MAX:
            return held[1]
        try:
            destination = check(url, allowed=self._allowed, resolve=self._resolve)
        except OSError:
            host = urlsplit(url).hostname
            raise TransportFailed(f"the name {host} could not be resolved") from None
        self._checked[place] = (time.monotonic(), destination)
        return destination

    def _send(self, request: Request, to: Destination) -> Reply:
        import httpx2

        default = DEFAULT_PORTS[to.scheme] == to.port
        named = to.host if default else f"{to.host}:{to.port}"
        fixed = {"host": named, "user-agent": "idweave", "accept-encoding": "identity"}
        wait = {"connect": CONNECT_S_MAX, "read": READ_S_MAX, "write": READ_S_MAX}
        made = httpx2.Request(
            request.method,
            _at_address(request.url, to),
            headers={**fixed, **request.headers},
            content=request.body,
            extensions={"sni_hostname": to.host, "timeout": {**wait, "pool": READ_S_MAX}},
        )
        response = self._transport(to.host).handle_request(made)
        try:
            return Reply(response.status_code, _body(response, to.host))
        finally:
            response.close()

    def _transport(self, host: str) -> httpx2.HTTPTransport:
        """One pool per host: connections are kept by address, and two names can share one."""
        import httpx2

        with self._lock:
            if host not in self._open:
                limits = httpx2.Limits(max_connections=CONNECTIONS_MAX)
                self._open[host] = httpx2.HTTPTransport(limits=limits, trust_env=False)
            return self._open[host]


def _at_address(url: str, to: Destination) -> str:
    address = f"[{to.address}]" if ":" in to.address else to.address
    parts = urlsplit(url)
    return urlunsplit((to.scheme, f"{address}:{to.port}", parts.path, parts.query, ""))


def _body(response: httpx2.Response, host: str) -> bytes:
    deadline = time.monotonic() + ANSWER_S_MAX
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise TransportFailed(f"{host} sent more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise TransportFailed(f"{host} took more than {ANSWER_S_MAX:.0f} s to answer")
    return bytes(body)
