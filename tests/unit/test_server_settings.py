"""What can be set about the server is checked before anything starts."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from idweave.core.errors import ConfigError, ListenError
from idweave.server.running import FILES_SPARE, connections_allowed, listening, url_of
from idweave.server.settings import DEFAULT_REMOTE_CONFIG, ServerSettings, remote_version


@pytest.mark.parametrize(
    "given",
    [
        {"collector_port": -1},
        {"api_port": 65536},
        {"body_bytes_max": 0},
        {"queue_requests_max": -5},
        {"request_s_max": 0.0},
        {"grace_s": 0},
        {"api_key_hashes": ("abc",)},
        {"api_key_hashes": ("A" * 64,)},
        {"remote_config": "{"},
        {"remote_config": "[]"},
        {"remote_config": '{"v":1}'},
        {"remote_config": '{"v":"é"}'},
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_a_fix(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerSettings(**given)
    assert caught.value.fix


def test_the_default_remote_configuration_is_version_1() -> None:
    assert remote_version(DEFAULT_REMOTE_CONFIG) == "1"


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1 port {port}") as caught:
            listening("127.0.0.1", port)
    assert "another port" in caught.value.fix


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1", "192.0.2.1", "a" * 300])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(ListenError, match=host[:20]) as caught:
        listening(host, 0)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("host", "start"), [("127.0.0.1", "http://127."), ("::1", "http://[::1]:")]
)
def test_a_listener_has_a_url(host: str, start: str) -> None:
    with listening(host, 0) as bound:
        assert url_of(bound).startswith(start)


def test_connections_are_no_more_than_open_files_allow() -> None:
    resource = pytest.importorskip("resource", reason="Windows bounds no open files")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
        assert connections_allowed(100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200 + FILES_SPARE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert connections_allowed(10) == 10
    assert connections_allowed(1 << 40) < 1 << 40
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
