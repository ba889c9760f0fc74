"""The collector answers as PROTOCOL.md §2 says, and 200 means stored."""

from __future__ import annotations

import base64
import http.client
import json
import re
from typing import Any

import pytest

from idweave.core.errors import NotFound
from idweave.core.identity import Identity
from idweave.stores import open_store
from tests.golden.vectors import load

from .serving import Served, body_of, data_of, exchange, record, request_of, served, status_of

CASES = load("raw_requests")
BAD = {"type": "track", "event": "no spaces please", "distinct_id": "x", "time": 1}


def as_recorded(server: Served, case: dict[str, Any]) -> http.client.HTTPResponse:
    """Send a request exactly as an SDK did."""
    connection = http.client.HTTPConnection(*server.address, timeout=20)
    target = case["path"] + ("?" + case["query"] if case["query"] else "")
    connection.putrequest(case["method"], target, skip_host=True, skip_accept_encoding=True)
    for name, value in case["headers"]:
        connection.putheader(name, value)
    connection.endheaders(base64.b64decode(case["body_base64"] or ""))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_every_recorded_request_gets_200(shared: Served, case: dict[str, Any]) -> None:
    assert as_recorded(shared, case).status == 200


def test_what_the_recorded_requests_hold_is_in_the_store(server: Served) -> None:
    kept = [case for case in CASES if not is_dry_run(case)]
    for case in kept:
        as_recorded(server, case)
    held = sum(1 if case.get("encrypted") else len(case["decoded_events"] or ()) for case in kept)
    names = server.engine.project_names()
    every = [server.engine.stats(name) for name in names]
    assert sum(one.received for one in every) == held
    assert all(s.received == s.accepted + s.rejected + s.duplicates for s in every)
    assert sum(one.accepted for one in every) > 50


def is_dry_run(case: dict[str, Any]) -> bool:
    headers = {name.lower(): value for name, value in case["headers"]}
    return case["path"] == "/debug" and headers.get("dry-run") == "true"


# -- statuses --------------------------------------------------------------------------------------

GOOD_BODY = body_of(record(1))
QUERY = "?data=" + data_of(record(2)).replace("+", "%2B")
STATUSES = [
    ("POST", "/sa", GOOD_BODY, 200),
    ("POST", "/sa.gif", GOOD_BODY, 200),
    ("GET", "/sa" + QUERY, b"", 200),
    ("GET", "/sa.gif" + QUERY, b"", 200),
    ("HEAD", "/sa.gif" + QUERY, b"", 200),
    ("PUT", "/sa", GOOD_BODY, 200),
    ("POST", "/sa", body_of(BAD), 200),
    ("POST", "/sa", b"data=%%%", 200),
    ("POST", "/sa?project=nobody", GOOD_BODY, 200),
    ("POST", "/sa?project=guarded&token=wrong", GOOD_BODY, 200),
    ("OPTIONS", "/sa", b"", 200),
    ("OPTIONS", "/sa.gif" + QUERY, b"", 200),
    ("OPTIONS", "/debug", b"", 200),
    ("GET", "/sa", b"", 400),
    ("POST", "/sa", b"", 400),
    ("POST", "/sa", b"project=default&gzip=1", 400),
    ("POST", "/sa", b"data=", 400),
    ("GET", "/sa.gif?project=default", b"", 400),
    ("PUT", "/sa", b"", 405),
    ("DELETE", "/sa.gif", b"", 405),
    ("PATCH", "/debug", b"", 405),
    ("GET", "/debug", b"", 400),
    ("POST", "/debug?info_id=abc", b"", 200),
    ("POST", "/debug", b"info_id=abc", 200),
    ("GET", "/debug?info_id=abc", b"", 400),
    ("GET", "/healthz", b"", 200),
    ("GET", "/config/Android.conf", b"", 200),
    ("GET", "/config/iOS.conf?v=0", b"", 200),
    ("GET", "/config/iOS.conf?v=1", b"", 304),
    ("POST", "/config/iOS.conf", b"", 405),
    ("GET", "/", b"", 404),
    ("GET", "/config/Windows.conf", b"", 404),
    ("GET", "/readyz", b"", 404),
    ("GET", "/metrics", b"", 404),
    ("GET", "/v1/projects", b"", 404),
    ("GET", "/openapi.json", b"", 404),
]


@pytest.mark.parametrize(("method", "target", "body", "status"), STATUSES)
def test_a_request_gets_its_status(
    shared: Served, method: str, target: str, body: bytes, status: int
) -> None:
    answer = shared.collector.request(method, target, content=body or None)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_sa_is_empty_text_and_sa_gif_a_pixel(shared: Served) -> None:
    text, image = shared.send(record(1)), shared.send(record(1), path="/sa.gif")
    assert text.content == b""
    assert text.headers["content-type"].startswith("text/plain")
    assert (len(image.content), image.headers["content-type"]) == (43, "image/gif")
    assert image.content.startswith(b"GIF89a")


def test_a_body_is_taken_up_to_its_bound_and_refused_past_it(server: Served) -> None:
    bound = 10 * 1024 * 1024
    held = GOOD_BODY + b"&more="
    fits = server.collector.post("/sa", content=held + b"x" * (bound - len(held)))
    larger = server.collector.post("/sa", content=held + b"x" * (bound + 1 - len(held)))
    assert (fits.status_code, larger.status_code) == (200, 413)
    assert server.stats()["received"] == 1


def test_a_body_in_pieces_is_bounded_too(server: Served) -> None:
    piece = b"x" * 65536
    answer = server.collector.post("/sa", content=(piece for _ in range(161)))
    assert answer.status_code == 413
    assert server.send(record(1)).status_code == 200


