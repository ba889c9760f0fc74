"""Where records go: a collector, its debug door, a file, a screen, or a function of yours."""

from .debug import DebugConsumer
from .face import CallConsumer, Consumer
from .file import FileConsumer
from .http import HttpConsumer, Pace
from .screen import ConsoleConsumer
from .spool import DiskSpool, MemorySpool, Spool

__all__ = [
    "CallConsumer",
    "ConsoleConsumer",
    "Consumer",
    "DebugConsumer",
    "DiskSpool",
    "FileConsumer",
    "HttpConsumer",
    "MemorySpool",
    "Pace",
    "Spool",
]
