"""The change feed over real sockets: nothing is missed and nothing comes twice, whoever goes, comes
back, reads slowly or stops meanwhile."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from idweave.core.identity import Identity
from idweave.ports import Change, ChangeKind, FeedRow
from idweave.server.api.streaming import STREAMS_MAX
from idweave.stores import open_store
from tests.laws.mirror import Mirror

from .serving import WAIT_S, Served, body_of, process_on, record, served, wait_until

PATH = "/v1/projects/default/changes"
EVENTS = {"Accept": "text/event-stream"}
PEOPLE = 40
LAST = Identity("$identity_cookie_id", "d1000")


def told(number: int) -> dict[str, Any]:
    """A record of one of some people, by a login, a device or both: they merge, and are refused."""
    chance = random.Random(number)
    person, device = chance.randrange(PEOPLE), chance.randrange(2 * PEOPLE)
    cookie = {"$identity_cookie_id": f"d{device}"}
    login = {"$identity_login_id": f"p{person}"}
    match chance.randrange(4):
        case 0:
            return record(number, identities=cookie)
        case 1:
            return record(number, identities=login)
        case _:
            kind = chance.choice(["track_signup", "track_id_bind"])
            return record(
                number,
                type=kind,
                identities=login | cookie,
                distinct_id=f"p{person}",
                original_id=f"d{device}",
            )


@contextmanager
def on_disk(folder: Path, **given: Any) -> Iterator[Served]:
    """A server on a store in a file."""
    with closing(open_store(str(folder / "s.db"))) as store, served(store, **given) as server:
        yield server


@contextmanager
def stream(
    client: httpx2.Client, path: str = PATH, **headers: str
) -> Iterator[Iterator[dict[str, Any]]]:
    """The changes of a stream as they come, each checked against its id and kind."""
    with client.stream("GET", path, headers=EVENTS | headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line and "data" in fields:
            change = json.loads(fields["data"])
            assert (change["cursor"], change["kind"]) == (fields["id"], fields["event"])
            fields = {}
            yield change


def row(change: dict[str, Any]) -> FeedRow:
    """A change as a row of the store."""
    other, key = change["other_id"], change["key"]
    one = Change(
        ChangeKind(change["kind"]),
        int(change["canonical_id"]),
        None if other is None else int(other),
        None if key is None else Identity(key, change["value"]),
    )
    return FeedRow(int(change["cursor"]), change["recorded_at_ms"], one)


def holds(server: Served, mirror: Mirror) -> bool:
    """Whether a mirror has everything and is as the server says."""
    with server.engine._store.reader() as reader:
        users = [one.name for one in reader.users("default")]
        owner = {one.identity: name for name in users for one in reader.held("default", name)}
        end = reader.feed_end("default")
    return mirror.cursor == end and (mirror.owner, mirror.users) == (owner, set(users))


def ends_at(server: Served) -> int:
    return int(server.api.get(PATH, params={"limit": 1}).json()["last_cursor"])


# -- nothing missed, nothing twice -----------------------------------------------------------------


def test_who_comes_and_goes_while_records_come_gets_every_change_once(tmp_path: Path) -> None:
    chance, mirror = random.Random(7), Mirror()
    with on_disk(tmp_path) as server, ExitStack() as ending:

        def send() -> None:
            with httpx2.Client(base_url=server.running.collector_url, timeout=WAIT_S) as client:
                for start in range(0, 600, 4):
                    body = body_of(*(told(number) for number in range(start, start + 4)))
                    assert client.post("/sa", content=body).status_code == 200
                assert client.post("/sa", content=body_of(record(1000))).status_code == 200

        sending = threading.Thread(target=send)
        sending.start()
        ending.callback(sending.join)
        while LAST not in mirror.owner:
            with stream(server.api, **{"Last-Event-ID": str(mirror.cursor)}) as changes:
                for change in islice(changes, chance.randrange(1, 60)):
                    mirror.follow([row(change)])
                    if LAST in mirror.owner:
                        break
        assert mirror.cursor > 100
        assert holds(server, mirror)


def test_pages_and_streams_tell_the_same(tmp_path: Path) -> None:
    with on_disk(tmp_path) as server:
        server.send(*map(told, range(100)))
        paged, after = [], "0"
        while page := server.api.get(PATH, params={"after": after, "limit": 7}).json()["changes"]:
            paged += page
            after = page[-1]["cursor"]
        with stream(server.api) as changes:
            assert [next(changes) for _ in paged] == paged
        with stream(server.api, f"{PATH}?after={len(paged) - 2}") as changes:
            assert [next(changes), next(changes)] == paged[-2:]


def test_a_change_arrives_as_soon_as_it_is_committed() -> None:
    with served(open_store("memory:"), keep_alive_s=600) as server:
        with stream(server.api) as changes:
            for number in range(3):
                began = time.monotonic()
                server.send(record(number))
                assert [next(changes)["kind"], next(changes)["kind"]] == ["created", "joined"]
                assert time.monotonic() - began < WAIT_S  # and not after ten minutes
            assert server.metric("idweave_change_streams") == 1
        wait_until(lambda: server.metric("idweave_change_streams") == 0)


def test_a_killed_server_leaves_a_feed_that_goes_on_without_a_hole(tmp_path: Path) -> None:
    mirror, path = Mirror(), tmp_path / "s.db"
    for start in (0, 200):
        with process_on(path) as server, httpx2.Client(timeout=WAIT_S) as client:
            where = server.api_url + PATH
            for number in range(start, start + 200, 10):
                body = body_of(*(told(one) for one in range(number, number + 10)))
                assert client.post(f"{server.collector_url}/sa", content=body).status_code == 200
            headers = {"Last-Event-ID": str(mirror.cursor)}
            end = int(client.get(where).json()["last_cursor"])
            with stream(client, where, **headers) as changes:
                while mirror.cursor < end - 5:  # some are left for the next server
                    mirror.follow([row(next(changes))])
            server.process.kill()
    with on_disk(tmp_path) as again:
        with stream(again.api, **{"Last-Event-ID": str(mirror.cursor)}) as changes:
            while mirror.cursor < ends_at(again):
                mirror.follow([row(next(changes))])
        assert holds(again, mirror)


# -- others are not held up ------------------------------------------------------------------------


def raw(server: Served, headers: str = "Accept: text/event-stream") -> socket.socket:
    """A connection that asked for the stream and has read nothing."""
    host, _, port = server.running.api_url.removeprefix("http://").rpartition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(WAIT_S)
    connection.connect((host, int(port)))
    head = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def rest(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


def many(start: int) -> list[dict[str, Any]]:
    return [record(number) for number in range(start, start + 1000)]


def test_who_reads_nothing_holds_up_nobody_and_is_given_up(tmp_path: Path) -> None:
    with (
        on_disk(tmp_path, request_s_max=1) as server,
        raw(server),
        stream(server.api) as changes,
    ):
        cursors = []
        for start in range(0, 10_000, 1000):
            assert server.send(*many(start)).status_code == 200
            cursors += [int(next(changes)["cursor"]) for _ in range(2000)]
        assert cursors == list(range(1, 20_001))
        wait_until(lambda: server.metric("idweave_change_streams") == 1)


def test_only_so_many_streams_are_open_and_a_closed_one_makes_room() -> None:
    with served(open_store("memory:")) as server, ExitStack() as opened:
        server.send(record(1))
        some = [opened.enter_context(raw(server)) for _ in range(STREAMS_MAX)]
        wait_until(lambda: server.metric("idweave_change_streams") == STREAMS_MAX)
        refused = server.api.get(PATH, headers=EVENTS)
        assert (refused.status_code, refused.json()["code"]) == (503, "BUSY")
        assert server.api.get(PATH).status_code == 200
        some.pop().close()
        wait_until(lambda: server.metric("idweave_change_streams") == STREAMS_MAX - 1)
        with stream(server.api) as changes:
            assert next(changes)["cursor"] == "1"


def test_a_quiet_stream_says_that_it_is_there() -> None:
    with (
        served(open_store("memory:"), keep_alive_s=1) as server,
        server.api.stream("GET", PATH, headers=EVENTS) as answer,
    ):
        assert list(islice(answer.iter_lines(), 3)) == ["retry: 1000", "", ": nothing new"]


# -- the end ---------------------------------------------------------------------------------------


def test_a_stop_ends_streams_at_once_and_after_a_whole_event(tmp_path: Path) -> None:

    with on_disk(tmp_path, grace_s=20) as server:
        server.send(*map(record, range(100)))
        quiet, slow = raw(server), raw(server)
        wait_until(lambda: server.metric("idweave_change_streams") == 2)
        began = time.monotonic()
        server.running.stop()
        for connection in (quiet, slow):
            said = rest(connection)
            assert said.endswith(b"\r\n0\r\n\r\n")
            assert len(re.findall(rb"\nid: \d+\n", said)) == len(
                re.findall(rb"\ndata: .*}\n\n", said)
            )
            connection.close()
    assert time.monotonic() - began < 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_signal_with_streams_open_ends_the_process_in_good_order(tmp_path: Path) -> None:
    with process_on(tmp_path / "s.db") as server, httpx2.Client(timeout=WAIT_S) as client:
        client.post(f"{server.collector_url}/sa", content=body_of(record(1)))
        with stream(client, server.api_url + PATH) as changes:
            assert [next(changes)["cursor"], next(changes)["cursor"]] == ["1", "2"]
            server.process.send_signal(signal.SIGTERM)
            assert list(changes) == []
        assert server.process.wait(WAIT_S) == 0
        assert [json.loads(line)["level"] for line in server.log] == ["info"] * 3


# -- asked wrongly ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/projects/nobody/changes", {}, 404),
        (f"{PATH}?after=99", {}, 409),
        (f"{PATH}?after=x", {}, 400),
        (PATH, {"Last-Event-ID": "99"}, 409),
        (PATH, {"Last-Event-ID": "x"}, 400),
    ],
)
def test_what_cannot_be_followed_is_a_problem_and_no_stream(
    path: str, headers: dict[str, str], status: int
) -> None:
    with served(open_store("memory:")) as server:
        server.send(record(1))
        refused = server.api.get(path, headers=EVENTS | headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"


def test_without_asking_for_events_the_route_answers_a_page_also_to_head() -> None:
    with served(open_store("memory:")) as server:
        server.send(record(1))
        page = server.api.get(PATH, headers={"Last-Event-ID": "1"}).json()
        assert [one["cursor"] for one in page["changes"]] == ["1", "2"]
        assert server.api.head(PATH, headers=EVENTS).status_code == 200


# -- the how-to ------------------------------------------------------------------------------------

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "follow-changes.md"
ALL = 1 << 62
MIRROR = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_mirror_of_the_how_to_is_who_is_who_however_often_it_dies(tmp_path: Path) -> None:
    (block,) = MIRROR.findall(HOW_TO.read_text("utf-8"))
    script, file = tmp_path / "mirror.py", tmp_path / "who.db"
    script.write_text(re.sub(r"(?m)^   ", "", block), "utf-8")
    with on_disk(tmp_path) as server:
        command = [sys.executable, str(script), server.running.api_url + PATH, str(file)]
        for start, enough in ((0, 1), (100, 80), (200, ALL)):
            with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
                server.send(*map(told, range(start, start + 100)))
                until = min(enough, ends_at(server))
                wait_until(partial(reached, file, until))
                process.kill()
        with sqlite3.connect(file) as database:
            held = set(database.execute("SELECT key, value, canonical_id FROM identity"))
            people = {name for (name,) in database.execute("SELECT canonical_id FROM person")}
            leads = dict(database.execute("SELECT old_id, canonical_id FROM redirect"))
        database.close()
        users = [server.engine.user("default", one) for one in server.engine.user_names("default")]
        assert people == {user.canonical_id for user in users}
        assert held == {
            (*one.identity, user.canonical_id) for user in users for one in user.identities
        }
        assert leads
        for older in leads:
            name = older
            while name in leads:
                name = leads[name]
            assert server.engine.user("default", older).canonical_id == name


def reached(file: Path, cursor: int) -> bool:
    """Whether the mirror is as far as that."""
    if not file.exists():
        return False
    database = sqlite3.connect(file)
    try:
        found = database.execute("SELECT cursor FROM place").fetchone()
    except sqlite3.OperationalError:  # its tables are not made yet
        return False
    finally:
        database.close()
    return found is not None and int(found[0]) >= cursor
