"""Token sources: one fetch for all workers, compare-and-swap, sealed in the state file."""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from . import wechat
from .endpoint import AnswerShape, Auth, Encoding, Endpoint
from .errcodes import Action
from .errors import PlatformError, Refused
from .extras import need
from .ports import Chance, Clock, Sleep
from .providers import FEISHU_SHAPE
from .secret import Secret
from .state import TokenCache, TokenRow

REFRESH_AHEAD_MS = 5 * 60_000
"""A token is replaced this long before its end: WeChat's own stable tokens turn over then too."""

JITTER_MS = 60_000
"""Spread over which workers find a token old, so that not all come at once."""

LIFE_MS_LEAST = 60_000
"""What a token of unknown or tiny life is used for."""

CLAIM_MS = 90_000
"""How long one worker may take to fetch: three tries of an answer at its slowest, and pauses."""

POLL_S = 0.05
"""How often the others look whether it is there."""

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class TokenKind:
    """One row: the call that gives a token, and where its answer has token and life (seconds)."""

    endpoint: Endpoint
    value_at: str = "access_token"
    life_at: str = "expires_in"
    refresh_at: str = ""
    """Where the answer has the token that buys the next one."""


_BAIDU = AnswerShape(error_field="error", ok=(None,), message_field="error_description")
_RED = AnswerShape(error_field="code", message_field="msg", inner="data")

TOKEN_KINDS: dict[str, TokenKind] = {
    "stable": TokenKind(wechat.STABLE_TOKEN),
    "classic": TokenKind(wechat.TOKEN),
    "component": TokenKind(
        wechat.AUTHORIZER_TOKEN, "authorizer_access_token", refresh_at="authorizer_refresh_token"
    ),
    "baidu": TokenKind(
        Endpoint(
            name="oauth/2.0/token",
            path="/oauth/2.0/token",
            params=(
                ("grant_type", "=client_credentials"),
                ("client_id", "appid"),
                ("client_secret", "secret"),
                ("scope", "=smartapp_snsapi_base"),
            ),
            auth=Auth.NONE,
            shape=_BAIDU,
        )
    ),
    "xiaohongshu": TokenKind(
        Endpoint(
            name="rmp/token",
            method="POST",
            path="/api/rmp/token",
            encoding=Encoding.JSON,
            params=(("appid", "appid"), ("secret", "secret")),
            auth=Auth.NONE,
            shape=_RED,
        )
    ),
    "feishu": TokenKind(
        Endpoint(
            name="auth/v3/app_access_token/internal",
            method="POST",
            path="/open-apis/auth/v3/app_access_token/internal",
            encoding=Encoding.JSON,
            params=(("app_id", "appid"), ("app_secret", "secret")),
            auth=Auth.NONE,
            shape=AnswerShape(error_field="code", message_field="msg", errors=FEISHU_SHAPE.errors),
        ),
        value_at="app_access_token",
        life_at="expire",
    ),
}
"""Token sources that ask the platform. ``static`` and ``external`` ask the operator's own."""

COMPONENT_KIND = TokenKind(wechat.COMPONENT_TOKEN, "component_access_token")

KIND_MEANINGS = {
    "stable": "cgi-bin/stable_token: the same token for every worker; no races. The default",
    "classic": "cgi-bin/token: each fetch ends the token before it",
    "component": "of a third-party platform, for an account that authorised it",
    "static": "a token from the environment or a file; never refreshed",
    "external": "from a URL of yours: a central token server",
    "none": "the app needs no token",
    "baidu": "of Baidu smart programs",
    "xiaohongshu": "of Xiaohongshu",
    "feishu": "of Feishu, Lark",
}


