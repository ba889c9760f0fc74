"""The mock's state: accounts and who follows them, tokens, codes, quotas, faults (WECHAT.md §9)."""

from __future__ import annotations

import hmac
import threading
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ..ports import Clock
from ..state.quota import china_day

TOKEN_LIFE_MS = 7200 * 1000
OLD_TOKEN_MS = 5 * 60_000
"""How long a token works on after a newer classic one."""

FORCED_PER_DAY_MAX = 20
FORCED_APART_MS = 30_000
CODE_LIFE_MS = 5 * 60_000
MIGRATION_MS = 15 * 86_400_000


class Refusal(Exception):
    """What the mock answers instead of an answer."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


class Fault(NamedTuple):
    """From the ``first`` to the ``last`` call (1-based) of an endpoint, something else happens:
    an answer (a mapping, or raw bytes for what is no JSON), an HTTP status, a delay, a hook."""

    endpoint: str
    first: int
    last: int
    answer: Mapping[str, Any] | bytes | None = None
    status: int = 200
    delay_s: float = 0.0
    hook: Callable[[], None] | None = None


class Code(NamedTuple):
    """A login code: ``login-7`` is of user 7; endings ``-base``, ``-snapshot`` and ``-old`` make
    it one of that kind. Each works once per app."""

    user: int
    kind: str

    @classmethod
    def parse(cls, text: str) -> Code:
        """The code that a text is; raises Refusal for none."""
        word, _, rest = text.partition("-")
        number, _, kind = rest.partition("-")
        if word != "login" or not number.isdigit() or kind not in {"", "base", "snapshot", "old"}:
            raise Refusal(40029, "invalid code")
        if kind == "old":
            raise Refusal(40029, "invalid code, expired")
        return cls(int(number), kind)


@dataclass
class MockAccount:
    """One app. ``users`` are the numbers of the people who follow it, in the order they came;
    who is in ``left`` is still listed and has just gone."""

    appid: str
    name: str = ""
    kind: str = "official_account"
    provider: str = "wechat"
    open_platform: str | None = "main"
    users: Sequence[int] = ()
    left: set[int] = field(default_factory=set)
    quotas: dict[str, int] = field(default_factory=dict)
    migrated_from: tuple[str, int] | None = None
    """The account whose followers came here, and when that was approved (ms)."""

    @property
    def secret(self) -> str:
        """Its secret, made up and always the same."""
        return f"mock-secret-{self.appid}"

    @cached_property
    def openids(self) -> list[str]:
        """The follower list."""
        return [made_id(self.appid, user) for user in self.users]

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in the list each openid is."""
        return {openid: place for place, openid in enumerate(self.openids)}


def made_id(owner: str, user: int) -> str:
    """The id of a user for an app or an Open Platform account."""
    digest = hmac.digest(owner.encode(), str(user).encode(), "sha256")
    return "o" + urlsafe_b64encode(digest).decode()[:27]


@dataclass
class _Token:
    appid: str
    kind: str
    until_ms: int


