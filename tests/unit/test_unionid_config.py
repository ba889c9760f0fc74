"""The configuration: every mistake is named with its field and its fix, and no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from idweave.core.errors import ConfigError, InputError
from idweave.unionid.config import APP, PLATFORM, TOP, UnionIdSettings, parse
from idweave.unionid.secret import Secret

CANARY = "c4n4ry5ecret0123456789abcdef"


def app(**changes: Any) -> dict[str, Any]:
    return {"appid": "wxa", "kind": "official_account", "secret_env": "SHOP_SECRET"} | changes


def raw(*apps: dict[str, Any], **top: Any) -> dict[str, Any]:
    platforms = [{"name": "main", "main": True}, {"name": "two", "key": "$identity_two_unionid"}]
    return {"open_platforms": platforms, "apps": list(apps) or [app()]} | top


def parsed(*apps: dict[str, Any], **top: Any) -> UnionIdSettings:
    return parse(raw(*apps, **top), {"SHOP_SECRET": CANARY}, Path("folder"))


def mistake(*apps: dict[str, Any], **top: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(*apps, **top)
    assert caught.value.fix
    return str(caught.value)


def test_a_whole_configuration_is_read() -> None:
    settings = parsed(
        app(name="Shop", open_platform="main"),
        app(appid="wxb", kind="mini_program", open_platform="two"),
        app(appid="qq1", kind="mini_program", provider="qq"),
    )
    assert settings.state == str(Path("folder/unionid.db"))
    shop, mini, qq = settings.apps
    assert shop.open_platform is not None
    assert (shop.open_platform.key, shop.token.kind) == ("$identity_mp_unionid", "stable")
    assert mini.open_platform is not None
    assert mini.open_platform.key == "$identity_two_unionid"
    assert qq.open_platform is not None
    assert (qq.openid_key, qq.open_platform.key) == (
        "$identity_qq_qq1_openid",
        "$identity_qq_unionid",
    )
    assert settings.app("Shop") is shop
    assert settings.app("wxa") is shop


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    tables = raw(app(), {"appid": "wxb", "kind": "web", "secret_file": "secret"})
    settings = parse(tables, {"SHOP_SECRET": CANARY}, tmp_path)
    for one in settings.apps:
        assert one.secret is not None
        assert one.secret() == Secret(CANARY)


@pytest.mark.parametrize(
    ("apps", "place"),
    [
        ([{"kind": "web"}], "unionid.apps[0].appid: It is missing"),
        ([app(), {"appid": "wxb"}], "unionid.apps[1].kind: It is missing"),
        ([app(kind="shop")], "unionid.apps[0].kind: It is 'shop'"),
        ([app(provider="wechta")], "unionid.apps[0].provider: It is 'wechta'"),
        ([app(open_platform="mian")], "unionid.apps[0].open_platform: It is 'mian'"),
        ([app(secert_env="X")], "unionid.apps[0].secert_env: It is not a setting"),
        ([app(secret_file="x")], "unionid.apps[0].secret_file: It stands beside `secret_env`"),
        ([app(token="static")], "unionid.apps[0].token_env: It is missing"),
        ([app(token="external")], "unionid.apps[0].token_url: It is missing"),
        ([app(token="component")], "unionid.apps[0].component_appid: It is missing"),
        ([app(), app()], "unionid.apps: It has the appid 'wxa' twice"),
        ([app(name="A"), app(appid="wxb", name="A")], "unionid.apps: It has the name 'A' twice"),
        ([app(appid=7)], "unionid.apps[0].appid: It is not of type str"),
    ],
)
def test_a_mistake_in_an_app_is_named(apps: list[dict[str, Any]], place: str) -> None:
    assert place in mistake(*apps)


@pytest.mark.parametrize(
    ("top", "place"),
    [
        ({"open_platforms": [{"name": "a"}]}, "unionid.open_platforms[0].key: It is missing"),
        ({"open_platforms": [{"name": "a", "key": "$k"}]}, "has no main one"),
        (
            {"open_platforms": [{"name": "a", "main": True}, {"name": "b", "main": True}]},
            "has the key '$identity_mp_unionid' twice",
        ),
        (
            {"open_platforms": [{"name": "a", "main": True}, {"name": "a", "key": "$k"}]},
            "unionid.open_platforms[1].name: It is 'a' again",
        ),
        ({"open_platforms": [{"name": "a", "main": True, "key": "$k"}]}, "open_platforms[0].key"),
        ({"open_platforms": ["a"]}, "unionid.open_platforms: It is no list of tables"),
        ({"parallel": 0}, "unionid.parallel: It is 0"),
        ({"parallel": True}, "unionid.parallel: It is not of type int"),
        ({"allow_hosts": ["localhost"]}, "unionid.allow_hosts: It holds what is no host:port"),
        ({"stat": "x"}, "unionid.stat: It is not a setting"),
    ],
)
def test_a_mistake_at_the_top_is_named(top: dict[str, Any], place: str) -> None:
    assert place in mistake(**top)


def test_the_likely_name_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(app(provider="wechta"))
    assert caught.value.fix == "Did you mean 'wechat'?"


@pytest.mark.parametrize(
    "table",
    [
        {"secret": CANARY},
        {"token": CANARY},
        {"refresh_token": CANARY},
        {"secret_env": CANARY},
    ],
)
def test_a_secret_in_the_file_itself_is_refused_and_not_shown(table: dict[str, Any]) -> None:
    def use() -> None:
        secret = parse(raw(app(**table)), {}, Path()).apps[0].secret
        assert secret is not None
        secret()

    with pytest.raises(ConfigError) as caught:
        use()
    assert CANARY not in str(caught.value)


def test_a_secret_that_is_not_there_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for table, place in (
        (
            {"secret_env": "NOBODY_SET_THIS"},
            "secret_env: It names NOBODY_SET_THIS, which is not set",
        ),
        ({"secret_file": "missing"}, "which cannot be read"),
        ({"secret_file": "empty"}, "which is empty"),
    ):
        settings = parse(raw({"appid": "wxa", "kind": "web", **table}), {}, tmp_path)
        assert settings.apps[0].secret is not None
        with pytest.raises(ConfigError) as caught:
            settings.apps[0].secret()
        assert place in str(caught.value)


def test_an_app_that_nobody_configured_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        parsed(app(name="Shop")).app("Club")
    assert "Shop" in caught.value.fix


def test_settings_can_be_printed_without_giving_secrets_away() -> None:
    settings = parsed(app(token="static", token_env="SHOP_SECRET"))
    assert CANARY not in repr(settings)


def test_every_field_is_described() -> None:
    for field in (*TOP, *PLATFORM, *APP):
        assert field.meaning
