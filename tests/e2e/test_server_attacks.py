"""Attacks on a server and what must happen, named after their rows in RELIABILITY.md §4."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from idweave.core.errors import ConfigError, ListenError
from idweave.server.keys import hash_key, is_key, new_key
from idweave.server.running import serve
from idweave.server.settings import ServerSettings
from idweave.stores import OpenStore, open_store
from idweave.wire import java_hash

from .serving import (
    NOW_MS,
    WAIT_S,
    Served,
    body_of,
    data_of,
    engine_on,
    exchange,
    process_on,
    read_answers,
    record,
    request_of,
    served,
    status_of,
    wait_until,
)

BAD = {"type": "track", "event": "no spaces please", "distinct_id": "x", "time": 1}
GOOD = body_of(record(1))


def packed(content: bytes) -> bytes:
    return b"data_list=" + base64.urlsafe_b64encode(gzip.compress(content, 9))


def codes(server: Served) -> dict[str, int]:
    found: dict[str, int] = server.stats()["rejections_by_code"]
    return found


# -- S1: sizes -------------------------------------------------------------------------------------


def test_s1_a_gzip_bomb_is_kept_as_a_rejection_and_others_are_served(server: Served) -> None:
    bomb = packed(b"[" + b" " * (80 * 1024 * 1024) + b"]")
    assert server.collector.post("/sa", content=bomb).status_code == 200
    assert codes(server) == {"INVALID_ENCODING": 1}
    assert server.send(record(1)).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        packed(gzip.compress(b"[]")),
        packed(b"[]") + base64.urlsafe_b64encode(gzip.compress(b"[]")),
        b"data_list=" + base64.urlsafe_b64encode(gzip.compress(b"[]") + gzip.compress(b"[]")),
    ],
    ids=["gzip of gzip", "two texts", "two members"],
)
def test_s1_only_one_gzip_member_is_read(server: Served, content: bytes) -> None:
    assert server.collector.post("/sa", content=content).status_code == 200
    assert sum(codes(server).values()) == 1


def test_s1_a_compressed_transfer_is_not_undone(server: Served) -> None:
    headers = {"Content-Encoding": "gzip"}
    answer = server.collector.post("/sa", content=gzip.compress(GOOD), headers=headers)
    assert answer.status_code == 400
    assert server.stats()["received"] == 0


def test_s1_a_declared_length_over_the_bound_is_refused_before_the_body(server: Served) -> None:
    head = b"POST /sa HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\ndata="
    assert status_of(exchange(server.address, head)) == 413


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "0x10", "5, 6", "99999999999999999999999"])
def test_s1_a_length_that_is_none_is_refused(server: Served, length: str) -> None:
    head = f"POST /sa HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
    assert status_of(exchange(server.address, head + GOOD)) in {400, 413}
    assert server.stats()["received"] == 0


def test_s1_chunks_without_a_length_are_taken(server: Served) -> None:
    head = b"POST /sa HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    assert status_of(exchange(server.address, head + chunks)) == 200
    assert server.stats()["accepted"] == 1


def test_s1_a_head_without_end_is_refused(server: Served) -> None:
    line = b"X-Long: " + b"a" * 65000 + b"\r\n"
    said = exchange(server.address, b"GET /sa HTTP/1.1\r\nHost: a\r\n", *([line] * 6))
    assert status_of(said) in {0, 400}  # it may be reset before it reads
    assert server.send(record(1)).status_code == 200


def test_s1_what_follows_a_chunked_body_is_not_kept(server: Served) -> None:
    head = b"POST /sa HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD)
    trailers = b"".join(b"X-%d: %b\r\n" % (n, b"a" * 60000) for n in range(20))
    assert status_of(exchange(server.address, head + body + trailers + b"\r\n")) == 200


def test_s1_bodies_under_way_are_bounded_together(store: OpenStore) -> None:
    with served(store, queue_bytes_max=3_000_000) as server, ExitStack() as clients:
        head = b"POST /sa HTTP/1.1\r\nHost: a\r\nContent-Length: 2000001\r\n\r\n"
        slow = clients.enter_context(socket.create_connection(server.address, WAIT_S))
        slow.sendall(head + b"x" * 2_000_000)
        wait_until(lambda: server.metric("idweave_body_bytes") == 2_000_000)
        assert status_of(exchange(server.address, head + b"x" * 2_000_001)) == 503
        assert server.send(record(1)).status_code == 200
        slow.sendall(b"x")
        assert status_of(read_answers(slow)) == 400


# -- S2, S3: what JSON can do ----------------------------------------------------------------------

FLOODS = {
    "depth 200,000": (b"[" * 200_000, {"TOO_DEEP", "INVALID_JSON"}),
    "depth 100": (b'[{"type":' + b"[" * 100 + b"]" * 100 + b"}]", {"TOO_DEEP"}),
    "6000 records": (b"[" + b",".join([b'{"type":"track"}'] * 6000) + b"]", {"INVALID_JSON"}),
    "a million keys": (
        b"[{" + b",".join(b'"k%d":1' % n for n in range(200_000)) + b"}]",
        {"INVALID_FIELD"},
    ),
    "a number of 5000 digits": (b'[{"a":' + b"9" * 5000 + b"}]", {"INVALID_JSON"}),
    "NaN": (b'[{"type":"track","a":NaN}]', {"INVALID_JSON"}),
    "1e400": (b'[{"type":"track","a":1e400}]', {"INVALID_JSON"}),
    "NUL": (b'[{"type":"track","a":"\\u0000"}]', {"INVALID_JSON"}),
    "half a surrogate": (b'[{"type":"track","a":"\\ud800"}]', {"INVALID_JSON"}),
    "no UTF-8": (b'[{"type":"track","a":"\xff\xfe"}]', {"INVALID_ENCODING"}),
}


@pytest.mark.parametrize("what", FLOODS)
def test_s2_s3_hostile_json_is_kept_as_a_rejection_and_answered_200(
    server: Served, what: str
) -> None:
    content, expected = FLOODS[what]
    assert server.collector.post("/sa", content=packed(content)).status_code == 200
    found = codes(server)
    assert set(found) <= expected
    assert sum(found.values()) == 1


def test_s3_ids_are_compared_code_point_by_code_point(server: Served) -> None:
    values = ["é", "e\u0301", "a\u200bb", "ab", "\u202eba", "а"]
    records = [
        record(n, identities={"$identity_login_id": value}) for n, value in enumerate(values)
    ]
    assert server.send(*records).status_code == 200
    assert server.stats()["users"] == len(values)
    for value in values:
        asked = {"key": "$identity_login_id", "value": value}
        found = server.api.get("/v1/projects/default/lookup", params=asked).json()
        assert [one["value"] for one in found["user"]["identities"]] == [value]


def test_s3_a_number_of_thirty_digits_stays_exact(server: Served) -> None:
    digits = "123456789012345678901234567890"
    text = json.dumps([record(1)]).replace('"d1"}', digits + "}")
    assert server.collector.post("/sa", content=packed(text.encode())).status_code == 200
    asked = {"key": "$identity_cookie_id", "value": digits}
    assert server.api.get("/v1/projects/default/lookup", params=asked).status_code == 200
    name = server.api.get("/v1/projects/default/users").json()["users"][0]["canonical_id"]
    events = server.api.get(f"/v1/projects/default/users/{name}/events")
    assert digits in events.text


# -- S4: the check number --------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "mismatches"), [(0, 0), (1, 1)])
def test_s4_a_wrong_check_number_is_accepted_and_counted(
    server: Served, shift: int, mismatches: int
) -> None:
    data = data_of(record(1))
    body = b"crc=%d&" % (java_hash(data) + shift) + body_of(record(1))
    assert server.collector.post("/sa", content=body).status_code == 200
    stats = server.stats()
    assert (stats["accepted"], stats["crc_mismatches"]) == (1, mismatches)


# -- S5: forms -------------------------------------------------------------------------------------


def test_s5_a_form_of_very_many_fields_is_no_burden(server: Served) -> None:
    body = b"&".join(b"f%d=1" % n for n in range(200_000)) + b"&" + GOOD
    assert server.collector.post("/sa", content=body).status_code == 200
    assert server.stats()["accepted"] == 1


def test_s5_multipart_holds_no_data(server: Served) -> None:
    answer = server.collector.post("/sa", files={"data_list": ("a", data_of(record(1)))})
    assert answer.status_code == 400


# -- S6: smuggling and hosts -----------------------------------------------------------------------

SMUGGLING = {
    "length and chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "not chunked": "Transfer-Encoding: identity\r\n",
    "a blank before the colon": "Content-Length : 5\r\n",
    "a folded line": "X-A: b\r\n c: d\r\nTransfer-Encoding:\r\n chunked\r\n",
    "a bare line feed": "X-A: b\nContent-Length: 5\r\n",
    "NUL": "X-A: a\0b\r\n",
}


@pytest.mark.parametrize("how", SMUGGLING)
def test_s6_a_request_of_two_readings_is_refused(server: Served, how: str) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    said = exchange(
        server.address, f"POST /sa HTTP/1.1\r\nHost: a\r\n{SMUGGLING[how]}\r\n".encode() + inner
    )
    assert b"ok\n" not in said
    assert server.stats()["received"] == 0


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "10.0.0.1", "a/b"],
)
def test_s6_the_api_answers_to_no_foreign_host(shared: Served, host: str) -> None:
    answer = shared.api.get("/v1/projects", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "HOST_NOT_ALLOWED")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8107", "[::1]:9", "LOCALHOST:1"])
def test_s6_the_api_answers_to_this_machine_by_any_of_its_names(shared: Served, host: str) -> None:
    assert shared.api.get("/v1/projects", headers={"Host": host}).status_code == 200


def test_s6_a_name_can_be_allowed() -> None:
    with served(open_store("memory:"), allowed_hosts=("id.example",)) as server:
        answers = [
            server.api.get("/v1/projects", headers={"Host": host}).status_code
            for host in ("id.example", "ID.example:80", "localhost", "other.example")
        ]
    assert answers == [200, 200, 200, 421]


# -- S7: SQL ---------------------------------------------------------------------------------------

SQL = [
    "'; DROP TABLE payload; --",
    '" OR ""="',
    "x') UNION SELECT name FROM sqlite_master --",
    "%",
    "_",
    "\\'",
    "1; PRAGMA user_version = 99",
]


@pytest.mark.parametrize("text", SQL)
def test_s7_sql_in_values_names_and_questions_is_text(server: Served, text: str) -> None:
    hostile = record(
        1,
        event="Buy",
        distinct_id=text,
        identities={"$identity_login_id": text},
        properties={text: text},
    )
    undeclared = record(2, identities={text: "x"})
    other = record(3, project=text)
    assert server.send(hostile, undeclared, other, record(4)).status_code == 200
    asked = {"key": "$identity_login_id", "value": text}
    found = server.api.get("/v1/projects/default/lookup", params=asked).json()
    assert [one["value"] for one in found["user"]["identities"]] == [text.strip()]
    for name in ("key", "value"):
        answer = server.api.get("/v1/projects/default/lookup", params=asked | {name: text + "x"})
        assert answer.status_code == 404
    for path in ("users", "refusals", "rejections"):
        query = {"limit": text, "cursor": text, "attribution": text, "code": text}
        assert server.api.get(f"/v1/projects/default/{path}", params=query).status_code < 500
    stats = server.stats()
    assert (stats["users"], stats["accepted"], stats["rejected"]) == (2, 2, 1)


# -- S8, S11: paths, headers, logs -----------------------------------------------------------------

PATHS = [
    "/v1/projects/..%2f..%2fetc%2fpasswd/stats",
    "/v1/projects/%2e%2e/stats",
    "/v1/projects/../../etc/passwd",
    "/v1/projects/a%00b/stats",
    "/v1/projects/a%0d%0ab/stats",
    "/v1/projects/" + "a" * 101 + "/stats",
    "/v1/projects/%E7%94%A8/stats",
    "/v1/projects/'%20OR%201=1--/stats",
    "//v1/projects",
    "/v1/projects/",
    "/docs",
    "/static/../app.py",
]


@pytest.mark.parametrize("path", PATHS)
def test_s8_a_path_that_is_none_is_404(shared: Served, path: str) -> None:
    host, _, port = shared.running.api_url.removeprefix("http://").rpartition(":")
    said = exchange((host, int(port)), f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert status_of(said) == 404
    assert b"application/problem+json" in said


@pytest.mark.parametrize("path", ["/sa/../healthz", "/%2e%2e/sa", "/sa%00", "/sa/", "//sa", "/SA"])
def test_s8_the_collector_serves_its_paths_and_nothing_beside(shared: Served, path: str) -> None:
    said = exchange(shared.address, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert status_of(said) == 404


def test_s11_what_was_sent_cannot_add_a_header(shared: Served) -> None:
    target = "/v1/projects/default/users/1%0d%0aSet-Cookie:%20a=b"
    answer = shared.api.get(target)
    assert "set-cookie" not in answer.headers
    origin = b"GET /debug HTTP/1.1\r\nHost: a\r\nOrigin: http://a\rSet-Cookie: a=b\r\n\r\n"
    assert b"Set-Cookie" not in exchange(shared.address, origin)


def test_s11_logs_are_json_lines_without_control_characters_or_bodies(tmp_path: Path) -> None:
    hostile = '\x1b[31mred\r\n{"level":"forged"}'
    with process_on(tmp_path / "store.db", api_key_hashes=[hash_key(KEY)]) as server:
        exchange(server.address, request_of(body_of(record(1, distinct_id=hostile), BAD)))
        exchange(server.address, b"GET /sa?token=red HTTP/1.1\r\nUser-Agent: \x1b[31m\r\n\r\n")
        exchange(server.address, b"\x1b[31mred\r\n\r\n")
        asked = {"key": hostile, "value": hostile}
        for key in (KEY, "red"):
            head = {"Authorization": f"Bearer {key}"}
            httpx2.get(server.api_url + "/v1/projects/x/lookup", params=asked, headers=head)
        server.process.terminate()
        assert server.process.wait(WAIT_S) == 0
        lines = server.log
    assert len(lines) > 3
    for line in lines:
        assert line.isprintable()
        assert "level" in json.loads(line)
        assert "red" not in line
        assert KEY not in line


# -- S15: keys -------------------------------------------------------------------------------------

KEY = "idw_test-key"
GUARDED = {"api_key_hashes": (hash_key("idw_another"), hash_key(KEY))}


@pytest.fixture(scope="module")
def guarded() -> Any:
    with served(open_store("memory:"), **GUARDED) as server:
        yield server


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_s15_a_key_opens_the_api(guarded: Served, scheme: str) -> None:
    answer = guarded.api.get("/v1/projects", headers={"Authorization": scheme + KEY})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {hash_key(KEY)}"],
)
@pytest.mark.parametrize("path", ["/v1/projects", "/metrics", "/v1/projects/default/stats", "/x"])
def test_s15_without_a_key_there_is_no_answer(guarded: Served, given: str, path: str) -> None:
    answer = guarded.api.get(path, headers={"Authorization": given} if given else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_s15_a_key_in_the_url_opens_nothing(guarded: Served) -> None:
    assert guarded.api.get("/v1/projects", params={"token": KEY}).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_s15_what_tells_of_nobody_needs_no_key(guarded: Served, path: str) -> None:
    assert guarded.api.get(path).status_code == 200


def test_s15_the_collector_asks_for_no_api_key(guarded: Served) -> None:
    assert guarded.send(record(1)).status_code == 200


def test_s15_keys_are_random_long_and_told_by_their_hash_alone() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert len(base64.urlsafe_b64decode(first.removeprefix("idw_") + "=")) == 32
    assert is_key(f"Bearer {first}".encode(), [hash_key(second), hash_key(first)])
    assert not is_key(f"Bearer {first}".encode(), [hash_key(second)])
    assert re.fullmatch("[0-9a-f]{64}", hash_key(first))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_s15_the_api_does_not_listen_beyond_this_machine_without_a_key(host: str) -> None:
    settings = ServerSettings(collector_port=0, api_host=host, api_port=0)
    with pytest.raises(ListenError, match="without a key") as caught:
        serve(engine_on(open_store("memory:")), settings)
    assert "api_key_hashes" in caught.value.fix


def test_s15_the_api_listens_anywhere_with_a_key() -> None:
    with served(open_store("memory:"), api_host="0.0.0.0", **GUARDED) as server:
        url = server.running.api_url.replace("0.0.0.0", "127.0.0.1")
        head = {"Authorization": f"Bearer {KEY}", "Host": "id.example"}
        assert httpx2.get(url + "/v1/projects", headers=head).status_code == 200
        assert httpx2.get(url + "/v1/projects", headers=head | {"Authorization": ""}).is_error


def test_s15_a_key_that_is_configured_unhashed_is_refused() -> None:
    with pytest.raises(ConfigError):
        ServerSettings(api_key_hashes=(KEY,))


# -- S17, S21 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/projects", "/healthz", "/v1/projects/default/stats"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_s17_the_api_lets_no_foreign_page_read(shared: Served, path: str, method: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = shared.api.request(method, path, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_s17_a_foreign_page_cannot_write_without_asking_first(shared: Served) -> None:
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    path = "/v1/projects/default/rejections/retry"
    assert shared.api.post(path, content="{}", headers=headers).status_code == 415


def test_s21_forwarded_headers_change_nothing(server: Served) -> None:
    headers = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    assert server.collector.post("/sa", content=GOOD, headers=headers).status_code == 200
    answer = server.api.get("/v1/projects", headers=headers)
    assert answer.status_code == 200
    assert "evil" not in answer.text + str(answer.headers)


def test_no_answer_names_the_software_that_made_it(shared: Served) -> None:
    for answer in (shared.collector.get("/healthz"), shared.api.get("/nowhere")):
        assert "server" not in answer.headers
        assert "Traceback" not in answer.text


def test_times_are_those_of_the_server_whatever_clients_say(server: Served) -> None:
    untimed = record(1)
    del untimed["time"]
    server.send(untimed)
    name = server.api.get("/v1/projects/default/users").json()["users"][0]["canonical_id"]
    events = server.api.get(f"/v1/projects/default/users/{name}/events").json()["events"]
    assert events[0]["time_ms"] == events[0]["received_at_ms"] == NOW_MS


def test_request_bytes_in_any_pieces_are_one_request(server: Served) -> None:
    request = request_of(GOOD)
    pieces = [request[n : n + 7] for n in range(0, len(request), 7)]
    assert status_of(exchange(server.address, *pieces)) == 200
    assert server.stats()["accepted"] == 1
