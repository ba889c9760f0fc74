"""The platforms with an id per app and an id per developer: one row each (WECHAT.md §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import wechat
from .endpoint import AnswerShape, Auth, Encoding, Endpoint
from .errcodes import Action, ErrorRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a login exchange; ``takes`` names what is taken from its answer (dotted paths),
    for the result and for later steps. A step runs only when ``needs`` were taken before and
    ``unless`` was not."""

    endpoint: Endpoint
    takes: Mapping[str, str]
    needs: tuple[str, ...] = ()
    unless: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One platform. ``exchanges`` has the login steps per kind of app; ``openid_key`` (with
    ``{appid}``) and ``union_key`` are the identity keys, empty where the catalogue has none."""

    name: str
    title: str
    base_url: str = ""
    exchanges: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    union_scope: str = "none"
    openid_key: str = ""
    union_key: str = ""
    source: str = ""
    """The token source that its apps use unless they name another; empty: they need none."""
    note: str = ""

    def key_of(self, appid: str) -> str:
        """The identity key of this app's ids."""
        return self.openid_key.replace("{appid}", appid)


def _errors(action: Action, *rows: tuple[int | str, str]) -> dict[int | str, ErrorRow]:
    return {
        code: ErrorRow(code if isinstance(code, int) else 0, text, action) for code, text in rows
    }


_STOP, _CODE, _BUSY = Action.STOP_ACCOUNT, Action.REFUSE_CODE, Action.RETRY

# -- WeChat ----------------------------------------------------------------------------------------

_SESSION = {"openid": "openid", "union_id": "unionid", "session_key": "session_key"}
_WEB = {
    "openid": "openid",
    "union_id": "unionid",
    "user_token": "access_token",
    "scope": "scope",
    "snapshot": "is_snapshotuser",
}
_ASK_USER = Step(
    endpoint=wechat.WEB_USER,
    takes={"union_id": "unionid"},
    needs=("user_token", "openid", "may_ask_user"),
    unless="union_id",
)
WECHAT = Provider(
    name="wechat",
    title="WeChat",
    base_url=wechat.BASE_URL,
    exchanges={
        "mini_program": (Step(endpoint=wechat.CODE_TO_SESSION, takes=_SESSION),),
        "mini_program+component": (
            Step(endpoint=wechat.COMPONENT_CODE_TO_SESSION, takes=_SESSION),
        ),
        "plugin": (Step(endpoint=wechat.PLUGIN_OPENPID, takes={"openid": "openpid"}),),
        "official_account": (Step(endpoint=wechat.WEB_LOGIN, takes=_WEB), _ASK_USER),
        "official_account+component": (
            Step(endpoint=wechat.COMPONENT_WEB_LOGIN, takes=_WEB),
            _ASK_USER,
        ),
        "web": (Step(endpoint=wechat.WEB_LOGIN, takes=_WEB), _ASK_USER),
    },
    union_scope="Open Platform account",
    openid_key="$identity_mp_{appid}_openid",
    union_key="$identity_mp_unionid",
    source="stable",
    note="official accounts, mini programs, plugins, web logins; follower sync",
)

# -- the others: code → ids ------------------------------------------------------------------------

QQ = Provider(
    name="qq",
    title="QQ mini programs",
    base_url="https://api.q.qq.com",
    exchanges={"mini_program": (Step(endpoint=wechat.CODE_TO_SESSION, takes=_SESSION),)},
    union_scope="developer",
    openid_key="$identity_qq_{appid}_openid",
    union_key="$identity_qq_unionid",
    note="fields as WeChat's",
)

