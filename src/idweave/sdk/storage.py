"""Where a device keeps who it is: in memory, in a file, or wherever you say.

A storage holds, under the released SDK's storage key, the value that SDK would have stored: an
object or a text. So an app can hand its stored identity over, and take it back.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from idweave.core.device.persistence import Stored
from idweave.core.errors import StoreError

from .files import replace_whole
from .lock import ProcessLock

log = logging.getLogger("idweave.sdk")

STORAGE_BYTES_MAX = 16 * 1024 * 1024
"""A device's state is some kilobytes; a file beyond this is none of ours and is not read."""


class DeviceStorage(Protocol):
    """What a tracker needs of a storage. ``read`` returns None for a key that was never written.

    ``write`` must be whole or not at all, and done when it returns; it raises StoreError where it
    cannot be. One that several trackers share is called from several threads.
    """

    def read(self, key: str) -> object:
        """The value stored under a key, or None."""

    def write(self, key: str, value: Stored) -> None:
        """Store a value under a key."""


class MemoryStorage:
    """Forgets with the process; for tests, and for visitors who are new each time."""

    def __init__(self, values: Mapping[str, Stored] | None = None) -> None:
        self.values: dict[str, Stored] = dict(values or {})

    def read(self, key: str) -> object:
        """The value stored under a key, or None."""
        return self.values.get(key)

    def write(self, key: str, value: Stored) -> None:
        """Store a value under a key."""
        self.values[key] = value


class FileStorage:
    """One JSON file, replaced as a whole at each write, so that no kill leaves half of one.

    Held by one process until :meth:`close`; several trackers of a process may share it. Raises
    StoreBusy where another process holds it and StoreError where the folder cannot be used.
    A file that is no JSON object is put aside as ``<name>.broken`` and begun anew.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = ProcessLock(
                self._path.with_name(self._path.name + ".lock"), str(self._path)
            )
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be used: {error.strerror or error}.",
                fix="Name a file in a folder this program may write to.",
            ) from error
        self._mutex = threading.Lock()
        self._values = self._load()

    def _load(self) -> dict[str, Stored]:
        try:
            if self._path.stat().st_size > STORAGE_BYTES_MAX:
                return self._aside()
            held = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            return self._aside()
        except OSError as error:
            self._lock.release()
            raise StoreError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        return held if isinstance(held, dict) else self._aside()

    def _aside(self) -> dict[str, Stored]:
        broken = self._path.with_name(self._path.name + ".broken")
        self._path.replace(broken)
        log.warning("%s is no device storage; it was put aside as %s", self._path, broken)
        return {}

    def read(self, key: str) -> object:
        """The value stored under a key, or None."""
        return self._values.get(key)

    def write(self, key: str, value: Stored) -> None:
        """Store a value under a key; on the disk when this returns. Raises StoreFull."""
        with self._mutex:  # trackers of several threads may share a storage
            values = {**self._values, key: value}
            text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
            replace_whole(self._path, text.encode("utf-8", "surrogatepass"))
            self._values = values

    def close(self) -> None:
        """Let another process have the file."""
        self._lock.release()
