"""No secret leaves by accident (RELIABILITY.md S20): every output of a busy day is searched."""

from __future__ import annotations

import copy
import json
import logging
import pickle  # noqa: TID251 - to prove that it is refused
from collections.abc import Callable
from pathlib import Path

import pytest

from idweave.core.errors import IdweaveError
from idweave.unionid import wechat
from idweave.unionid.apps import TokenSettings
from idweave.unionid.client import Client, Surroundings
from idweave.unionid.login import exchange, remember
from idweave.unionid.mock import Fault, MockAccount, MockServer, World
from idweave.unionid.secret import HIDDEN, Secret, redact
from idweave.unionid.state import Database, Followers, Ledger, Runs, TokenCache
from idweave.unionid.sync import Room, sync_account
from idweave.unionid.tokens import Tokens
from idweave.unionid.transport import HttpTransport
from tests.unit.unionid_room import KeepingSink, Time, app_of, world_of

SHOP, MINI = "wxshop", "wxmini"
CANARIES = (
    "mock-secret-wxshop",
    "mock-secret-wxmini",
    "mock-token-",
    "mock-user-token",
    "bW9jay1zZXNzaW9uLWtleQ",
    "login-3",
    "static-canary-token",
)
"""App secrets, access tokens of platform and user, the session key, a login code, a fixed token."""

ECHO = 'bad request: GET /x?appid=wxshop&secret={s}&js_code=login-3 {{"access_token":"{t}"}}'
"""What a platform or a gateway may echo: the request itself."""


def test_a_secret_prints_as_stars_however_it_is_printed() -> None:
    secret = Secret("canary-text")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        f"{[secret]}",
    ]
    assert all("canary" not in text and HIDDEN in text for text in shown)


def test_a_secret_is_neither_pickled_nor_encoded() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("canary-text"))
    with pytest.raises(TypeError):
        json.dumps(Secret("canary-text"))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret("canary-text"))


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("?appid=wx1&secret=abc&x=1", "?appid=wx1&secret=***&x=1"),
        ('{"access_token":"abc","expires_in":7200}', '{"access_token":"***","expires_in":7200}'),
        ("js_code=0a3b, code: 40029", "js_code=***, code: 40029"),
        ("session_key = 'abc='", "session_key = '***'"),
        ("refresh_token=a&app_secret=b", "refresh_token=***&app_secret=***"),
        ("errcode=40001 barcode=77x", "errcode=40001 barcode=77x"),
        ("no secrets here", "no secrets here"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_parameter_is_redacted(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_known_secret_is_redacted_wherever_it_stands() -> None:
    assert redact("x abcdef y", [Secret("abcdef")]) == f"x {HIDDEN} y"


class Day:
    """A day at the platform over real sockets: what works, and every way it can go wrong."""

    def __init__(self, folder: Path) -> None:
        self.texts: list[str] = []
        self.path = folder / "state.db"
        self.sink = KeepingSink()

    def run(self) -> None:
        time = Time()
        accounts = [MockAccount(SHOP, "Shop", users=range(150)),
                    MockAccount(MINI, "Mini", kind="mini_program", users=range(9))]  # fmt: skip
        world, _ = world_of(*accounts, time=time)
        with MockServer(world) as server:
            transport = HttpTransport(allowed=[server.host])
            database = Database(str(self.path))
            around = Surroundings(transport, time.clock, time.sleep, lambda: 0.5)
            tokens = Tokens(
                TokenCache(database),
                clock=time.clock,
                sleep=time.sleep,
                chance=lambda: 0.5,
                holder="w",
            )
            client = Client(around, tokens, Ledger(database))
            room = Room(client, Followers(database), Runs(database), self.sink, time.clock)
            self._work(room, world, server.url)
            database.close()
            transport.close()

    def _work(self, room: Room, world: World, url: str) -> None:
        shop = app_of(world.accounts[SHOP], base_url=url)
        mini = app_of(world.accounts[MINI], base_url=url)
        self.texts += [repr(shop), repr(mini), repr(room)]
        self.texts.append(repr(sync_account(room, shop)))
        login = exchange(room.client, mini, "login-3", with_session_key=True)
        self.texts += [repr(login), repr(remember(room, mini, login))]
        self._fails(lambda: exchange(room.client, mini, "login-3"))
        web = app_of(world.accounts[SHOP], base_url=url)
        self.texts.append(repr(exchange(room.client, web, "login-3")))
        static = TokenSettings(kind="static", secret=lambda: Secret("static-canary-token"))
        fixed = app_of(world.accounts[SHOP], base_url=url, token=static)
        self._fails(lambda: room.client.call(fixed, wechat.FOLLOWERS, {}))
        echo = ECHO.format(s="mock-secret-wxshop", t="mock-token-stable-wxshop-1")
        for errcode in (40013, 40001, 45009, 99999):
            world.faults = [Fault("user/info", 1, 10**9, {"errcode": errcode, "errmsg": echo})]
            values = {"openid": "o"}
            self._fails(lambda: room.client.call(shop, wechat.FOLLOWER, values))  # noqa: B023
        for fault in (Fault("jscode2session", 1, 99, echo.encode()),
                      Fault("jscode2session", 1, 99, {"errcode": 40029, "errmsg": echo}),
                      Fault("jscode2session", 1, 99, b"", 500)):  # fmt: skip
            world.faults = [fault]
            self._fails(lambda: exchange(room.client, mini, "login-3"))
        gone = app_of(world.accounts[MINI], base_url="http://127.0.0.1:9")
        self._fails(lambda: exchange(room.client, gone, "login-3"))

    def _fails(self, act: Callable[[], object]) -> None:
        with pytest.raises(IdweaveError) as caught:
            act()
        error = caught.value
        self.texts += [str(error), repr(error), repr(vars(error)), error.fix]
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__


def test_no_output_of_a_busy_day_holds_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    day = Day(tmp_path)
    day.run()
    out, err = capfd.readouterr()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert any(name.startswith("state.db") for name in files)
    facts = json.dumps(list(day.sink.records.values()))
    places = {"texts": "\n".join(day.texts), "log": caplog.text, "out": out + err, "facts": facts}
    for canary in CANARIES:
        for place, text in places.items():
            assert canary not in text, f"{canary} in {place}"
        for name, content in files.items():
            assert canary.encode() not in content, f"{canary} in {name}"


def test_the_state_file_is_its_owners_alone(tmp_path: Path) -> None:
    Database(str(tmp_path / "state.db")).close()
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0
