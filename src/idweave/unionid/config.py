"""The ``[unionid]`` tables of the configuration: a mapping in, settings out, mistakes by name.

Pure but for reading secret files, which happens when a secret is needed and not before.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from idweave.core.errors import ConfigError, InputError

from .apps import App, Component, OpenPlatform, SecretSource, TokenSettings
from .providers import PROVIDERS, Provider
from .secret import Secret
from .sync import PARALLEL, PARALLEL_MAX
from .tokens import KIND_MEANINGS

T = TypeVar("T")

MAIN_KEY = "$identity_mp_unionid"


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: its kind, whether it must be there, and what it is (for the reference)."""

    name: str
    kind: type
    meaning: str
    required: bool = False


TOP = (
    Field("state", str, "file of followers, checkpoints and sealed tokens; `unionid.db`"),
    Field("collector", str, "URL of a running collector that takes the facts; without it they go "
          "into the store, which no server may have open then"),
    Field("collector_token_env", str, "environment variable with the collector's token"),
    Field("collector_token_file", str, "file with the collector's token"),
    Field("allow_hosts", list, "`host:port` of gateways, token servers or the mock, which may be "
          "private and plain http; nothing else may"),
    Field("parallel", int, f"batches asked at once, 1 to {PARALLEL_MAX}; {PARALLEL}"),
    Field("open_platforms", list, "the Open Platform accounts, below"),
    Field("apps", list, "the apps, below"),
)  # fmt: skip
PLATFORM = (
    Field("name", str, "what you call it; union ids are kept with it", required=True),
    Field("main", bool, f"its union ids are `{MAIN_KEY}`; exactly one is main"),
    Field("key", str, "the key of its union ids, for all but the main one; the policy declares it"),
)
APP = (
    Field("appid", str, "as the platform names it", required=True),
    Field("name", str, "what you call it; the appid"),
    Field("provider", str, "platform, see the providers; `wechat`"),
    Field("kind", str, "`official_account`, `mini_program`, `web` or `plugin`", required=True),
    Field("open_platform", str, "name of the Open Platform account it is bound to"),
    Field("secret_env", str, "environment variable with the app secret"),
    Field("secret_file", str, "file with the app secret"),
    Field("token", str, "token source, see the token sources; `stable` for WeChat"),
    Field("token_env", str, "environment variable with the token itself (`static`)"),
    Field("token_file", str, "file with the token itself (`static`)"),
    Field("token_url", str, "URL that gives the token (`external`)"),
    Field("token_url_secret_env", str, "environment variable with that URL's bearer secret"),
    Field("token_url_secret_file", str, "file with that URL's bearer secret"),
    Field("refresh_token_env", str, "environment variable with the first refresh token "
          "(`component`)"),
    Field("refresh_token_file", str, "file with the first refresh token (`component`)"),
    Field("component_appid", str, "appid of the third-party platform (`component`)"),
    Field("component_secret_env", str, "environment variable with its secret"),
    Field("component_secret_file", str, "file with its secret"),
    Field("component_ticket_env", str, "environment variable with its latest verify ticket"),
    Field("component_ticket_file", str, "file with its latest verify ticket, read at each use"),
    Field("base_url", str, "another address of the platform: a gateway, or the mock"),
)  # fmt: skip

