"""Who listens where: for ``doctor`` and ``demo``."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

from idweave.server.settings import ServerSettings

ANSWER_S_MAX = 1
"""How long a listener of ours may take to say that it is alive."""


def port_findings(settings: ServerSettings) -> Iterator[tuple[bool, str, str, str]]:
    """For each listener: whether it is a problem, which, how it is, and what to do."""
    listeners = (
        ("collector", settings.collector_host, settings.collector_port),
        ("api", settings.api_host, settings.api_port),
    )
    for name, host, port in listeners:
        if not port:
            yield False, name, f"{host}: any free port", ""
        elif is_alive(host, port):
            yield False, name, f"{host}:{port}: idweave answers", ""
        elif is_free(host, port):
            yield False, name, f"{host}:{port}: free", ""
        else:
            fix = f"Stop the program that holds it, or set server.{name}_port to another."
            yield True, name, f"{host}:{port}: cannot be listened on", fix


def is_free(host: str, port: int) -> bool:
    """Whether a socket could listen there now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
            one.listen(1)
    except (OSError, UnicodeError):
        return False
    return True


def is_alive(host: str, port: int) -> bool:
    """Whether something answers ``/healthz`` there as we do."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S_MAX)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException, UnicodeError):
        return False
    finally:
        connection.close()
