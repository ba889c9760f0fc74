"""What the mock answers for the other platforms: their login exchanges, in their own shapes."""

from __future__ import annotations

from .wechat_routes import Answer, Values
from .world import Code, MockAccount, Refusal, World, made_id

SESSION_KEY = "bW9jay1zZXNzaW9uLWtleQ=="


def alipay(world: World, query: Values, body: Values) -> Answer:
    """alipay.system.oauth.token"""
    account = world.account(body.get("app_id"))
    if not body.get("sign"):
        return _alipay_error("isv.invalid-signature", "no signature")
    try:
        code = world.use_code(account.appid, body.get("code"))
    except Refusal as refusal:
        return _alipay_error("isv.code-invalid", refusal.errmsg)
    ids = {"open_id": made_id(account.appid, code.user), "union_id": _union(world, account, code)}
    return {"alipay_system_oauth_token_response": {**ids, "access_token": "mock-user-token"}}


def _alipay_error(code: str, text: str) -> Answer:
    return {"error_response": {"code": "40002", "sub_code": code, "sub_msg": text}}


def baidu_token(world: World, query: Values, body: Values) -> Answer:
    """oauth/2.0/token"""
    account = world.account(query.get("client_id"), query.get("client_secret", ""))
    return {"access_token": world.new_token(account.appid, "baidu"), "expires_in": 2_592_000}


def baidu_session(world: World, query: Values, body: Values) -> Answer:
    """oauth/jscode2sessionkey"""
    account = world.account(body.get("client_id"), body.get("sk", ""))
    try:
        code = world.use_code(account.appid, body.get("code"))
    except Refusal as refusal:
        return {"errno": 10003, "errmsg": refusal.errmsg}
    return {"openid": made_id(account.appid, code.user), "session_key": SESSION_KEY}


def baidu_union(world: World, query: Values, body: Values) -> Answer:
    """rest/2.0/smartapp/getunionid"""
    account = world.holder(query.get("access_token"))
    users = {made_id(account.appid, user): user for user in account.users}
    user = users.get(str(body.get("openid")))
    if user is None:
        return {"errno": 4, "errmsg": "no such openid"}
    return {"errno": 0, "data": {"unionid": _union(world, account, Code(user, ""))}}


def douyin(world: World, query: Values, body: Values) -> Answer:
    """api/apps/v2/jscode2session"""
    account = world.account(body.get("appid"), body.get("secret", ""))
    if not body.get("code"):
        return {"err_no": 0, "data": {"anonymous_openid": made_id(f"{account.appid} anon", 1)}}
    try:
        code = world.use_code(account.appid, body.get("code"))
    except Refusal as refusal:
        return {"err_no": 40018, "err_tips": refusal.errmsg, "data": None}
    ids = {"openid": made_id(account.appid, code.user), "unionid": _union(world, account, code)}
    return {"err_no": 0, "err_tips": "success", "data": {**ids, "session_key": SESSION_KEY}}


def kuaishou(world: World, query: Values, body: Values) -> Answer:
    """oauth2/mp/code2session"""
    account = world.account(body.get("app_id"), body.get("app_secret", ""))
    try:
        code = world.use_code(account.appid, body.get("js_code"))
    except Refusal as refusal:
        return {"result": 100200100, "error_msg": refusal.errmsg}
    open_id = made_id(account.appid, code.user)
    return {"result": 1, "open_id": open_id, "session_key": SESSION_KEY}


def red_token(world: World, query: Values, body: Values) -> Answer:
    """api/rmp/token"""
    account = world.account(body.get("appid"), body.get("secret", ""))
    text = world.new_token(account.appid, "xiaohongshu")
    return {"code": 0, "success": True, "data": {"access_token": text, "expires_in": 7200}}


def red_session(world: World, query: Values, body: Values) -> Answer:
    """api/rmp/session"""
    account = world.holder(query.get("access_token"))
    try:
        code = world.use_code(account.appid, query.get("code"))
    except Refusal as refusal:
        return {"code": 10001, "success": False, "msg": refusal.errmsg}
    ids = {"openid": made_id(account.appid, code.user), "session_key": SESSION_KEY}
    return {"code": 0, "success": True, "data": ids}


def feishu_token(world: World, query: Values, body: Values) -> Answer:
    """open-apis/auth/v3/app_access_token/internal"""
    account = world.account(body.get("app_id"), body.get("app_secret", ""))
    text = world.new_token(account.appid, "feishu")
    return {"code": 0, "msg": "ok", "app_access_token": text, "expire": 7200}


def feishu_login(world: World, query: Values, body: Values) -> Answer:
    """open-apis/mina/v2/tokenLoginValidate"""
    account = world.holder(str(query.get("authorization", "")).removeprefix("Bearer "))
    try:
        code = world.use_code(account.appid, body.get("code"))
    except Refusal as refusal:
        return {"code": 20003, "msg": refusal.errmsg}
    ids = {"open_id": made_id(account.appid, code.user), "union_id": _union(world, account, code)}
    tenant = {"employee_id": f"e{code.user}", "tenant_key": "mock-tenant"}
    return {"code": 0, "msg": "ok", "data": {**ids, **tenant, "session_key": SESSION_KEY}}


def _union(world: World, account: MockAccount, code: Code) -> str | None:
    return world.union_id(account, code.user)
