"""Settings: from ``idweave.toml``, the environment (``IDWEAVE_…``) and flags, the last one wins."""

from .projects import load_policy, load_projects, server_settings
from .rows import PROJECT_SETTINGS, SETTINGS, Setting, variable
from .settings import (
    DEFAULT_PROJECT,
    FILE_NAME,
    FILE_VARIABLE,
    OWN_VARIABLES,
    PROJECT_VARIABLE,
    ProjectSettings,
    Settings,
    load_settings,
)

__all__ = [
    "DEFAULT_PROJECT",
    "FILE_NAME",
    "FILE_VARIABLE",
    "OWN_VARIABLES",
    "PROJECT_SETTINGS",
    "PROJECT_VARIABLE",
    "SETTINGS",
    "ProjectSettings",
    "Setting",
    "Settings",
    "load_policy",
    "load_projects",
    "load_settings",
    "server_settings",
    "variable",
]