class Fetched(NamedTuple):
    """A token as it was fetched. ``refresh``: what buys the next one, None to keep the old."""

    token: Secret
    life_ms: int
    refresh: Secret | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One token that workers share: its name, what seals it, and how a new one is fetched (given
    what bought the last, if anything did)."""

    name: str
    seal: Secret
    fetch: Callable[[Secret | None], Fetched] = field(repr=False)
    appid: str = ""


class Tokens:
    """Gives out tokens; fetches one only when nobody else did. ``holder`` names this worker;
    ``is_gone`` says of another's name that it was killed, so that nobody waits for it."""

    def __init__(
        self,
        cache: TokenCache,
        *,
        clock: Clock,
        sleep: Sleep,
        chance: Chance,
        holder: str,
        is_gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        need("cryptography")
        self._cache = cache
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._holder = holder
        self._is_gone = is_gone
        self._locks: dict[str, threading.Lock] = {}
        self._held: dict[str, tuple[Secret, int]] = {}
        self._guard = threading.Lock()

    def get(self, slot: Slot, bad: Secret | None = None) -> Secret:
        """A token that is fresh and is not ``bad``, the one that was just refused. One thread of
        one process fetches it; all others wait for that one."""
        with self._lock_of(slot.name):
            held = self._held.get(slot.name)
            if held is not None and held[0] != bad and self._clock() < held[1]:
                return held[0]
            return self._shared(slot, bad)

    def _lock_of(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def _shared(self, slot: Slot, bad: Secret | None) -> Secret:
        deadline = self._clock() + 2 * CLAIM_MS
        while self._clock() < deadline:
            row = self._cache.load(slot.name)
            token, refresh = unseal(row.sealed, slot)
            if token is not None and token != bad and self._clock() < row.fresh_until_ms:
                self._held[slot.name] = (token, row.fresh_until_ms)
                return token
            now = self._clock()
            holder = f"{self._holder}:{threading.get_ident()}"
            if self._cache.claim(
                slot.name, row.version, holder, now_ms=now, until_ms=now + CLAIM_MS
            ):
                return self._fetch(slot, row, refresh, holder)
            other = self._cache.holder(slot.name)
            if other is not None and self._is_gone(other):
                self._cache.release(slot.name, other)  # killed while it fetched
                continue
            self._sleep(POLL_S)
        meaning = "another worker holds the token's refresh and does not end it"
        raise PlatformError.saying(
            Refused(Action.RETRY, meaning, appid=slot.appid, endpoint="token")
        )

    def _fetch(self, slot: Slot, row: TokenRow, refresh: Secret | None, holder: str) -> Secret:
        try:
            fetched = slot.fetch(refresh)
        except BaseException:
            self._cache.release(slot.name, holder)
            raise
        fresh_until = self._clock() + self._fresh_ms(max(fetched.life_ms, LIFE_MS_LEAST))
        sealed = seal(fetched.token, fetched.refresh or refresh, slot)
        self._cache.store(slot.name, holder, TokenRow(row.version + 1, sealed, fresh_until))
        self._held[slot.name] = (fetched.token, fresh_until)
        return fetched.token

    def _fresh_ms(self, life_ms: int) -> int:
        """How long a token is used: to five minutes before its end and a little, or three
        quarters of a short life."""
        ahead = REFRESH_AHEAD_MS + int(self._chance() * JITTER_MS)
        return life_ms - min(ahead, life_ms // 4)


# -- sealing ---------------------------------------------------------------------------------------


def seal(token: Secret, refresh: Secret | None, slot: Slot) -> bytes:
    """A token as the state file may hold it: AES-GCM under a key that only those can make who
    hold the app's secret anyway."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    text = "\n".join((token.reveal(), refresh.reveal() if refresh else ""))
    return nonce + AESGCM(_key(slot)).encrypt(nonce, text.encode(), slot.name.encode())


def unseal(sealed: bytes | None, slot: Slot) -> tuple[Secret | None, Secret | None]:
    """The token and what buys the next one; nothing when the app's secret has changed since."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if sealed is None:
        return None, None
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        text = AESGCM(_key(slot)).decrypt(nonce, rest, slot.name.encode()).decode()
    except InvalidTag:
        return None, None
    token, _, refresh = text.partition("\n")
    return Secret(token), Secret(refresh) if refresh else None


def _key(slot: Slot) -> bytes:
    name = f"idweave unionid token 1 {slot.name}".encode()
    return hmac.digest(slot.seal.reveal().encode(), name, "sha256")
