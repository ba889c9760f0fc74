"""What ``idweave unionid`` works with: its settings, state file, network, a place for facts."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

from idweave.core.errors import ConfigError, InputError
from idweave.core.identity import Fact
from idweave.unionid.client import Surroundings
from idweave.unionid.config import UnionIdSettings, parse
from idweave.unionid.facts import CollectorSink, CountingSink, EngineSink
from idweave.unionid.opening import Opened, open_room
from idweave.unionid.ports import Sink
from idweave.unionid.rebinding import State
from idweave.unionid.secret import Secret
from idweave.unionid.transport import HttpTransport

from .session import Session, clock


def settings_of(session: Session) -> UnionIdSettings:
    """The ``[unionid]`` tables; raises ConfigError."""
    settings = session.settings
    if not isinstance(settings.unionid, dict) or not settings.unionid:
        fix = "Add it to the settings, or try `idweave unionid mock --write demo`."
        raise ConfigError("There is no table [unionid].", file=str(settings.file or ""), fix=fix)
    folder = Path() if settings.file is None else settings.file.parent
    return parse(settings.unionid, os.environ, folder)


@contextmanager
def opened(session: Session, *, facts: bool) -> Iterator[Opened]:
    """The room; with ``facts`` they reach the graph, else there are none to send."""
    settings = settings_of(session)
    hosts = [*settings.allow_hosts, *_host_of(settings.collector)]
    transport = HttpTransport(allowed=hosts)
    around = Surroundings(transport, clock, sleep, random.SystemRandom().random)
    with _sink(session, settings, transport, wanted=facts) as sink:
        room = open_room(settings, around, sink)
        try:
            yield room
        finally:
            room.close()


@contextmanager
def _sink(
    session: Session, settings: UnionIdSettings, transport: HttpTransport, *, wanted: bool
) -> Iterator[Sink]:
    if not wanted:
        yield CountingSink()
    elif settings.collector:
        token = None if settings.collector_token is None else settings.collector_token()
        yield CollectorSink(transport, settings.collector, token)
    else:
        _check_keys(session, settings)
        with session.writing() as engine:
            yield EngineSink(engine, session.project_name, clock)


def _check_keys(session: Session, settings: UnionIdSettings) -> None:
    """Every key that facts will carry is declared, or they would all be rejected."""
    policy = session.policy(session.project_name)
    keys = {app.openid_key for app in settings.apps if app.open_platform}
    for key in sorted(keys | {one.key for one in settings.open_platforms}):
        if policy.rule(key) is None:
            fix = f"Declare {key} in it: `extends` a preset and add a [[keys]] table."
            raise ConfigError(f"The project's policy does not declare {key}.", fix=fix)


@contextmanager
def stating(session: Session, *, wanted: bool) -> Iterator[State | None]:
    """What states operator facts in the store; None when nothing is to be stated."""
    if not wanted:
        yield None
        return
    with session.writing() as engine:

        def state(facts: Sequence[Fact]) -> object:
            return engine.state(session.project_name, facts)

        yield state


def secret(variable: str | None, file: Path | None) -> Secret:
    """A session key, from the environment or a file and nowhere else; raises InputError."""
    text = os.environ.get(variable, "").strip() if variable else ""
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise InputError(f"{file} cannot be read.", fix="Name another file.") from None
    if not text:
        fix = "Name where it is with --session-key-env or --session-key-file."
        raise InputError("There is no session key.", fix=fix)
    return Secret(text)


def _host_of(url: str) -> list[str]:
    """The collector's own host: the operator named it, so it may be private."""
    if not url:
        return []
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [f"{parts.hostname}:{port}"]