_ALIPAY = AnswerShape(
    error_field="error_response.sub_code",
    ok=(None,),
    message_field="error_response.sub_msg",
    inner="alipay_system_oauth_token_response",
    errors=_errors(_CODE, ("isv.code-invalid", "the login code is not valid or was used"))
    | _errors(
        _STOP,
        ("isv.invalid-signature", "the signature does not fit the app's key"),
        ("isv.invalid-app-id", "the appid is not valid"),
        ("isv.missing-app-id", "the appid is missing"),
        ("isv.insufficient-isv-permissions", "the app has no permission for this interface"),
    )
    | _errors(_BUSY, ("isp.unknow-error", "the platform is busy")),
)
ALIPAY = Provider(
    name="alipay",
    title="Alipay",
    base_url="https://openapi.alipay.com",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="alipay.system.oauth.token",
                    method="POST",
                    path="/gateway.do",
                    encoding=Encoding.SIGNED,
                    params=(
                        ("app_id", "appid"),
                        ("method", "=alipay.system.oauth.token"),
                        ("format", "=JSON"),
                        ("charset", "=utf-8"),
                        ("sign_type", "=RSA2"),
                        ("timestamp", "china_time"),
                        ("version", "=1.0"),
                        ("grant_type", "=authorization_code"),
                        ("code", "code"),
                    ),
                    auth=Auth.NONE,
                    repeatable=False,
                    shape=_ALIPAY,
                ),
                takes={"openid": "open_id", "union_id": "union_id", "legacy_id": "user_id"},
            ),
        )
    },
    union_scope="developer",
    openid_key="$identity_ali_{appid}_openid",
    union_key="$identity_ali_unionid",
    note="the secret is the app's RSA private key (PEM); old apps get `user_id` 2088… instead",
)

_BAIDU = AnswerShape(
    error_field="errno",
    message_field="errmsg",
    errors=_errors(_CODE, (10003, "the login code is not valid"), (2014, "the login code is over"))
    | _errors(_STOP, (10001, "the app key is not valid"), (10002, "the app secret is wrong"))
    | _errors(Action.REFRESH, (110, "the token is not valid"), (111, "the token has expired")),
)
BAIDU = Provider(
    name="baidu",
    title="Baidu smart programs",
    base_url="https://openapi.baidu.com",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="jscode2sessionkey",
                    method="POST",
                    path="https://spapi.baidu.com/oauth/jscode2sessionkey",
                    encoding=Encoding.FORM,
                    params=(("code", "code"), ("client_id", "appid"), ("sk", "secret")),
                    auth=Auth.NONE,
                    repeatable=False,
                    shape=_BAIDU,
                ),
                takes={"openid": "openid", "session_key": "session_key"},
            ),
            Step(
                endpoint=Endpoint(
                    name="getunionid",
                    method="POST",
                    path="/rest/2.0/smartapp/getunionid",
                    encoding=Encoding.FORM,
                    params=(("openid", "openid"),),
                    shape=_BAIDU,
                ),
                takes={"union_id": "data.unionid"},
                needs=("openid",),
            ),
        )
    },
    union_scope="developer",
    openid_key="$identity_baidu_{appid}_openid",
    union_key="$identity_baidu_unionid",
    source="baidu",
    note="appid is the app key; two calls",
)

_DOUYIN = AnswerShape(
    error_field="err_no",
    message_field="err_tips",
    inner="data",
    errors=_errors(_BUSY, (-1, "the platform is busy"))
    | _errors(_STOP, (40015, "the appid is not valid"), (40017, "the secret is wrong"))
    | _errors(
        _CODE,
        (40018, "the login code is not valid or was used"),
        (40019, "the anonymous code is not valid or was used"),
    ),
)
DOUYIN = Provider(
    name="douyin",
    title="Douyin, Toutiao (ByteDance)",
    base_url="https://developer.toutiao.com",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="v2/jscode2session",
                    method="POST",
                    path="/api/apps/v2/jscode2session",
                    encoding=Encoding.JSON,
                    params=(
                        ("appid", "appid"),
                        ("secret", "secret"),
                        ("code", "code?"),
                        ("anonymous_code", "anonymous_code?"),
                    ),
                    auth=Auth.NONE,
                    repeatable=False,
                    shape=_DOUYIN,
                ),
                takes={**_SESSION, "anonymous_openid": "anonymous_openid"},
            ),
        )
    },
    union_scope="host app and developer",
    openid_key="$identity_byte_{appid}_openid",
    union_key="$identity_byte_unionid",
    note="the union id differs per host app or developer; users not logged in have anonymous ids",
)

