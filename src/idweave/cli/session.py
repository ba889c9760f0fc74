"""What a command works with: the settings, a project, and an engine over a store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from idweave.config import PROJECT_VARIABLE, Settings, load_projects, load_settings
from idweave.core.errors import InputError
from idweave.core.policy import Policy
from idweave.core.record import Project
from idweave.engine.engine import Engine
from idweave.stores import OpenStore, filling, is_fresh, open_store

from .output import Output


def clock() -> int:
    """Milliseconds since 1970: the one clock of the command line."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Session:
    """One run of a command. ``flags`` are settings that were given on the command line."""

    output: Output
    config: str | None = None
    project: str | None = None
    flags: Mapping[str, Any] | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings in force."""
        return load_settings(self.config, os.environ, self.flags)

    @cached_property
    def projects(self) -> dict[str, Project]:
        """The declared projects."""
        return load_projects(self.settings)

    @cached_property
    def project_name(self) -> str:
        """The project that is asked about: the flag, ``IDWEAVE_PROJECT``, or the only one."""
        named = self.project or os.environ.get(PROJECT_VARIABLE)
        if named:
            return named
        declared = [one.name for one in self.settings.projects]
        if len(declared) == 1 or "default" in declared:
            return "default" if "default" in declared else declared[0]
        fix = f"Add --project with one of: {', '.join(declared)}."
        raise InputError("Several projects are declared, and none is the default.", fix=fix)

    def policy(self, project: str) -> Policy:
        """The rules of a declared project; raises NotFound."""
        self.settings.project(project)
        return self.projects[project].policy

    @contextmanager
    def reading(self) -> Iterator[Engine]:
        """An engine that answers, beside a running server or without one."""
        with self.opened(read_only=True) as store:
            yield Engine(store, self.projects, clock=clock)

    @contextmanager
    def writing(self, *, create: bool = True) -> Iterator[Engine]:
        """An engine that may write: the only one on its store."""
        projects = self.projects
        with self.opened(create=create) as store:
            yield Engine(store, projects, clock=clock)

    @contextmanager
    def opened(self, *, read_only: bool = False, create: bool = True) -> Iterator[OpenStore]:
        """The store itself; with ``create`` it and its folder are made when missing."""
        url = self.settings.store_url
        if create and not read_only:
            make_folder_of(url)
        store = open_store(url, create=create, read_only=read_only)
        try:
            yield store
        finally:
            store.close()

    def is_fresh(self) -> bool:
        """Whether the store is not there yet, or holds nothing; its folder is made if missing."""
        make_folder_of(self.settings.store_url)
        return is_fresh(self.settings.store_url)

    def filling(self) -> AbstractContextManager[OpenStore]:
        """A store in place of the fresh one, see :func:`idweave.stores.filling`."""
        return filling(self.settings.store_url)


def store_path(url: str) -> Path | None:
    """The file of a store; None for one in memory."""
    if url == "memory:":
        return None
    return Path(url.removeprefix("sqlite:"))


def make_folder_of(url: str) -> None:
    """Make the folder of a store, whose own folder must exist: a slip should not grow a tree."""
    path = store_path(url)
    if path is None or path.parent.is_dir():
        return
    try:
        path.parent.mkdir()
    except OSError as error:
        fix = "Name a folder that exists and can be written."
        problem = f"The folder {path.parent} cannot be made: {error.strerror}."
        raise InputError(problem, fix=fix) from None