def test_a_large_batch_is_taken(server: Served) -> None:
    assert server.send(*(record(n) for n in range(2000))).status_code == 200
    assert server.stats()["accepted"] == 2000


def test_requests_in_one_packet_are_answered_in_order(server: Served) -> None:
    bad = request_of(b"data=")
    requests = request_of(GOOD_BODY) + bad + request_of(body_of(record(2)))
    said = exchange(server.address, requests, answers=3)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"400", b"200"]
    assert server.stats()["accepted"] == 2


def test_a_client_that_asks_first_is_told_to_go_on(server: Served) -> None:
    said = exchange(
        server.address, request_of(GOOD_BODY, more="Expect: 100-continue\r\n"), answers=2
    )
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_http_1_0_is_answered_and_closed(server: Served) -> None:
    head = b"POST /sa HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(GOOD_BODY)
    said = exchange(server.address, head + GOOD_BODY)
    assert status_of(said) == 200
    assert b"connection: close" in said


def test_a_configured_remote_configuration_is_served() -> None:
    config = '{"v":"7","configs":{"disableSDK":true}}'
    with served(open_store("memory:"), remote_config=config) as server:
        answer = server.collector.get("/config/Android.conf", params={"v": "6"})
        assert answer.json() == json.loads(config)
        assert server.collector.get("/config/iOS.conf?v=7").status_code == 304


# -- cross-origin ----------------------------------------------------------------------------------


def cors(answer: Any) -> dict[str, str]:
    prefix = "access-control-"
    return {
        name.removeprefix(prefix): value
        for name, value in answer.headers.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize("path", ["/sa", "/sa.gif"])
@pytest.mark.parametrize("origin", ["https://shop.example", "null"])
def test_s17_records_may_come_from_any_origin_without_credentials(
    shared: Served, path: str, origin: str
) -> None:
    asked = shared.collector.options(path, headers={"Origin": origin})
    assert cors(asked) == {
        "allow-origin": "*",
        "allow-methods": "GET, POST, OPTIONS",
        "allow-headers": "Content-Type, Dry-Run",
        "max-age": "86400",
    }
    sent = shared.collector.post(path, content=GOOD_BODY, headers={"Origin": origin})
    assert cors(sent) == {"allow-origin": "*"}


@pytest.mark.parametrize("origin", ["https://shop.example", "null"])
def test_s17_debug_mode_echoes_the_origin_and_allows_credentials(
    shared: Served, origin: str
) -> None:
    asked = shared.collector.options("/debug", headers={"Origin": origin})
    assert cors(asked) == {
        "allow-origin": origin,
        "allow-credentials": "true",
        "allow-methods": "GET, POST, OPTIONS",
        "allow-headers": "dry-run",
        "max-age": "86400",
    }
    sent = shared.collector.post("/debug", content=GOOD_BODY, headers={"Origin": origin})
    assert cors(sent) == {"allow-origin": origin, "allow-credentials": "true"}
    assert sent.headers["vary"] == "Origin"


def test_s17_debug_mode_without_an_origin_says_nothing_of_origins(shared: Served) -> None:
    assert cors(shared.collector.post("/debug", content=GOOD_BODY)) == {}


# -- debug mode ------------------------------------------------------------------------------------


def test_debug_mode_stores_what_is_valid_and_says_so(server: Served) -> None:
    answer = server.send(record(1), path="/debug")
    assert (answer.status_code, answer.json()) == (200, {})
    assert server.stats()["accepted"] == 1


@pytest.mark.parametrize(("method", "status"), [("POST", 400), ("GET", 200)])
def test_debug_mode_names_what_is_wrong_with_each_record(
    server: Served, method: str, status: int
) -> None:
    data = data_of(record(1), BAD, record(2))
    params = {"data_list": data} if method == "GET" else None
    body = None if method == "GET" else body_of(record(1), BAD, record(2))
    answer = server.collector.request(method, "/debug", params=params, content=body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["index"], error["code"]) == (status, 1, "INVALID_FIELD")
    assert error["field"] == "event"
    assert error["reason"]
    assert error["fix"]
    assert server.stats()["accepted"] == 2


def test_debug_mode_names_what_is_wrong_with_a_whole_request(server: Served) -> None:
    answer = server.collector.post("/debug", content=b"data=%%%")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["index"], error["code"]) == (400, -1, "INVALID_ENCODING")


@pytest.mark.parametrize(("given", "stored"), [("true", 0), ("True", 1), ("1", 1), ("false", 1)])
def test_a_dry_run_is_asked_for_by_one_word_and_stores_nothing(
    server: Served, given: str, stored: int
) -> None:
    server.collector.post("/debug", content=body_of(record(1), BAD), headers={"Dry-Run": given})
    assert server.stats()["accepted"] == stored
    assert server.stats()["rejected"] == stored


# -- what is stored --------------------------------------------------------------------------------


def test_what_was_sent_can_be_asked_for_at_once(server: Served) -> None:
    assert server.send(record(1)).status_code == 200
    asked = {"key": "$identity_cookie_id", "value": "d1"}
    found = server.api.get("/v1/projects/default/lookup", params=asked)
    assert found.json()["user"]["identities"][0]["value"] == "d1"


def test_a_project_and_token_may_come_in_the_url(server: Served) -> None:
    path = "/sa?project=guarded&token=s3cret"
    assert server.send(record(1), path=path).status_code == 200
    assert server.stats("guarded")["accepted"] == 1


def test_a_dry_run_leaves_no_trace_of_its_identities(server: Served) -> None:
    server.collector.post("/debug", content=body_of(record(1)), headers={"Dry-Run": "true"})
    with pytest.raises(NotFound):
        server.engine.lookup("default", Identity("$identity_cookie_id", "d1"))
