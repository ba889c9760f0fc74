"""Login codes to ids: WeChat whole, every other platform of the table for its exchange."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from idweave.core.errors import ConfigError
from idweave.unionid.apps import Component, TokenSettings
from idweave.unionid.errors import PlatformError
from idweave.unionid.login import Login, exchange, remember
from idweave.unionid.mock import MockAccount
from idweave.unionid.mock.world import made_id
from idweave.unionid.providers import PROVIDERS
from idweave.unionid.secret import Secret
from idweave.unionid.state import Unresolved
from tests.unit.unionid_room import Setup, setup, world_of

APPID = "wxm0000000000001"
PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


def room_of(provider: str = "wechat", kind: str = "mini_program", **changes: Any) -> Setup:
    account = MockAccount(APPID, "App", kind=kind, provider=provider, users=range(10), **changes)
    world, time = world_of(account)
    return setup(world, time)


def login(room: Setup, code: str = "login-7", **changes: Any) -> Login:
    app = changes.pop("app", {})
    return exchange(room.client, room.app(APPID, **app), code, **changes)


def refused(room: Setup, code: str = "login-7", **changes: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        login(room, code, **changes)
    return caught.value


def test_a_mini_programs_code_gives_openid_and_union_id() -> None:
    found = login(room_of())
    assert (found.openid, found.union_id) == (made_id(APPID, 7), made_id("main", 7))
    assert found.why is None


def test_the_session_key_is_given_only_when_asked_for() -> None:
    assert login(room_of()).session_key is None
    asked = login(room_of(), with_session_key=True)
    assert asked.session_key == Secret("bW9jay1zZXNzaW9uLWtleQ==")
    assert "bW9jay" not in repr(asked)


def test_a_code_works_once() -> None:
    room = room_of()
    login(room)
    error = refused(room)
    assert (error.refused.errcode, error.code) == (40163, "UNIONID_CODE_REFUSED")


@pytest.mark.parametrize("code", ["nonsense", "login-7-old", "login-x"])
def test_a_code_that_is_none_is_refused(code: str) -> None:
    assert refused(room_of(), code).refused.errcode == 40029


def test_an_empty_code_is_named_before_anything_is_sent() -> None:
    room = room_of()
    with pytest.raises(ConfigError, match="code"):
        login(room, "")
    assert room.transport.sent == []


def test_a_wrong_secret_is_the_accounts_problem() -> None:
    error = refused(room_of(), app={"secret": lambda: Secret("wrong-secret")})
    assert error.refused.errcode == 40125


def test_an_unbound_mini_program_has_no_union_ids() -> None:
    assert login(room_of(open_platform=None)).why is Unresolved.NOT_BOUND


@pytest.mark.parametrize("kind", ["official_account", "web"])
def test_a_web_login_gives_the_union_id(kind: str) -> None:
    assert login(room_of(kind=kind)).union_id == made_id("main", 7)


def test_a_web_login_without_it_asks_who_that_is() -> None:
    room = room_of(kind="web", open_platform=None)
    room.world.rebind(APPID, None)
    assert login(room).why is Unresolved.NOT_BOUND
    assert room.world.calls["userinfo"] == 1


def test_a_base_scope_login_has_no_union_id_and_is_not_asked_about() -> None:
    room = room_of(kind="official_account")
    found = login(room, "login-7-base")
    assert (found.union_id, found.why) == ("", Unresolved.BASE_SCOPE)
    assert room.world.calls["userinfo"] == 0


def test_a_third_party_platform_logs_users_in_with_its_own_token() -> None:
    component = Component(
        appid="wxcomponent",
        secret=lambda: Secret("component-secret"),
        ticket=lambda: Secret("mock-ticket"),
    )
    settings = TokenSettings(kind="component", component=component)
    for kind in ("mini_program", "official_account"):
        room = room_of(kind=kind)
        found = login(room, app={"token": settings, "secret": None})
        assert found.union_id == made_id("main", 7)
        assert room.world.calls["component_token"] == 1


def test_a_plugin_code_gives_the_openpid_and_a_login_code_is_told_apart() -> None:
    room = room_of(kind="plugin")
    assert login(room, "plugin-7").openid == made_id(f"{APPID} plugin", 7)
    assert refused(room, "login-7").refused.errcode == 1007


# -- the graph -------------------------------------------------------------------------------------


def test_a_login_can_tell_the_graph_its_pair() -> None:
    room = room_of()
    remember(room.room, room.app(APPID), login(room))
    assert room.sink.pairs() == {
        (
            ("$identity_mp_unionid", made_id("main", 7)),
            (f"$identity_mp_{APPID}_openid", made_id(APPID, 7)),
        )
    }
    again = remember(room.room, room.app(APPID), login(room, "login-7-"))  # another code
    assert again.facts == 0


def test_a_snapshot_user_is_never_kept() -> None:
    room = room_of(kind="official_account")
    found = login(room, "login-7-snapshot")
    assert found.snapshot
    assert found.why is Unresolved.SNAPSHOT_USER
    assert remember(room.room, room.app(APPID), found).facts == 0
    assert room.database.rows("SELECT count(*) FROM follower") == [(0,)]


# -- the other platforms ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "has_union"),
    [
        ("qq", True),
        ("alipay", True),
        ("baidu", True),
        ("douyin", True),
        ("kuaishou", False),
        ("xiaohongshu", False),
        ("feishu", True),
    ],
)
def test_every_platform_with_an_exchange_gives_its_ids(provider: str, has_union: bool) -> None:
    room = room_of(provider)
    app = {"secret": lambda: Secret(PEM.decode())} if provider == "alipay" else {}
    found = login(room, app=app)
    assert found.openid == made_id(APPID, 7)
    assert bool(found.union_id) == has_union
    used = refused(room, app=app)
    assert used.code in {"UNIONID_CODE_REFUSED", "UNIONID_UNKNOWN_ERRCODE"}


def test_each_platform_says_in_its_own_code_that_a_login_code_was_used() -> None:
    for provider in ("qq", "baidu", "douyin", "kuaishou", "feishu"):
        room = room_of(provider)
        login(room)
        assert refused(room).code == "UNIONID_CODE_REFUSED", provider


def test_feishu_has_a_third_id_per_tenant() -> None:
    found = login(room_of("feishu"))
    assert (found.tenant, found.tenant_user_id) == ("mock-tenant", "e7")


def test_a_visitor_of_douyin_has_an_anonymous_id() -> None:
    room = room_of("douyin")
    found = login(room, "", anonymous_code="anything")
    assert (found.openid, found.anonymous_openid) == ("", made_id(f"{APPID} anon", 1))


def test_an_alipay_secret_that_is_no_key_is_said_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        login(room_of("alipay"))
    assert "mock-secret" not in str(caught.value)
    assert "RSA" in caught.value.message


@pytest.mark.parametrize("provider", ["taobao", "jd", "wecom"])
def test_a_platform_without_an_exchange_says_what_to_do_instead(provider: str) -> None:
    with pytest.raises(ConfigError) as caught:
        login(room_of(provider))
    assert PROVIDERS[provider].note in caught.value.fix