_KUAISHOU = AnswerShape(
    error_field="result",
    ok=(1,),
    message_field="error_msg",
    errors=_errors(_CODE, (100200100, "the login code is not valid"))
    | _errors(_STOP, (100200101, "the app id or secret is wrong")),
)
KUAISHOU = Provider(
    name="kuaishou",
    title="Kuaishou mini programs",
    base_url="https://open.kuaishou.com",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="mp/code2session",
                    method="POST",
                    path="/oauth2/mp/code2session",
                    encoding=Encoding.FORM,
                    params=(("app_id", "appid"), ("app_secret", "secret"), ("js_code", "code")),
                    auth=Auth.NONE,
                    repeatable=False,
                    shape=_KUAISHOU,
                ),
                takes={"openid": "open_id", "session_key": "session_key"},
            ),
        )
    },
    note="no id per developer is documented",
)

_RED = AnswerShape(error_field="code", message_field="msg", inner="data")
XIAOHONGSHU = Provider(
    name="xiaohongshu",
    title="Xiaohongshu mini programs",
    base_url="https://miniapp.xiaohongshu.com",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="rmp/session",
                    path="/api/rmp/session",
                    params=(("app_id", "appid"), ("code", "code")),
                    repeatable=False,
                    shape=_RED,
                ),
                takes={"openid": "openid", "session_key": "session_key"},
            ),
        )
    },
    source="xiaohongshu",
    note="no id per developer yet",
)

FEISHU_SHAPE = AnswerShape(
    error_field="code",
    message_field="msg",
    inner="data",
    errors=_errors(_CODE, (20003, "the login code is not valid or was used"))
    | _errors(_STOP, (10003, "the app id or secret is missing"), (10014, "the app secret is wrong"))
    | _errors(
        Action.REFRESH,
        (99991664, "the app token is not valid"),
        (99991663, "the token is not valid"),
        (99991661, "the token is missing"),
    ),
)
FEISHU = Provider(
    name="feishu",
    title="Feishu, Lark",
    base_url="https://open.feishu.cn",
    exchanges={
        "mini_program": (
            Step(
                endpoint=Endpoint(
                    name="mina/v2/tokenLoginValidate",
                    method="POST",
                    path="/open-apis/mina/v2/tokenLoginValidate",
                    encoding=Encoding.JSON,
                    params=(("code", "code"),),
                    auth=Auth.BEARER,
                    repeatable=False,
                    shape=FEISHU_SHAPE,
                ),
                takes={
                    "openid": "open_id",
                    "union_id": "union_id",
                    "tenant_user_id": "employee_id",
                    "tenant": "tenant_key",
                    "session_key": "session_key",
                },
            ),
        )
    },
    union_scope="vendor",
    openid_key="$identity_feishu_{appid}_openid",
    union_key="$identity_feishu_unionid",
    source="feishu",
    note="a third id, of the employee, per tenant",
)

_CLOUD = "ids come from the platform's cloud function; send them as identities"
TAOBAO = Provider(
    name="taobao",
    title="Taobao mini programs",
    openid_key="$identity_taobao_{appid}_openid",
    union_key="$identity_taobao_ouid",
    note=_CLOUD,
)
JD = Provider(
    name="jd",
    title="JD mini programs",
    openid_key="$identity_jd_openid",
    note="the exchange is not publicly documented; send the openid as an identity",
)
WECOM = Provider(
    name="wecom",
    title="WeCom",
    union_scope="through WeChat's union id",
    note="external contacts carry WeChat's union id; send both as identities",
)

PROVIDERS: dict[str, Provider] = {
    row.name: row
    for row in (
        WECHAT, QQ, ALIPAY, BAIDU, DOUYIN, KUAISHOU, XIAOHONGSHU, FEISHU, TAOBAO, JD, WECOM,
    )
}  # fmt: skip
