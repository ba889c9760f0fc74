"""What the mock answers for WeChat's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..wechat import BATCH_MAX, LIST_PAGE_MAX
from .world import MIGRATION_MS, Code, MockAccount, Refusal, World, made_id

Values = Mapping[str, Any]
Answer = dict[str, Any]

SINCE_S = 1_600_000_000
"""When user 0 began to follow; user n did n seconds later."""


def token(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/token"""
    account = world.account(query.get("appid"), query.get("secret", ""))
    world.spend(account, "token")
    return {"access_token": world.new_token(account.appid, "classic"), "expires_in": 7200}


def stable_token(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/stable_token"""
    account = world.account(body.get("appid"), body.get("secret", ""))
    world.spend(account, "stable_token")
    text, life = world.stable_token(account.appid, force=bool(body.get("force_refresh")))
    return {"access_token": text, "expires_in": life}


def component_token(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/component/api_component_token"""
    if body.get("component_verify_ticket") != world.ticket:
        raise Refusal(61006, "component ticket is invalid")
    text = world.component_token(str(body.get("component_appid")))
    return {"component_access_token": text, "expires_in": 7200}


def authorizer_token(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/component/api_authorizer_token"""
    world.component(query.get("component_access_token"))
    appid = str(body.get("authorizer_appid"))
    if not str(body.get("authorizer_refresh_token", "")).startswith(f"mock-refresh-{appid}"):
        raise Refusal(61023, "refresh_token is invalid")
    text = world.new_token(world.account(appid).appid, "authorizer")
    refresh = f"mock-refresh-{appid}-{text.rsplit('-', 1)[1]}"
    return {
        "authorizer_access_token": text,
        "expires_in": 7200,
        "authorizer_refresh_token": refresh,
    }


def followers(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/user/get"""
    account = world.holder(query.get("access_token"))
    world.spend(account, "user/get")
    after = str(query.get("next_openid", ""))
    if after and after not in account.places:
        raise Refusal(40003, "invalid openid")
    start = account.places[after] + 1 if after else 0
    page = account.openids[start : start + LIST_PAGE_MAX]
    answer: Answer = {"total": len(account.openids), "count": len(page)}
    if page:
        answer["data"] = {"openid": page}
    return {**answer, "next_openid": page[-1] if page else ""}


def follower(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/user/info"""
    account = world.holder(query.get("access_token"))
    world.spend(account, "user/info")
    return user_info(world, account, str(query.get("openid")))


def follower_batch(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/user/info/batchget"""
    account = world.holder(query.get("access_token"))
    wanted = body.get("user_list")
    if not isinstance(wanted, list):
        raise Refusal(47001, "data format error")
    if not 1 <= len(wanted) <= BATCH_MAX:
        raise Refusal(40032, "invalid openid list size")
    world.spend(account, "user/info")
    return {"user_info_list": [user_info(world, account, row["openid"]) for row in wanted]}


def user_info(world: World, account: MockAccount, openid: str) -> Answer:
    """One user as their follower record says."""
    place = account.places.get(openid)
    if place is None:
        raise Refusal(40003, "invalid openid")
    user = account.users[place]
    if user in account.left:
        return {"subscribe": 0, "openid": openid}
    known = {"subscribe": 1, "openid": openid, "subscribe_time": SINCE_S + user, "remark": ""}
    return _with_union(world, account, user, known)


def _with_union(world: World, account: MockAccount, user: int, answer: Answer) -> Answer:
    union_id = world.union_id(account, user)
    return answer if union_id is None else {**answer, "unionid": union_id}


def code_to_session(world: World, query: Values, body: Values) -> Answer:
    """sns/jscode2session"""
    account = world.account(query.get("appid"), query.get("secret", ""))
    return _session(world, account, query)


def component_code_to_session(world: World, query: Values, body: Values) -> Answer:
    """sns/component/jscode2session"""
    world.component(query.get("component_access_token"))
    return _session(world, world.account(query.get("appid")), query)


def _session(world: World, account: MockAccount, query: Values) -> Answer:
    code = world.use_code(account.appid, query.get("js_code"))
    openid = made_id(account.appid, code.user)
    session = {"openid": openid, "session_key": "bW9jay1zZXNzaW9uLWtleQ=="}
    return _with_union(world, account, code.user, session)


def web_login(world: World, query: Values, body: Values) -> Answer:
    """sns/oauth2/access_token"""
    account = world.account(query.get("appid"), query.get("secret", ""))
    code = world.use_code(account.appid, query.get("code"))
    return _web_answer(world, account, code)


def component_web_login(world: World, query: Values, body: Values) -> Answer:
    """sns/oauth2/component/access_token"""
    world.component(query.get("component_access_token"))
    account = world.account(query.get("appid"))
    return _web_answer(world, account, world.use_code(account.appid, query.get("code")))


def _web_answer(world: World, account: MockAccount, code: Code) -> Answer:
    base = code.kind == "base"
    virtual = code.user + 10**12 if code.kind == "snapshot" else code.user
    answer = {
        "access_token": f"mock-user-token-{account.appid}-{code.user}",
        "expires_in": 7200,
        "refresh_token": f"mock-user-refresh-{account.appid}-{code.user}",
        "openid": made_id(account.appid, virtual),
        "scope": "snsapi_base" if base else "snsapi_userinfo",
    }
    if code.kind == "snapshot":
        answer["is_snapshotuser"] = 1
    return answer if base else _with_union(world, account, virtual, answer)


def web_user(world: World, query: Values, body: Values) -> Answer:
    """sns/userinfo"""
    owner = str(query.get("access_token")).removeprefix("mock-user-token-")
    appid, _, user = owner.rpartition("-")
    if not user.isdigit():
        raise Refusal(40001, "invalid credential")
    return _with_union(
        world, world.account(appid), int(user), {"openid": query.get("openid"), "nickname": "user"}
    )


def change_openid(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/changeopenid"""
    account = world.holder(query.get("access_token"))
    openids = body.get("openid_list") or []
    if not openids:
        raise Refusal(63182, "openid list is empty")
    if len(openids) > BATCH_MAX:
        raise Refusal(40032, "invalid openid list size")
    old, approved_ms = account.migrated_from or ("", 0)
    if body.get("from_appid") != old or world.clock() - approved_ms > MIGRATION_MS:
        raise Refusal(63178, "from_appid is wrong, unconfirmed or out of time")
    places = world.accounts[old].places
    users = world.accounts[old].users
    return {
        "result_list": [
            {
                "ori_openid": openid,
                "new_openid": made_id(account.appid, users[places[openid]]),
                "err_msg": "ok",
            }
            if openid in places
            else {"ori_openid": openid, "new_openid": "", "err_msg": "ori_openid error"}
            for openid in openids
        ]
    }


def quota(world: World, query: Values, body: Values) -> Answer:
    """cgi-bin/openapi/quota/get"""
    account = world.holder(query.get("access_token"))
    name = str(body.get("cgi_path", "")).removeprefix("/cgi-bin/").removesuffix("/batchget")
    limit = account.quotas.get(name, 500)
    used = world.used(account, name)
    return {"quota": {"daily_limit": limit, "used": used, "remain": max(limit - used, 0)}}


def paid_unionid(world: World, query: Values, body: Values) -> Answer:
    """wxa/getpaidunionid"""
    account = world.holder(query.get("access_token"))
    place = account.places.get(str(query.get("openid")))
    union_id = None if place is None else world.union_id(account, account.users[place])
    if union_id is None:
        raise Refusal(89002, "open not exists")
    return {"unionid": union_id}


def plugin_openpid(world: World, query: Values, body: Values) -> Answer:
    """wxa/getpluginopenpid"""
    account = world.holder(query.get("access_token"))
    if not str(body.get("code", "")).startswith("plugin-"):
        raise Refusal(1007, "invalid plugin code")
    return {"openpid": made_id(f"{account.appid} plugin", int(str(body["code"]).split("-")[1]))}
