"""Processes that share a state file: their names, and whether one is still there."""

from __future__ import annotations

import os
import platform


def this_worker() -> str:
    """The name of this process among all that share a state file."""
    return f"{platform.node()}/{os.getpid()}"


def is_gone(worker: str) -> bool:
    """Whether that process has surely ended; False where nobody can tell."""
    node, _, number = worker.partition(":")[0].rpartition("/")
    if os.name != "posix" or node != platform.node() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
