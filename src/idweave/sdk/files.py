"""Files that are whole or not there: what a kill in the middle of a write leaves behind."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from idweave.core.errors import StoreFull


def replace_whole(path: Path, data: bytes) -> None:
    """Put ``data`` where ``path`` was, all of it or nothing, on the disk when this returns.

    Raises StoreFull where the disk refuses; the old file is then as it was.
    """
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # the error to tell is the first one
            beside.unlink(missing_ok=True)
        raise StoreFull(f"{path} cannot be written: {error.strerror or error}.") from error


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where folders can be synced at all."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
