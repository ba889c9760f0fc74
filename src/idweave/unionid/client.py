"""One ``call`` for every endpoint of every platform: tokens, retries, quotas, typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from idweave.core.errors import ConfigError

from . import sending
from .apps import App, Component
from .endpoint import Auth, Encoding, Endpoint, at_path
from .errcodes import TRIES, Action
from .errors import PlatformError, Refused
from .ports import Chance, Clock, Request, Sleep, Transport, TransportFailed
from .secret import Secret
from .state import Ledger
from .tokens import COMPONENT_KIND, TOKEN_KINDS, Fetched, Slot, TokenKind, Tokens

PAUSE_S = 1.0
"""The first pause after a busy answer; it doubles, with up to as much again by chance."""

BACK_OFF_S = 60.0
"""After `too many calls in a minute`: the minute."""

T = TypeVar("T")

CHINA = timedelta(hours=8)

EXTERNAL_LIFE_S = 300
"""What a token of a central server is used for when that does not say."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the client takes from outside: network, time, chance."""

    transport: Transport
    clock: Clock
    sleep: Sleep
    chance: Chance


class Client:
    """Calls platforms for apps. Thread-safe."""

    def __init__(self, around: Surroundings, tokens: Tokens, ledger: Ledger) -> None:
        self._around = around
        self._tokens = tokens
        self._ledger = ledger

    def call(self, app: App, endpoint: Endpoint, values: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of one call; ``values`` are what its row's ``params`` name.

        Raises PlatformError: what the platform said, or that it could not be reached, after the
        tries of ``errcodes.TRIES``; ConfigError for a missing secret or a forbidden address.
        """
        slot = self._slot(app, endpoint)
        token = self._token(slot, None)
        tried: dict[Action, int] = {}
        while True:
            try:
                return self._once(app, endpoint, values, token)
            except PlatformError as error:
                action = error.action
                tried[action] = tried.get(action, 0) + 1
                if action is Action.REFRESH and not isinstance(slot, Slot):
                    raise  # there is no other token to be had
                if not self._again(app, endpoint, action, tried[action]):
                    raise
            if action is Action.REFRESH:
                token = self._token(slot, token)

    def _again(self, app: App, endpoint: Endpoint, action: Action, tried: int) -> bool:
        """Whether a failed call is made again; waits, or parks the quota, as its action says."""
        if action is Action.PARK and endpoint.quota:
            self._ledger.park(app.appid, endpoint.quota, self._around.clock())
        if tried >= TRIES.get(action, 1):
            return False
        unsure = action in {Action.UNREACHABLE, Action.BAD_ANSWER}
        if unsure and not endpoint.repeatable:
            return False  # the code may have been used by the call nobody answered
        if action is Action.BACK_OFF:
            self._around.sleep(BACK_OFF_S * (1 + self._around.chance() / 4))
        elif action is not Action.REFRESH:
            self._around.sleep(PAUSE_S * 2 ** (tried - 1) * (1 + self._around.chance()))
        return True

    def _once(
        self, app: App, endpoint: Endpoint, values: Mapping[str, Any], token: Secret | None
    ) -> dict[str, Any]:
        if endpoint.quota:
            self._check_parked(app, endpoint)
        given = self._values(app, values)
        try:
            params = endpoint.fill(given)
        except ValueError as error:
            fix = "Set `secret_env` or `secret_file` of the app, or give what the call needs."
            raise ConfigError(f"{app.title}: {error}.", fix=fix) from None
        secrets = [token] if token else []
        secrets += [Secret(str(given[name])) for name in _SECRET_VALUES if given.get(name)]
        if endpoint.encoding is Encoding.SIGNED:
            params["sign"] = _signed(app, params, given)
        url = sending.url_of(endpoint, app.base_url, app.provider.base_url)
        request = sending.request(endpoint, url, params, token)
        try:
            reply = self._around.transport.send(request)
        except TransportFailed as failed:
            refused = Refused(
                Action.UNREACHABLE, str(failed), appid=app.appid, endpoint=endpoint.name
            )
            raise PlatformError.saying(refused) from None
        return sending.answer(endpoint, reply, app.appid, secrets)

    def _check_parked(self, app: App, endpoint: Endpoint) -> None:
        now = self._around.clock()
        until = self._ledger.parked_until(app.appid, endpoint.quota, now)
        if until is not None:
            when = _china_time(until)
            meaning = f"the day's quota of {endpoint.quota} is used up; parked until {when} (UTC+8)"
            raise PlatformError.saying(
                Refused(Action.PARK, meaning, appid=app.appid, endpoint=endpoint.name)
            )
        self._ledger.count(app.appid, endpoint.quota, now)

    def _values(self, app: App, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {"appid": app.appid, **values}
        if app.secret is not None:
            given["secret"] = app.secret().reveal()
        if app.token.component is not None:
            given["component_appid"] = app.token.component.appid
        given["china_time"] = _china_time(self._around.clock())
        return given

    # -- tokens ---------------------------------------------------------------------------------

    def _token(self, slot: Slot | Secret | None, bad: Secret | None) -> Secret | None:
        return self._tokens.get(slot, bad) if isinstance(slot, Slot) else slot

    def _slot(self, app: App, endpoint: Endpoint) -> Slot | Secret | None:
        """Where the endpoint's token comes from: a slot, the token itself, or nowhere."""
        settings = app.token
        if endpoint.auth is Auth.NONE:
            return None
        if endpoint.auth is Auth.COMPONENT:
            return self._component_slot(app, _given(settings.component, app, "component"))
        if settings.kind == "static":
            return _given(settings.secret, app, "token_env")()
        if settings.kind == "external":
            return self._external_slot(app)
        if settings.kind not in TOKEN_KINDS:
            fix = "Set `token` of the app to one of: " + ", ".join(TOKEN_KINDS) + "."
            raise ConfigError(f"{app.title} has no token source.", fix=fix)
        if settings.kind == "component":
            return self._authorizer_slot(app)
        secret = _given(app.secret, app, "secret_env")()
        name = f"{settings.kind}:{app.provider.name}:{app.appid}"
        return Slot(name, secret, lambda _: self._fetch(app, settings.kind, {}), app.appid)

    def _authorizer_slot(self, app: App) -> Slot:
        component = _given(app.token.component, app, "component")
        first = _given(app.token.secret, app, "refresh_token_env")

        def fetch(refresh: Secret | None) -> Fetched:
            held = (refresh or first()).reveal()
            return self._fetch(app, "component", {"refresh_token": held})

        return Slot(
            f"authorizer:{component.appid}:{app.appid}", component.secret(), fetch, app.appid
        )

    def _component_slot(self, app: App, component: Component) -> Slot:
        def fetch(_: Secret | None) -> Fetched:
            values = {
                "component_secret": component.secret().reveal(),
                "ticket": component.ticket().reveal(),
            }
            return self._read_token(app, COMPONENT_KIND, values)

        return Slot(f"component:{component.appid}", component.secret(), fetch, component.appid)

    def _fetch(self, app: App, kind: str, values: Mapping[str, Any]) -> Fetched:
        return self._read_token(app, TOKEN_KINDS[kind], values)

    def _read_token(self, app: App, kind: TokenKind, values: Mapping[str, Any]) -> Fetched:
        found = self.call(app, kind.endpoint, values)
        place = (kind.endpoint.name, app.appid)
        token = Secret(sending.field_of(found, kind.value_at, str, place))
        life = sending.field_of(found, kind.life_at, int, place)
        refresh = found.get(kind.refresh_at) if kind.refresh_at else None
        return Fetched(token, life * 1000, Secret(str(refresh)) if refresh else None)

    def _external_slot(self, app: App) -> Slot:
        opener = app.token.secret
        key = opener() if opener is not None else _given(app.secret, app, "secret_env")()
        endpoint = Endpoint(name="token server", path=app.token.url, auth=Auth.NONE)
        headers = {"authorization": f"Bearer {key.reveal()}"} if opener is not None else {}

        def fetch(_: Secret | None) -> Fetched:
            try:
                reply = self._around.transport.send(Request("GET", app.token.url, None, headers))
            except TransportFailed as failed:
                refused = Refused(Action.UNREACHABLE, str(failed), appid=app.appid)
                raise PlatformError.saying(refused) from None
            found = sending.answer(endpoint, reply, app.appid, [key])
            token = sending.field_of(found, "access_token", str, (endpoint.name, app.appid))
            life = at_path(found, "expires_in")
            seconds = life if isinstance(life, int) else EXTERNAL_LIFE_S
            return Fetched(Secret(token), seconds * 1000)

        return Slot(f"external:{app.appid}", key, fetch, app.appid)


_SECRET_VALUES = (
    "secret", "code", "anonymous_code", "user_token", "refresh_token", "component_secret", "ticket",
)  # fmt: skip
"""Values of a call that its error must not show."""


def _given(value: T | None, app: App, field: str) -> T:
    if value is None:
        fix = f"Set `{field}` of the app, as `idweave unionid --help` describes."
        raise ConfigError(f"{app.title} has no `{field}`.", fix=fix)
    return value


def _signed(app: App, params: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    try:
        return sending.sign_rsa2(params, Secret(str(given.get("secret", ""))))
    except (ValueError, TypeError):
        fix = "Put the app's RSA private key, as PEM without a password, into its secret file."
        raise ConfigError(f"{app.title}: the secret is no RSA private key.", fix=fix) from None


def _china_time(time_ms: int) -> str:
    return (datetime.fromtimestamp(time_ms / 1000, UTC) + CHINA).strftime("%Y-%m-%d %H:%M:%S")
