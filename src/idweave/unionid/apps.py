"""Apps, the Open Platform accounts they are bound to, and where their tokens come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .providers import Provider
from .secret import Secret

SecretSource = Callable[[], Secret]
"""Reads a secret at the moment it is needed: a ticket file changes every ten minutes."""


@dataclass(frozen=True, slots=True)
class OpenPlatform:
    """An account under which the platform gives one id per person, and the identity key that
    its union ids have in this project."""

    name: str
    key: str
    main: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A third-party platform that acts for other companies' accounts."""

    appid: str
    secret: SecretSource = field(repr=False)
    ticket: SecretSource = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Where an app's token comes from: ``kind`` is a row of ``tokens.TOKEN_KINDS``, or ``static``
    (``secret`` is the token), ``external`` (``url`` gives it, ``secret`` opens that) or ``none``.
    With ``component``, ``secret`` is the first refresh token of the authorisation."""

    kind: str
    secret: SecretSource | None = field(default=None, repr=False)
    url: str = ""
    component: Component | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One app of a platform: an official account, a mini program, a web login."""

    appid: str
    provider: Provider
    kind: str
    token: TokenSettings
    name: str = ""
    open_platform: OpenPlatform | None = None
    secret: SecretSource | None = field(default=None, repr=False)
    base_url: str = ""

    @property
    def openid_key(self) -> str:
        """The identity key of its openids."""
        return self.provider.key_of(self.appid)

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.appid
