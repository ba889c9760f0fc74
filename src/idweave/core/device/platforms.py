"""The platforms as a table: what each released build is called, keeps, allows and does (DEVICE.md).

A platform is a row of :data:`PLATFORMS`; what the builds of one SDK have in common is its
:class:`Rules`. ``docs/reference/platforms.md`` is drawn from this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from ..identity import ANONYMOUS_KEY, LOGIN_KEY
from .values import WORDS, KeyRule, Numbers, ValueRule


class Form(Enum):
    """How the state is persisted under the storage key."""

    OBJECT = "object"  # the host's storage takes an object
    TEXT = "JSON text"
    COOKIE = "cookie"  # percent-encoded JSON
    NONE = "nothing"  # stateless


@dataclass(frozen=True, slots=True)
class Rules:
    """What the builds of one SDK do alike.

    ``identity`` is for the ids of identify, login and the openid calls; ``kept``: identities that
    unbind never removes; ``logout_renews``: ``logout(True)`` makes a new anonymous id;
    ``identify_persists``: else identify lasts until the next start; ``cookie``: the web SDK's
    rules of login, restart and unbind in place of the mini programs'.
    """

    identity: ValueRule
    reset: ValueRule
    bound: ValueRule
    login_key: KeyRule
    bind_key: KeyRule
    unbind_key: KeyRule
    kept: frozenset[str] = frozenset()
    logout_renews: bool = False
    identify_persists: bool = True
    identify_id_option: bool = False
    identify_renews: bool = False
    legacy_keys: bool = False
    signup_login_id: bool = False
    rising_time: bool = False
    cookie: bool = False
    profile_track_id: bool = False
    text_units_max: int = 5000


@dataclass(frozen=True, slots=True)
class Platform:
    """One row: a released build. ``device_key`` is None under ID-Mapping 2.

    ``calls`` are this package's names of what the build offers; what is not there, is refused.
    """

    name: str
    title: str
    sdk: str
    version: str
    lib: str
    storage_key: str
    device_key: str | None
    form: Form
    rules: Rules
    calls: frozenset[str] = field(default_factory=frozenset)

    @property
    def id_mapping(self) -> int:
        """3 where the build sends ``identities``, else 2."""
        return 3 if self.device_key or self.form is Form.NONE else 2


# -- values and keys -------------------------------------------------------------------------------

_DIGITS = ValueRule(Numbers.DIGITS)
_STRINGIFIED = ValueRule(Numbers.ANY)
_SAFE = ValueRule(Numbers.SAFE)
_LOOSE = ValueRule(Numbers.FINITE, units_max=None)
_WEB_ID = ValueRule(Numbers.ANY, units_max=None, blank=False)
_WEB_BOUND = ValueRule(Numbers.REFUSED, units_max=None, blank=False)

_MINI_WORDS = WORDS | {"device_id"}
_BOTH = frozenset({LOGIN_KEY, ANONYMOUS_KEY})
_WECHAT_DEVICE = frozenset({"$mp_id", "$identity_mp_id"})
_WECHAT_LOGIN = _WECHAT_DEVICE | {
    ANONYMOUS_KEY,
    "$mp_openid",
    "$identity_mp_openid",
    "$mp_unionid",
    "$identity_mp_unionid",
}
_COOKIE_KEY = "$identity_cookie_id"


def _mini_rules(device: frozenset[str], login_reserved: frozenset[str]) -> Rules:
    return Rules(
        identity=_DIGITS,
        reset=_STRINGIFIED,
        bound=_SAFE,
        login_key=KeyRule(_MINI_WORDS, login_reserved, long_unchecked=True),
        bind_key=KeyRule(_MINI_WORDS, _BOTH | device),
        unbind_key=KeyRule(_MINI_WORDS, _BOTH),
        kept=device,
    )


_WECHAT = replace(
    _mini_rules(_WECHAT_DEVICE, _WECHAT_LOGIN),
    logout_renews=True,
    legacy_keys=True,
    signup_login_id=True,
    rising_time=True,
)
_WEB = Rules(
    identity=_WEB_ID,
    reset=_WEB_ID,
    bound=_WEB_BOUND,
    login_key=KeyRule(WORDS, frozenset({ANONYMOUS_KEY, _COOKIE_KEY}), True, numbers=True),
    bind_key=KeyRule(WORDS, _BOTH | {_COOKIE_KEY}, long_unchecked=True),
    unbind_key=KeyRule(WORDS, _BOTH, long_unchecked=True),
    kept=frozenset({_COOKIE_KEY}),
    logout_renews=True,
    identify_renews=True,
    cookie=True,
    profile_track_id=True,
    text_units_max=1024,
)
_ID2 = replace(_mini_rules(frozenset(), frozenset()), logout_renews=True)
_ID2_LOOSE = replace(_ID2, identity=_LOOSE)


def _mini_id3(device_key: str) -> Rules:
    device = frozenset({device_key})
    return replace(_mini_rules(device, device | {ANONYMOUS_KEY}), identify_id_option=True)


# -- calls -----------------------------------------------------------------------------------------

_BASIC = frozenset(
    [
        "identify",
        "login",
        "logout",
        "track_signup",
        "track",
        "profile_set",
        "profile_set_once",
        "register",
        "register_once",
        "register_for_session",
        "clear_register",
        "clear_session_register",
    ]
)
_ID3 = _BASIC | frozenset(
    [
        "login_with_key",
        "bind",
        "unbind",
        "reset_anonymous_identity",
        "anonymous_id",
        "get_identities",
    ]
)
_WECHAT_V2_CALLS = _ID3 | frozenset(
    [
        "bind_openid",
        "unbind_openid",
        "bind_unionid",
        "unbind_unionid",
        "profile_append",
        "profile_increment",
        "web_view_url",
        "quick",
    ]
)
_MINI_CALLS = _ID3 | {"bind_without_check", "unbind_without_check"}
_WECHAT_CALLS = _WECHAT_V2_CALLS | {"set_openid", "unset_openid"}
_WEB_CALLS = _ID3 | frozenset(
    [
        "profile_append",
        "profile_increment",
        "profile_unset",
        "profile_delete",
        "item_set",
        "item_delete",
        "page_view",
        "quick",
    ]
)
_SERVER_CALLS = frozenset(
    [
        "track",
        "track_signup",
        "track_by_id",
        "bind",
        "unbind",
        "item_set",
        "item_delete",
        "register",
        "clear_register",
        "profile_set",
        "profile_set_once",
        "profile_increment",
        "profile_append",
        "profile_unset",
        "profile_delete",
        "profile_set_by_id",
        "profile_set_once_by_id",
        "profile_increment_by_id",
        "profile_append_by_id",
        "profile_unset_by_id",
        "profile_delete_by_id",
    ]
)

_MINIPROGRAM, _MINI = "sa-sdk-miniprogram", "sa-sdk-mini"


def _wechat(name: str, title: str, calls: frozenset[str]) -> Platform:
    return Platform(
        name,
        title,
        _MINIPROGRAM,
        "1.22.7",
        "MiniProgram",
        storage_key="sensorsdata2015_wechat",
        device_key="$identity_mp_id",
        form=Form.OBJECT,
        rules=_WECHAT,
        calls=calls,
    )


def _mini(name: str, title: str, lib: str, keys: tuple[str, str]) -> Platform:
    storage, device = keys
    return Platform(
        name,
        title,
        _MINI,
        "0.15.9",
        lib,
        storage_key=storage,
        device_key=device,
        form=Form.TEXT,
        rules=_mini_id3(device),
        calls=_MINI_CALLS,
    )


def _id2(name: str, title: str, lib: str, build: tuple[str, str]) -> Platform:
    storage, version = build
    return Platform(
        name,
        title,
        _MINI,
        version,
        lib,
        storage_key=storage,
        device_key=None,
        form=Form.TEXT,
        rules=_ID2_LOOSE,
        calls=_BASIC,
    )


_ALIPAY = _mini(
    "alipay", "Alipay, DingTalk", "AlipayMini", ("sensorsdata2015_zfb", "$identity_ali_mp_id")
)
_TAOBAO = _mini("taobao", "Taobao", "TaobaoMini", ("sensorsdata2015_tb", "$identity_taobao_uuid"))
_QQ = _mini("qq", "QQ", "QQMini", ("sensorsdata2015_qq", "$identity_qq_mp_id"))
_WECHAT_MINI = _mini(
    "wechat-mini",
    "WeChat by sa-sdk-mini",
    "MiniProgram",
    ("sensorsdata2015_wechat", "$identity_mp_id"),
)

_ROWS = (
    _wechat("wechat", "WeChat", _WECHAT_CALLS),
    _wechat("wechat-v2", "WeChat, modular build", _WECHAT_V2_CALLS),
    replace(
        _WECHAT_MINI,
        version="0.15.8",
        # no identify_id here: what identify sets, this build forgets at the next start
        rules=replace(
            _mini_rules(_WECHAT_DEVICE, _WECHAT_LOGIN),
            identify_persists=False,
            identify_id_option=True,
        ),
    ),
    replace(_ALIPAY, form=Form.OBJECT, calls=_MINI_CALLS | {"quick"}),
    _mini("baidu", "Baidu", "SmartProgram", ("sensorsdata2015_baidu", "$identity_baidu_mp_id")),
    _mini(
        "bytedance",
        "ByteDance, Douyin",
        "BytedanceMini",
        ("sensorsdata2015_tt", "$identity_byte_mp_id"),
    ),
    _mini("feishu", "Feishu", "FeishuMini", ("sensorsdata2015_feishu", "$identity_feishu_mp_id")),
    replace(_TAOBAO, form=Form.OBJECT),
    _mini("xiaohongshu", "Xiaohongshu", "XHSMini", ("sensorsdata2015_xhs", "$identity_xhs_mp_id")),
    replace(_QQ, version="0.14.3", rules=replace(_QQ.rules, identify_id_option=False)),
    replace(_id2("jd", "JD", "JDMini", ("sensorsdata2015_jd", "0.15.9")), rules=_ID2),
    replace(
        _id2("kuaishou", "Kuaishou", "KuaishouMini", ("sensorsdata2015_ks", "0.14.7")), rules=_ID2
    ),
    _id2(
        "wechat-mini-extrem",
        "WeChat, smallest build",
        "MiniProgram",
        ("sensorsdata2015_wechat", "0.13.4"),
    ),
    _id2("game-wechat", "WeChat game", "MiniGame", ("sd2015-wechat-game", "0.12.2")),
    _id2("game-bytedance", "ByteDance game", "MiniGame", ("sd2015-bytedance-game", "0.12.0")),
    _id2("game-qq", "QQ game", "MiniGame", ("sd2015-qq-game", "0.12.0")),
    _id2("plugin-wechat", "WeChat plugin", "MiniProgram", ("sensorsdata2022_wxplugin", "0.12.0")),
    Platform(
        "web",
        "Web browser",
        "sa-sdk-javascript",
        "1.27.11",
        "js",
        storage_key="sensorsdata2015jssdkcross",
        device_key=_COOKIE_KEY,
        form=Form.COOKIE,
        rules=_WEB,
        calls=_WEB_CALLS,
    ),
    Platform(
        "python",
        "Server, stateless",
        "SensorsAnalyticsSDK",
        "1.11.0",
        "python",
        storage_key="",
        device_key=None,
        form=Form.NONE,
        rules=_WEB,
        calls=_SERVER_CALLS,
    ),
)

PLATFORMS: Final = MappingProxyType({row.name: row for row in _ROWS})
"""Every platform by its name."""


SDK_ONLY: Final = frozenset({"bind_without_check", "quick", "unbind_without_check"})
"""Calls of the released builds that a tracker of ours does not offer: nobody needs them."""


def platforms_with(call: str) -> tuple[str, ...]:
    """The names of the platforms that have a call, in the order of the table."""
    return tuple(row.name for row in _ROWS if call in row.calls)
