"""Login codes to ids, for the back ends of mini programs and web logins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idweave.core.errors import ConfigError

from .apps import App
from .client import Client
from .endpoint import at_path
from .errcodes import Action
from .errors import PlatformError, Refused
from .providers import Step
from .secret import Secret
from .state import Answered, Unresolved
from .sync import Room, Tally, clean_openid, tell

USER_SCOPES = frozenset({"snsapi_userinfo", "snsapi_login"})
"""Scopes under which WeChat tells who a web visitor is."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who logged in. ``union_id`` is empty where ``why`` says the reason; ``session_key`` is there
    only when it was asked for, and is the caller's to keep secret."""

    provider: str
    appid: str
    openid: str
    union_id: str = ""
    why: Unresolved | None = None
    anonymous_openid: str = ""
    legacy_id: str = ""
    tenant: str = ""
    tenant_user_id: str = ""
    scope: str = ""
    snapshot: bool = False
    session_key: Secret | None = field(default=None, repr=False)


def exchange(
    client: Client,
    app: App,
    code: str,
    *,
    anonymous_code: str | None = None,
    with_session_key: bool = False,
) -> Login:
    """Exchange a login code, which works once and for five minutes.

    Raises PlatformError for a code that is wrong, used or too old; ConfigError for a platform or
    kind of app that has no such exchange.
    """
    known: dict[str, Any] = {"code": code or None, "anonymous_code": anonymous_code}
    for step in steps_of(app):
        if not _is_due(step, known):
            continue
        found = client.call(app, step.endpoint, known)
        taken = {name: at_path(found, path) for name, path in step.takes.items()}
        known |= {name: value for name, value in taken.items() if value not in {None, ""}}
        if USER_SCOPES & set(str(known.get("scope", "")).split(",")):
            known["may_ask_user"] = True
    return _login(app, known, with_session_key=with_session_key)


def steps_of(app: App) -> tuple[Step, ...]:
    """The calls of this app's exchange."""
    kind = f"{app.kind}+component" if app.token.component else app.kind
    steps = app.provider.exchanges.get(kind)
    if steps is None:
        kinds = ", ".join(sorted(app.provider.exchanges)) or "none"
        fix = f"Its kinds with an exchange are: {kinds}. {app.provider.note}."
        raise ConfigError(f"{app.title}: {app.provider.title} has no exchange for {kind}.", fix=fix)
    return steps


def remember(room: Room, app: App, login: Login) -> Tally:
    """Keep the pair and tell the graph. Snapshot users are virtual and are not kept at all."""
    tally = Tally(app.appid, app.title)
    if login.snapshot or not login.openid:
        return tally
    platform = app.open_platform.name if app.open_platform else ""
    account_id = room.followers.account_id(app.appid)
    # whoever logs in to a mini program uses it; a web login does not say that they follow
    is_member = app.kind == "mini_program"
    said = Answered(login.openid, following=is_member, unionid=login.union_id, why=login.why)
    now_ms = room.clock()
    tally.alarms = room.followers.save_answers((account_id, 0), [said], platform, now_ms)
    tell(room, app, tally, origin="login")
    return tally


def _is_due(step: Step, known: Mapping[str, Any]) -> bool:
    return all(known.get(name) for name in step.needs) and not known.get(step.unless)


def _login(app: App, known: Mapping[str, Any], *, with_session_key: bool) -> Login:
    openid, anonymous = _text(known, "openid"), _text(known, "anonymous_openid")
    if not openid and not anonymous and not known.get("legacy_id"):
        meaning = "the answer names nobody"
        endpoint = steps_of(app)[0].endpoint.name
        raise PlatformError.saying(
            Refused(Action.BAD_ANSWER, meaning, appid=app.appid, endpoint=endpoint)
        )
    snapshot = known.get("snapshot") in {1, "1"}
    union_id = _text(known, "union_id")
    key = known.get("session_key")
    return Login(
        app.provider.name,
        app.appid,
        openid,
        union_id,
        why=_why(known, union_id, snapshot=snapshot),
        anonymous_openid=anonymous,
        legacy_id=_text(known, "legacy_id"),
        tenant=_text(known, "tenant"),
        tenant_user_id=_text(known, "tenant_user_id"),
        scope=_text(known, "scope"),
        snapshot=snapshot,
        session_key=Secret(str(key)) if key and with_session_key else None,
    )


def _why(known: Mapping[str, Any], union_id: str, *, snapshot: bool) -> Unresolved | None:
    if snapshot:
        return Unresolved.SNAPSHOT_USER
    if union_id:
        return None
    is_base = "scope" in known and not known.get("may_ask_user")
    return Unresolved.BASE_SCOPE if is_base else Unresolved.NOT_BOUND


def _text(known: Mapping[str, Any], name: str) -> str:
    value = known.get(name)
    return clean_openid(str(value)) if value is not None else ""
