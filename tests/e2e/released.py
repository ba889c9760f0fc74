"""The released JavaScript SDKs, installed once for all test processes as the lock file says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).with_name("clients")
CACHE = Path(__file__).parents[2] / ".venv" / "clients"
"""Outside the sources, beside the Python packages that tests need."""

INSTALL_S_MAX = 240
"""Some 170 small packages: seconds on a good line."""


def needs(*programs: str) -> None:
    """Skip where a program is missing; under CI that fails, and CI installs all of them."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"install {' and '.join(missing)} to run the released SDKs")


def modules() -> Path:
    """The folder with the SDKs that ``clients/package-lock.json`` names, by their hashes."""
    needs("node", "npm")
    fcntl = pytest.importorskip("fcntl", reason="the released SDKs are run on POSIX alone")
    lock = CLIENTS.joinpath("package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.joinpath("lock").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)  # the system drops it with the process
        if not folder.exists():
            install(folder)
    return folder / "node_modules"


def install(folder: Path) -> None:
    """Install into a folder that has its name only when it is complete."""
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / name, fresh)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    run = subprocess.run(
        ["npm", "ci", *quiet],
        cwd=fresh,
        env={**os.environ, "npm_config_update_notifier": "false"},
        capture_output=True,
        text=True,
        timeout=INSTALL_S_MAX,
        check=False,
    )
    if run.returncode:
        last = run.stderr.strip().splitlines()[-3:]
        pytest.skip(f"npm could not install the released SDKs: {' '.join(last)}")
    fresh.rename(folder)
