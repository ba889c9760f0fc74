"""One process at a time: a lock that the operating system gives back when the process ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from idweave.core.errors import StoreBusy

_BEYOND_BYTES = 1 << 30
"""Windows locks bytes, and others could not read those: a place far behind the process id."""


def _lock_file(file: BinaryIO) -> None:
    """Take the lock; OSError where another holds it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        file.seek(_BEYOND_BYTES)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class ProcessLock:
    """Held from construction to :meth:`release`. Raises StoreBusy, naming the holder."""

    def __init__(self, path: Path, what: str) -> None:
        self._file = path.open("a+b")
        try:
            _lock_file(self._file)
        except OSError:
            self._file.close()
            raise StoreBusy(
                f"{what} is in use by process {_holder(path) or 'unknown'}.",
                fix="Give every process its own, or stop that one.",
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode("ascii"))
        self._file.flush()

    def release(self) -> None:
        """Let the next process in; a second call does nothing."""
        self._file.close()


def _holder(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
