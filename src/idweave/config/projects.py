"""Declared projects become what the engine needs of them: rules, and a few settings."""

from __future__ import annotations

from pathlib import Path

from idweave.core.errors import ConfigError, PolicyError
from idweave.core.policy import Policy
from idweave.core.policy_file import PRESETS, parse_policy, preset
from idweave.core.record import Project
from idweave.core.toml_file import suggest
from idweave.server.settings import ServerSettings

from .reading import read_text
from .settings import ProjectSettings, Settings


def load_policy(name: str) -> Policy:
    """A policy by a preset's name or a file's path; raises PolicyError."""
    if name in PRESETS:
        return preset(name)
    path = Path(name)
    if not path.exists() and "." not in path.name:
        fix = f"Name a policy file, or a preset. {suggest(name, PRESETS)}"
        raise PolicyError(f"There is neither a file nor a preset {name!r}.", fix=fix)
    return parse_policy(read_text(path, PolicyError), file=name)


def server_settings(settings: Settings) -> ServerSettings:
    """What the server needs to know; raises ConfigError."""
    part = "server."
    given = {
        name.removeprefix(part): value
        for name, value in settings.values.items()
        if name.startswith(part)
    }
    return ServerSettings(**given)


def load_projects(settings: Settings) -> dict[str, Project]:
    """What the engine needs of each declared project; raises PolicyError and ConfigError."""
    return {one.name: _loaded(one) for one in settings.projects}


def _loaded(one: ProjectSettings) -> Project:
    policy = load_policy(one.policy)
    if policy.rule(one.bare_distinct_id) is None:
        raise ConfigError(
            f"The policy declares no key {one.bare_distinct_id}.",
            field=f"projects.{one.name}.bare_distinct_id",
            fix="Write anonymous, login, or a key that the project's policy declares.",
        )
    return Project(
        one.name,
        policy,
        token=one.token,
        time_window=one.time_window,
        clock_correction=one.clock_correction,
        bare_distinct_id=one.bare_distinct_id,
    )
