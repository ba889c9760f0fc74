"""The SDK: trackers with the identity behaviour of the released Sensors SDKs.

``Tracker`` is one device of a platform, ``ServerTracker`` a service that knows its users itself.
Records go to a consumer; who the visitor is, is kept in a storage. Nothing here needs a package
besides Python.
"""

from .clock import Chance, Clock, SystemChance, SystemClock
from .consumers import (
    CallConsumer,
    ConsoleConsumer,
    Consumer,
    DebugConsumer,
    DiskSpool,
    FileConsumer,
    HttpConsumer,
    MemorySpool,
    Pace,
)
from .server_tracker import ServerTracker
from .storage import DeviceStorage, FileStorage, MemoryStorage
from .tracker import Tracker, TrackerOptions
from .transport import Answer, HttpTransport, Transport

__all__ = [
    "Answer",
    "CallConsumer",
    "Chance",
    "Clock",
    "ConsoleConsumer",
    "Consumer",
    "DebugConsumer",
    "DeviceStorage",
    "DiskSpool",
    "FileConsumer",
    "FileStorage",
    "HttpConsumer",
    "HttpTransport",
    "MemorySpool",
    "MemoryStorage",
    "Pace",
    "ServerTracker",
    "SystemChance",
    "SystemClock",
    "Tracker",
    "TrackerOptions",
    "Transport",
]