@dataclass
class World:
    """All of it. Handlers run one at a time, under ``lock``."""

    accounts: dict[str, MockAccount]
    clock: Clock
    faults: list[Fault] = field(default_factory=list)
    ticket: str = "mock-ticket"
    calls: Counter[str] = field(default_factory=Counter)
    """Calls so far by endpoint, and by ``appid endpoint``."""
    collected: list[bytes] = field(default_factory=list)
    """Bodies that were sent to the mock's collector."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _tokens: dict[str, _Token] = field(default_factory=dict)
    _newest: dict[tuple[str, str], str] = field(default_factory=dict)
    _made: Counter[str] = field(default_factory=Counter)
    _used_codes: set[tuple[str, str]] = field(default_factory=set)
    _spent: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    _forced: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, accounts: Sequence[MockAccount], clock: Clock) -> World:
        """A world of these accounts."""
        return cls({account.appid: account for account in accounts}, clock)

    # -- what happens to it ---------------------------------------------------------------------

    def kill_tokens(self, appid: str) -> None:
        """Somebody else fetched a token: those given out so far are bad."""
        with self.lock:
            for text in [text for text, token in self._tokens.items() if token.appid == appid]:
                del self._tokens[text]
            for key in [key for key in self._newest if key[0] == appid]:
                del self._newest[key]

    def rebind(self, appid: str, open_platform: str | None) -> None:
        """The account is bound to another Open Platform account, or to none."""
        with self.lock:
            self.accounts[appid].open_platform = open_platform

    # -- what handlers ask ----------------------------------------------------------------------

    def account(self, appid: object, secret: object = None) -> MockAccount:
        """The account; refuses an unknown one and a wrong secret."""
        found = self.accounts.get(str(appid))
        if found is None:
            raise Refusal(40013, "invalid appid")
        if secret is not None and secret != found.secret:
            raise Refusal(40125, "invalid appsecret")
        return found

    def new_token(self, appid: str, kind: str) -> str:
        """A token that ends others of its kind, at once or, for classic ones, soon."""
        now = self.clock()
        before = self._newest.get((appid, kind))
        if before in self._tokens:
            old = self._tokens[before]
            old.until_ms = min(old.until_ms, now + OLD_TOKEN_MS if kind == "classic" else now)
        self._made[appid] += 1
        text = f"mock-token-{kind}-{appid}-{self._made[appid]}"
        self._tokens[text] = _Token(appid, kind, now + TOKEN_LIFE_MS)
        self._newest[appid, kind] = text
        return text

    def stable_token(self, appid: str, *, force: bool) -> tuple[str, int]:
        """The token that everybody gets, and its life in seconds."""
        now = self.clock()
        if force:
            self._force(appid, now)
        text = self._newest.get((appid, "stable"))
        token = self._tokens.get(text) if text else None
        if force or text is None or token is None or token.until_ms - now < OLD_TOKEN_MS:
            text = self.new_token(appid, "stable")
            token = self._tokens[text]
        return text, (token.until_ms - now) // 1000

    def _force(self, appid: str, now: int) -> None:
        forced = [at for at in self._forced.get(appid, []) if china_day(at) == china_day(now)]
        if len(forced) >= FORCED_PER_DAY_MAX:
            raise Refusal(45009, "reach max force_refresh quota limit")
        if forced and now - forced[-1] < FORCED_APART_MS:
            raise Refusal(45011, "force_refresh too frequent")
        self._forced[appid] = [*forced, now]

    def holder(self, token: object) -> MockAccount:
        """Whose token this is; refuses one that is unknown or over."""
        found = self._tokens.get(str(token))
        if found is None:
            raise Refusal(40001, f"invalid credential, access_token {token} is not latest")
        if found.until_ms <= self.clock():
            raise Refusal(42001, "access_token expired")
        return self.account(found.appid)

    def component(self, token: object) -> None:
        """Refuses what is no living component token."""
        found = self._tokens.get(str(token))
        if found is None or found.kind != "component" or found.until_ms <= self.clock():
            raise Refusal(42001, "component_access_token expired")

    def component_token(self, appid: str) -> str:
        """A token of a third-party platform."""
        return self.new_token(appid, "component")

    def spend(self, account: MockAccount, endpoint: str) -> None:
        """One call of the day's quota; refuses when there is none left."""
        limit = account.quotas.get(endpoint)
        if limit is None:
            return
        key = (account.appid, endpoint, china_day(self.clock()))
        if self._spent[key] >= limit:
            raise Refusal(45009, "reach max api daily quota limit")
        self._spent[key] += 1

    def used(self, account: MockAccount, endpoint: str) -> int:
        """How much of the day's quota was used."""
        return self._spent[account.appid, endpoint, china_day(self.clock())]

    def use_code(self, appid: str, text: object) -> Code:
        """Who a code is of; refuses one that was used."""
        code = Code.parse(str(text))
        if (appid, str(text)) in self._used_codes:
            raise Refusal(40163, "code been used")
        self._used_codes.add((appid, str(text)))
        return code

    def union_id(self, account: MockAccount, user: int) -> str | None:
        """The user's id under the account's Open Platform account, None when it has none."""
        platform = account.open_platform
        return None if platform is None else made_id(platform, user)

    def fault(self, endpoint: str) -> Fault | None:
        """Counts a call, and says what goes wrong with it."""
        self.calls[endpoint] += 1
        number = self.calls[endpoint]
        for fault in self.faults:
            if fault.endpoint == endpoint and fault.first <= number <= fault.last:
                return fault
        return None