SECRET_FIELDS = ("secret", "token_value", "app_secret", "appsecret", "refresh_token", "session_key")
"""Names under which a secret would stand in the file itself, which is refused."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}\Z")
"""What is shown as the name of a variable; people put the secret itself there."""


@dataclass(frozen=True, slots=True)
class UnionIdSettings:
    """Everything that ``[unionid]`` says."""

    state: str
    collector: str
    collector_token: SecretSource | None
    allow_hosts: tuple[str, ...]
    parallel: int
    open_platforms: tuple[OpenPlatform, ...]
    apps: tuple[App, ...]

    def app(self, named: str) -> App:
        """The app of this appid or name; raises InputError."""
        for app in self.apps:
            if named in {app.appid, app.name}:
                return app
        known = ", ".join(sorted(app.title for app in self.apps)) or "none"
        raise InputError(f"No app is called {named!r}.", fix=f"The configuration has: {known}.")


def parse(
    raw: Mapping[str, Any], environ: Mapping[str, str], folder: Path = Path()
) -> UnionIdSettings:
    """Settings of a configuration's ``unionid`` table. Relative paths are from ``folder``; the
    ``environ`` is asked when a secret is needed. Raises ConfigError on the first mistake."""
    place = "unionid"
    _known_fields(raw, TOP, place)
    secrets = _Secrets(environ, folder)
    platforms = _platforms(_tables(raw, "open_platforms", place))
    apps = tuple(
        _app(table, f"{place}.apps[{number}]", platforms, secrets)
        for number, table in enumerate(_tables(raw, "apps", place))
    )
    _unique("appid", [app.appid for app in apps], f"{place}.apps")
    _unique("name", [app.name for app in apps if app.name], f"{place}.apps")
    hosts = raw.get("allow_hosts", [])
    if not all(isinstance(host, str) and ":" in host for host in hosts):
        raise _wrong(f"{place}.allow_hosts", "holds what is no host:port", 'Write "host:port".')
    parallel = raw.get("parallel", PARALLEL)
    if not 1 <= parallel <= PARALLEL_MAX:
        raise _wrong(f"{place}.parallel", f"is {parallel}", f"Use 1 to {PARALLEL_MAX}.")
    return UnionIdSettings(
        str(folder / raw.get("state", "unionid.db")),
        raw.get("collector", ""),
        secrets.source(raw, "collector_token", place),
        tuple(hosts),
        parallel,
        tuple(platforms.values()),
        apps,
    )


def _platforms(tables: Iterable[Mapping[str, Any]]) -> dict[str, OpenPlatform]:
    found: dict[str, OpenPlatform] = {}
    for number, table in enumerate(tables):
        place = f"unionid.open_platforms[{number}]"
        _known_fields(table, PLATFORM, place)
        main = table.get("main", False)
        key = MAIN_KEY if main else table.get("key")
        if key is None:
            fix = f'Set `main = true` (its key is {MAIN_KEY}), or `key = "$identity_…"`.'
            raise _wrong(f"{place}.key", "is missing", fix)
        if main and table.get("key", MAIN_KEY) != MAIN_KEY:
            raise _wrong(f"{place}.key", f"is {key!r}", f"The main one's key is {MAIN_KEY}.")
        if table["name"] in found:
            raise _wrong(f"{place}.name", f"is {table['name']!r} again", "Name each once.")
        found[table["name"]] = OpenPlatform(table["name"], key, main)
    _unique("key", [platform.key for platform in found.values()], "unionid.open_platforms")
    if found and not any(platform.main for platform in found.values()):
        fix = "Set `main = true` in the one that most of your accounts are bound to."
        raise _wrong("unionid.open_platforms", "has no main one", fix)
    return found


def _app(
    table: Mapping[str, Any], place: str, platforms: Mapping[str, OpenPlatform], secrets: _Secrets
) -> App:
    _known_fields(table, APP, place)
    provider = _one_of(table.get("provider", "wechat"), PROVIDERS, f"{place}.provider")
    kinds = {name for name in provider.exchanges if "+" not in name}
    _one_of(table["kind"], dict.fromkeys(sorted(kinds)), f"{place}.kind")
    platform = None
    if "open_platform" in table:
        platform = _one_of(table["open_platform"], platforms, f"{place}.open_platform")
    elif provider.name != "wechat" and provider.union_key:
        platform = OpenPlatform(provider.title, provider.union_key)
    return App(
        appid=table["appid"],
        name=table.get("name", ""),
        provider=provider,
        kind=table["kind"],
        open_platform=platform,
        secret=secrets.source(table, "secret", place),
        token=_token(table, place, provider, secrets),
        base_url=table.get("base_url", provider.base_url),
    )


def _token(
    table: Mapping[str, Any], place: str, provider: Provider, secrets: _Secrets
) -> TokenSettings:
    kind = table.get("token", provider.source or "none")
    if kind not in KIND_MEANINGS:  # not shown: people put the token itself there
        fix = f"Use one of: {', '.join(KIND_MEANINGS)}."
        raise _wrong(f"{place}.token", "is not a token source", fix)
    if kind == "static":
        return TokenSettings(kind=kind, secret=secrets.needed(table, "token", place))
    if kind == "external":
        _needed(table, "token_url", place)
        opener = secrets.source(table, "token_url_secret", place)
        return TokenSettings(kind=kind, secret=opener, url=table["token_url"])
    if kind != "component":
        return TokenSettings(kind=kind)
    _needed(table, "component_appid", place)
    component = Component(
        appid=table["component_appid"],
        secret=secrets.needed(table, "component_secret", place),
        ticket=secrets.needed(table, "component_ticket", place),
    )
    first = secrets.needed(table, "refresh_token", place)
    return TokenSettings(kind=kind, secret=first, component=component)


@dataclass(frozen=True, slots=True)
class _Secrets:
    variables: Mapping[str, str]
    folder: Path

    def source(self, table: Mapping[str, Any], name: str, place: str) -> SecretSource | None:
        """Where ``name_env`` or ``name_file`` lead; None when neither is set."""
        variable, file = table.get(f"{name}_env"), table.get(f"{name}_file")
        if variable is not None and file is not None:
            fix = "Keep one of the two."
            raise _wrong(f"{place}.{name}_file", f"stands beside `{name}_env`", fix)
        if variable is not None:
            return self._from_variable(variable, f"{place}.{name}_env")
        return None if file is None else self._from_file(self.folder / file, f"{place}.{name}_file")

    def needed(self, table: Mapping[str, Any], name: str, place: str) -> SecretSource:
        found = self.source(table, name, place)
        if found is None:
            fix = f"Set it, or `{name}_file`."
            raise _wrong(f"{place}.{name}_env", "is missing", fix)
        return found

    def _from_variable(self, variable: str, place: str) -> Callable[[], Secret]:
        def read() -> Secret:
            value = self.variables.get(variable, "").strip()
            if not value:
                named = variable if _VARIABLE.match(variable) else "something"
                raise _wrong(place, f"names {named}, which is not set", "Set it and try again.")
            return Secret(value)

        return read

    def _from_file(self, path: Path, place: str) -> Callable[[], Secret]:
        def read() -> Secret:
            try:
                value = path.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                fix = "Write the secret, and nothing else, into it."
                raise _wrong(place, f"names {path}, which cannot be read", fix) from None
            if not value:
                raise _wrong(place, f"names {path}, which is empty", "Write the secret into it.")
            return Secret(value)

        return read


def _known_fields(table: Mapping[str, Any], fields: Iterable[Field], place: str) -> None:
    known = {field.name: field for field in fields}
    for name, value in table.items():
        if name in SECRET_FIELDS:
            fix = f"Take it out, and name where it is: `{name}_env` or `{name}_file`."
            raise _wrong(f"{place}.{name}", "is a secret, which no configuration may hold", fix)
        field = known.get(name)
        if field is None:
            raise _wrong(f"{place}.{name}", "is not a setting", _suggest(name, known))
        if not isinstance(value, field.kind) or (field.kind is int and isinstance(value, bool)):
            fix = f"It is {field.meaning}."
            raise _wrong(f"{place}.{name}", f"is not of type {field.kind.__name__}", fix)
    for field in known.values():
        if field.required:
            _needed(table, field.name, place)


def _needed(table: Mapping[str, Any], name: str, place: str) -> None:
    if not table.get(name):
        raise _wrong(f"{place}.{name}", "is missing", "Set it.")


def _tables(raw: Mapping[str, Any], name: str, place: str) -> list[Mapping[str, Any]]:
    tables = raw.get(name, [])
    if not all(isinstance(table, Mapping) for table in tables):
        raise _wrong(f"{place}.{name}", "is no list of tables", f"Write [[{place}.{name}]].")
    return list(tables)


def _one_of(value: object, known: Mapping[str, T], place: str) -> T:
    if isinstance(value, str) and value in known:
        return known[value]
    raise _wrong(place, f"is {value!r}", _suggest(value, known))


def _unique(name: str, values: list[str], place: str) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise _wrong(place, f"has the {name} {twice[0]!r} twice", "Keep one of them.")


def _suggest(name: object, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, 1)
    return f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(names) or 'none'}."


def _wrong(place: str, problem: str, fix: str) -> ConfigError:
    return ConfigError(f"It {problem}.", field=place, fix=fix)
