"""The packages of the extra ``unionid``, and what to say where one is missing."""

from __future__ import annotations

from importlib.util import find_spec

from idweave.core.errors import ConfigError


def need(package: str) -> None:
    """Raises ConfigError where the package is not installed."""
    if find_spec(package) is None:
        fix = "Install the extra: pip install 'idweave[unionid]'"
        raise ConfigError(f"This needs the package {package}, which is not installed.", fix=fix)
