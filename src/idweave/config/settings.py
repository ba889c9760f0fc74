"""One frozen value from a file, the environment and flags, in rising precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idweave.core.errors import ConfigError, NotFound
from idweave.core.policy_file import PRESETS
from idweave.core.toml_file import Source, Table, no_unknown, read_toml, suggest

from .reading import read_text
from .rows import PREFIX, PROJECT_SETTINGS, SETTINGS, Setting, variable

FILE_NAME = "idweave.toml"
FILE_VARIABLE = "IDWEAVE_CONFIG"
PROJECT_VARIABLE = "IDWEAVE_PROJECT"
OWN_VARIABLES = (FILE_VARIABLE, PROJECT_VARIABLE)
DEFAULT_PROJECT = "default"
UNIONID = "unionid"

_PROJECT_NAME = re.compile(r"[A-Za-z0-9_$-]{1,100}\Z")
_EXAMPLE = "the reference page `configuration` has an example"


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """One project as it was declared. ``policy`` is a preset's name or an absolute path."""

    name: str
    policy: str
    token: str | None = field(repr=False)
    time_window: bool
    clock_correction: bool
    bare_distinct_id: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. ``origins`` says of each setting where its value came from."""

    file: Path | None
    values: Mapping[str, Any]
    projects: tuple[ProjectSettings, ...]
    origins: Mapping[str, str]
    unread: tuple[str, ...]
    """Environment variables that begin like ours and that nobody reads."""
    unionid: Mapping[str, Any] = field(default_factory=dict)
    """The tables of ``[unionid]`` as they were written; ``idweave.unionid.config`` checks them."""

    @property
    def store_url(self) -> str:
        """The store's url, its path absolute or relative to where we are."""
        return str(self.values["store.url"])

    def project(self, name: str) -> ProjectSettings:
        """A project by its name; raises NotFound."""
        for one in self.projects:
            if one.name == name:
                return one
        fix = suggest(name, [one.name for one in self.projects])
        raise NotFound(f"No project {name!r} is declared.", fix=fix)

    def rows(self) -> Iterator[tuple[str, Any, str, bool]]:
        """Every setting: its full name, its value, where that came from, whether it is secret."""
        for row in SETTINGS:
            yield row.name, self.values[row.name], self.origins[row.name], row.secret
        for one in self.projects:
            for row in PROJECT_SETTINGS:
                name = f"projects.{one.name}.{row.name}"
                yield name, getattr(one, row.name), self.origins[name], row.secret


def load_settings(
    file: str | None, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings in force. ``flags`` are values by setting name, None where not given.

    Raises ConfigError: which file, line and field, and what to do.
    """
    path = _file(file, environment)
    raw, source = ({}, Source("", "", ConfigError)) if path is None else _content(path)
    _shape(raw, source)
    reader = _Reader(raw, source, environment, flags or {})
    values = {row.name: reader.value(row, row.name.split(".")) for row in SETTINGS}
    if path is not None and reader.is_from_file("store.url"):
        values["store.url"] = _store_beside(path, values["store.url"])
    folder = Path() if path is None else path.parent
    declared = raw.get("projects") or {DEFAULT_PROJECT: {}}
    projects = tuple(_project(name, reader, folder) for name in declared)
    _distinct_variables(declared, source)
    mine = {*OWN_VARIABLES, *map(variable, reader.origins)}
    unread = sorted(name for name in environment if name.startswith(PREFIX) and name not in mine)
    own = raw.get(UNIONID, {})
    return Settings(path, values, projects, reader.origins, tuple(unread), own)


def _file(asked: str | None, environment: Mapping[str, str]) -> Path | None:
    named = asked or environment.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None


def _content(path: Path) -> tuple[dict[str, Any], Source]:
    text = read_text(path, ConfigError)
    source = Source(text, str(path), ConfigError)
    return read_toml(text, source, example=_EXAMPLE), source


def _shape(raw: Mapping[str, Any], source: Source) -> None:
    """Refuse what is in the wrong place, so that nothing in the file goes unread."""
    sections: dict[str, list[str]] = {}
    for row in SETTINGS:
        section, _, name = row.name.partition(".")
        sections.setdefault(section, []).append(name)
    no_unknown(raw, (*sections, "projects", UNIONID), source, None)
    for section, content in raw.items():
        if not isinstance(content, dict):
            raise source.at(section).error("It must be a table.", f"Write [{section}] above it.")
        if section not in {"projects", UNIONID}:
            no_unknown(content, sections[section], source, Table(f"[{section}]"))
    known = [row.name for row in PROJECT_SETTINGS]
    for name, content in raw.get("projects", {}).items():
        table = Table(f"[projects.{name}]")
        if not _PROJECT_NAME.match(name):
            fix = "Use up to 100 letters, digits, _, $ and -."
            raise source.at(name, table).error("It cannot be a project's name.", fix)
        if not isinstance(content, dict):
            fix = f"Write [projects.{name}] and its settings below."
            raise source.at(name, Table("[projects]")).error("It must be a table.", fix)
        no_unknown(content, known, source, table)


class _Reader:
    """Finds each setting: flag before environment before file before default."""

    def __init__(
        self,
        raw: Mapping[str, Any],
        source: Source,
        environment: Mapping[str, str],
        flags: Mapping[str, Any],
    ) -> None:
        self._raw = raw
        self._source = source
        self._environment = environment
        self._flags = flags
        self.origins: dict[str, str] = {}

    def value(self, row: Setting, path: list[str]) -> Any:
        """The value of a row that stands at this path of tables."""
        full, table = ".".join(path), Table(f"[{'.'.join(path[:-1])}]")
        given, name = self._flags.get(full), variable(full)
        if given is not None:
            self.origins[full] = "flag"
            return row.read(given, Source("", "command line", ConfigError).at(full))
        if self._environment.get(name):
            self.origins[full] = f"environment {name}"
            return row.read(self._environment[name], Source("", "", ConfigError).at(name))
        content: Any = self._raw
        for part in path[:-1]:
            content = content.get(part, {})
        if path[-1] in content:
            line = self._source.line_of(path[-1], table)
            self.origins[full] = f"{self._source.file}:{line}" if line else self._source.file
            return row.read(content[path[-1]], self._source.at(path[-1], table))
        self.origins[full] = "default"
        return row.default

    def is_from_file(self, full: str) -> bool:
        """Whether a setting was read from the file."""
        return bool(self._source.file) and self.origins[full].startswith(self._source.file)


def _store_beside(path: Path, url: str) -> str:
    """A store's path is relative to the file that names it, wherever idweave is started."""
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon:
        return url
    return str(path.parent / (rest if scheme == "sqlite" and colon else url))


def _project(name: str, reader: _Reader, folder: Path) -> ProjectSettings:
    path = ["projects", name]
    values = {row.name: reader.value(row, [*path, row.name]) for row in PROJECT_SETTINGS}
    if values["policy"] not in PRESETS:
        beside = folder if reader.is_from_file(f"projects.{name}.policy") else Path()
        values["policy"] = str(beside / values["policy"])
    return ProjectSettings(name, **values)


def _distinct_variables(names: Mapping[str, Any], source: Source) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(variable(name), name)
        if other != name:
            where = source.at(name, Table(f"[projects.{name}]"))
            raise where.error(f"Its variables would be those of {other}.", "Rename one of the two.")
