"""Where requests may go (RELIABILITY.md S18), and that they go nowhere else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idweave.core.errors import ConfigError
from idweave.unionid.address import check, is_public
from idweave.unionid.extras import need
from idweave.unionid.mock import MockAccount, MockServer
from idweave.unionid.ports import Request, TransportFailed
from idweave.unionid.transport import ANSWER_BYTES_MAX, HttpTransport
from tests.unit.unionid_room import world_of

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["203.0.114.9", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_before_anything_is_sent(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(ConfigError, match="not a public address"):
        check("https://api.example", resolve=lambda host, port: [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_used(address: str) -> None:
    found = check("https://api.example/x", resolve=lambda host, port: [address])
    assert (found.address, found.port, found.host) == (address, 443, "api.example")


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(ConfigError):
        check("https://api.example", resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])


def test_plain_http_is_refused_unless_listed() -> None:
    with pytest.raises(ConfigError, match="https"):
        check("http://api.example", resolve=lambda host, port: ["8.8.8.8"])
    allowed = frozenset({"api.example:80"})
    found = check("http://api.example", allowed=allowed, resolve=lambda host, port: ["10.0.0.1"])
    assert found.address == "10.0.0.1"


def test_the_list_names_host_and_port_exactly() -> None:
    for url in ("http://127.0.0.1:8901", "http://localhost:8900", "https://127.0.0.1"):
        with pytest.raises(ConfigError):
            check(url, allowed=frozenset({"127.0.0.1:8900"}))


@pytest.mark.parametrize(
    "url",
    ["", "api.example", "ftp://api.example", "https://", "https://user@api.example",
     "https://api.example:99999", "file:///etc/passwd", "https://[::1"],
)  # fmt: skip
def test_what_is_no_usable_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        check(url, resolve=lambda host, port: ["8.8.8.8"])


# -- the transport ---------------------------------------------------------------------------------


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A server on loopback that says one thing to everybody; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()


def http(status: str, *headers: str, body: bytes = b"{}") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    world, _ = world_of(MockAccount("wxa"))
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    with MockServer(world) as server:
        port = server.host.rpartition(":")[2]
        transport = HttpTransport(allowed=[f"platform.test:{port}"], resolve=resolve)
        for _ in range(3):
            url = f"http://platform.test:{port}/cgi-bin/token"
            assert transport.send(Request("GET", url)).status == 200
        transport.close()
    assert asked == ["platform.test"]


def test_a_redirect_is_not_followed() -> None:
    with answering(http("302 Found", "location: http://127.0.0.1:1/secret")) as port:
        transport = HttpTransport(allowed=[f"127.0.0.1:{port}"])
        reply = transport.send(Request("GET", f"http://127.0.0.1:{port}/"))
        transport.close()
    assert reply.status == 302


def test_an_answer_that_is_too_large_is_given_up() -> None:
    body = b" " * (ANSWER_BYTES_MAX + 1)
    with answering(http("200 OK", body=body)) as port:
        transport = HttpTransport(allowed=[f"127.0.0.1:{port}"])
        with pytest.raises(TransportFailed, match="more than"):
            transport.send(Request("GET", f"http://127.0.0.1:{port}/"))
        transport.close()


@pytest.mark.parametrize("reply", [b"", b"hello", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
def test_what_is_no_whole_http_answer_is_a_failure_and_not_a_trace(reply: bytes) -> None:
    with answering(reply) as port:
        transport = HttpTransport(allowed=[f"127.0.0.1:{port}"])
        with pytest.raises(TransportFailed):
            transport.send(Request("GET", f"http://127.0.0.1:{port}/?secret=canary"))
        transport.close()


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    with pytest.raises(TransportFailed, match="resolved"):
        HttpTransport(resolve=resolve).send(Request("GET", "https://api.example/?secret=canary"))


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    transport = HttpTransport(allowed=[f"127.0.0.1:{port}"])
    with pytest.raises(TransportFailed, match="could not be reached"):
        transport.send(Request("GET", f"http://127.0.0.1:{port}/"))
    transport.close()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with answering(http("200 OK")) as port:
        transport = HttpTransport(allowed=[f"127.0.0.1:{port}"])
        assert transport.send(Request("GET", f"http://127.0.0.1:{port}/")).status == 200
        transport.close()


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server that calls itself so, signed by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_the_name_is_asked_for_and_a_certificate_that_nobody_signed_is_refused(
    tmp_path: Path,
) -> None:
    asked: list[str | None] = []
    context = certificate(tmp_path, "platform.test")
    context.sni_callback = lambda _, name, __: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(ssl.SSLError, OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        place = f"platform.test:{port}"
        transport = HttpTransport(allowed=[place], resolve=lambda host, port: ["127.0.0.1"])
        with pytest.raises(TransportFailed, match="could not be reached"):
            transport.send(Request("GET", f"https://{place}/?secret=canary"))
        transport.close()
        thread.join()
    assert asked == ["platform.test"]


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(ConfigError) as caught:
        need("no_such_package_of_ours")
    assert "idweave[unionid]" in caught.value.fix
