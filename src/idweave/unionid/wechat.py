"""WeChat's endpoints (WECHAT.md §2)."""

from __future__ import annotations

from .endpoint import Auth, Encoding, Endpoint

BASE_URL = "https://api.weixin.qq.com"

LIST_PAGE_MAX = 10_000
"""Openids of one page of the follower list, set by WeChat."""

BATCH_MAX = 100
"""Users of one batchget or changeopenid, set by WeChat: 40032 above."""

_JSON = Encoding.JSON

TOKEN = Endpoint(
    name="token",
    path="/cgi-bin/token",
    params=(("grant_type", "=client_credential"), ("appid", "appid"), ("secret", "secret")),
    auth=Auth.NONE,
    quota="token",
)
STABLE_TOKEN = Endpoint(
    name="stable_token",
    method="POST",
    path="/cgi-bin/stable_token",
    encoding=_JSON,
    params=(
        ("grant_type", "=client_credential"),
        ("appid", "appid"),
        ("secret", "secret"),
        ("force_refresh", "force_refresh?"),
    ),
    auth=Auth.NONE,
    quota="stable_token",
)
COMPONENT_TOKEN = Endpoint(
    name="api_component_token",
    method="POST",
    path="/cgi-bin/component/api_component_token",
    encoding=_JSON,
    params=(
        ("component_appid", "component_appid"),
        ("component_appsecret", "component_secret"),
        ("component_verify_ticket", "ticket"),
    ),
    auth=Auth.NONE,
    quota="component_token",
)
AUTHORIZER_TOKEN = Endpoint(
    name="api_authorizer_token",
    method="POST",
    path="/cgi-bin/component/api_authorizer_token",
    encoding=_JSON,
    params=(
        ("component_appid", "component_appid"),
        ("authorizer_appid", "appid"),
        ("authorizer_refresh_token", "refresh_token"),
    ),
    auth=Auth.COMPONENT,
    quota="authorizer_token",
)
FOLLOWERS = Endpoint(
    name="user/get",
    path="/cgi-bin/user/get",
    params=(("next_openid", "next_openid?"),),
    quota="user/get",
)
FOLLOWER = Endpoint(
    name="user/info",
    path="/cgi-bin/user/info",
    params=(("openid", "openid"), ("lang", "=zh_CN")),
    quota="user/info",
)
FOLLOWER_BATCH = Endpoint(
    name="user/info/batchget",
    method="POST",
    path="/cgi-bin/user/info/batchget",
    encoding=_JSON,
    params=(("user_list", "user_list"),),
    quota="user/info",
)
CHANGE_OPENID = Endpoint(
    name="changeopenid",
    method="POST",
    path="/cgi-bin/changeopenid",
    encoding=_JSON,
    params=(("from_appid", "from_appid"), ("openid_list", "openid_list")),
    quota="changeopenid",
)
QUOTA = Endpoint(
    name="openapi/quota/get",
    method="POST",
    path="/cgi-bin/openapi/quota/get",
    encoding=_JSON,
    params=(("cgi_path", "cgi_path"),),
    quota="openapi/quota",
)
CLEAR_QUOTA = Endpoint(
    name="clear_quota",
    method="POST",
    path="/cgi-bin/clear_quota",
    encoding=_JSON,
    params=(("appid", "appid"),),
    quota="clear_quota",
)
OPEN_CREATE = Endpoint(
    name="open/create",
    method="POST",
    path="/cgi-bin/open/create",
    encoding=_JSON,
    params=(("appid", "appid"),),
    repeatable=False,
)
OPEN_GET = Endpoint(
    name="open/get",
    method="POST",
    path="/cgi-bin/open/get",
    encoding=_JSON,
    params=(("appid", "appid"),),
)
OPEN_BIND = Endpoint(
    name="open/bind",
    method="POST",
    path="/cgi-bin/open/bind",
    encoding=_JSON,
    params=(("appid", "appid"), ("open_appid", "open_appid")),
    repeatable=False,
)
OPEN_UNBIND = Endpoint(
    name="open/unbind",
    method="POST",
    path="/cgi-bin/open/unbind",
    encoding=_JSON,
    params=(("appid", "appid"), ("open_appid", "open_appid")),
    repeatable=False,
)
PAID_UNIONID = Endpoint(
    name="getpaidunionid",
    path="/wxa/getpaidunionid",
    params=(
        ("openid", "openid"),
        ("transaction_id", "transaction_id?"),
        ("mch_id", "mch_id?"),
        ("out_trade_no", "out_trade_no?"),
    ),
    quota="getpaidunionid",
)
PLUGIN_OPENPID = Endpoint(
    name="getpluginopenpid",
    method="POST",
    path="/wxa/getpluginopenpid",
    encoding=_JSON,
    params=(("code", "code"),),
    quota="getpluginopenpid",
    repeatable=False,
)
CODE_TO_SESSION = Endpoint(
    name="jscode2session",
    path="/sns/jscode2session",
    params=(
        ("appid", "appid"),
        ("secret", "secret"),
        ("js_code", "code"),
        ("grant_type", "=authorization_code"),
    ),
    auth=Auth.NONE,
    repeatable=False,
)
COMPONENT_CODE_TO_SESSION = Endpoint(
    name="component/jscode2session",
    path="/sns/component/jscode2session",
    params=(
        ("appid", "appid"),
        ("js_code", "code"),
        ("grant_type", "=authorization_code"),
        ("component_appid", "component_appid"),
    ),
    auth=Auth.COMPONENT,
    repeatable=False,
)
WEB_LOGIN = Endpoint(
    name="oauth2/access_token",
    path="/sns/oauth2/access_token",
    params=(
        ("appid", "appid"),
        ("secret", "secret"),
        ("code", "code"),
        ("grant_type", "=authorization_code"),
    ),
    auth=Auth.NONE,
    repeatable=False,
)
COMPONENT_WEB_LOGIN = Endpoint(
    name="oauth2/component/access_token",
    path="/sns/oauth2/component/access_token",
    params=(
        ("appid", "appid"),
        ("code", "code"),
        ("grant_type", "=authorization_code"),
        ("component_appid", "component_appid"),
    ),
    auth=Auth.COMPONENT,
    repeatable=False,
)
WEB_REFRESH = Endpoint(
    name="oauth2/refresh_token",
    path="/sns/oauth2/refresh_token",
    params=(
        ("appid", "appid"),
        ("grant_type", "=refresh_token"),
        ("refresh_token", "refresh_token"),
    ),
    auth=Auth.NONE,
)
WEB_USER = Endpoint(
    name="sns/userinfo",
    path="/sns/userinfo",
    params=(("access_token", "user_token"), ("openid", "openid"), ("lang", "=zh_CN")),
    auth=Auth.NONE,
)
