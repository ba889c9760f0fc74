"""One writer per store: a lock file beside it that says who holds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from idweave.core.errors import StoreBusy


def _lock_file(file: BinaryIO) -> None:
    """Take the operating system's lock, which ends with the process; OSError where it is held."""
    try:
        import fcntl
    except ImportError:  # Windows has another call for the same thing
        import msvcrt

        file.seek(1 << 30)  # far from the pid, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Held from construction to :meth:`release`; refused with the holder's process id."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".lock")
        self._file = self._path.open("a+b")
        try:
            _lock_file(self._file)
        except OSError:
            self._file.close()
            raise StoreBusy(
                f"{store} is in use by process {holder(store) or 'unknown'}.",
                fix="Stop that process, or ask its API instead of the file.",
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in. The file stays; an empty one means that nobody holds it."""
        self._file.truncate(0)
        self._file.close()


def holder(store: Path) -> str:
    """The process id that a store's lock file names, or an empty text."""
    try:
        return store.with_name(store.name + ".lock").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


LOCKS = Path("/proc/locks")
"""Where Linux lists all locks, by the inode of their file."""


def is_held(store: Path) -> bool | None:
    """Whether somebody holds a store's lock, by the system's list; None where there is no list."""
    try:
        inode = store.with_name(store.name + ".lock").stat().st_ino
        listed = LOCKS.read_text("ascii")
    except (OSError, ValueError):
        return None
    fields = (line.split() for line in listed.splitlines() if " FLOCK " in line)
    return any(part.endswith(f":{inode}") for field in fields for part in field)
