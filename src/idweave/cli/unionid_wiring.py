"""What ``idweave unionid`` opens: configuration, state file, network, and where facts go."""

from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import sleep, time_ns
from typing import Any
from urllib.parse import urlsplit

from idweave.core.errors import ConfigError, InputError
from idweave.core.identity import Fact
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import open_store
from idweave.unionid.client import Surroundings
from idweave.unionid.config import UnionIdSettings, parse
from idweave.unionid.facts import CollectorSink, CountingSink, EngineSink
from idweave.unionid.opening import Opened, open_room
from idweave.unionid.ports import Sink
from idweave.unionid.rebinding import State
from idweave.unionid.secret import Secret
from idweave.unionid.transport import HttpTransport

STORE = "idweave.db"


@dataclass(frozen=True)
class Session:
    """One run of a command."""

    config: Path
    store: str = ""

    @cached_property
    def raw(self) -> Mapping[str, Any]:
        """The configuration as it was written."""
        try:
            return tomllib.loads(self.config.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            fix = "Name it with --config, or make one: idweave unionid mock --write demo"
            raise ConfigError(f"{self.config} cannot be read.", fix=fix) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                f"{self.config} is not TOML: {error}.", fix="Mend it there."
            ) from None

    @cached_property
    def settings(self) -> UnionIdSettings:
        """The ``[unionid]`` tables."""
        found = self.raw.get("unionid")
        if not isinstance(found, Mapping):
            fix = "Add [unionid], or try `idweave unionid mock --write demo`."
            raise ConfigError(f"{self.config} has no [unionid] table.", fix=fix)
        return parse(found, os.environ, self.config.parent)

    @staticmethod
    def clock() -> int:
        """Milliseconds since 1970."""
        return time_ns() // 1_000_000

    @contextmanager
    def opened(self, *, with_sink: bool = False) -> Iterator[Opened]:
        """The room; with ``with_sink`` facts reach the graph, else there are none to send."""
        settings = self.settings
        hosts = [*settings.allow_hosts, *_host_of(settings.collector)]
        transport = HttpTransport(allowed=hosts)
        around = Surroundings(transport, self.clock, sleep, random.SystemRandom().random)
        with self._sink(transport, wanted=with_sink) as sink:
            opened = open_room(settings, around, sink, holder=f"{os.getpid()}")
            try:
                yield opened
            finally:
                opened.close()

    @contextmanager
    def _sink(self, transport: HttpTransport, *, wanted: bool) -> Iterator[Sink]:
        settings = self.settings
        if not wanted:
            yield CountingSink()
        elif settings.collector:
            token = settings.collector_token and settings.collector_token()
            yield CollectorSink(transport, settings.collector, token or None)
        else:
            with self._engine() as engine:
                yield EngineSink(engine, settings.project, self.clock)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        """The engine over the store, which nobody else may have open."""
        project = Project(self.settings.project, preset("sensors"))
        keys = [one.open_platform.key for one in self.settings.apps if one.open_platform]
        for key in keys:
            if project.policy.rule(key) is None:
                fix = "Declare it in the project's policy, beside $identity_mp_unionid."
                raise ConfigError(f"The policy does not declare {key}.", fix=fix)
        named = self.raw.get("store", {}).get("url", STORE)
        store = open_store(self.store or str(self.config.parent / named))
        try:
            yield Engine(store, {project.name: project}, clock=self.clock)
        finally:
            store.close()

    @contextmanager
    def stating(self, *, wanted: bool) -> Iterator[State | None]:
        """What states operator facts in the store; None when nothing is to be stated."""
        if not wanted:
            yield None
            return
        with self._engine() as engine:

            def state(facts: Sequence[Fact]) -> object:
                return engine.state(self.settings.project, facts)

            yield state

    def secret(self, variable: str, file: Path | None) -> Secret:
        """A session key, from the environment or a file and nowhere else."""
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
