"""The values of a visitor's life: its state, the calls, and the events that leave the device.

``State`` is everything an SDK knows: ``storage`` survives the process, the rest is memory. Rules
live in ``apps``, ``web`` and ``minip``; ``lifecycle.step`` picks the one for a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .options import Options
from .profiles import Hints, Profile
from .stores import Place, Storage, Stored, read

NO_OPTIONS = Options()
NO_HINTS = Hints()


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its identity fields as sent. ``domain`` is a page's host or an app id."""

    type: str
    name: str
    device_id: str
    user_id: str
    user_key: str
    session_id: str
    platform: str
    domain: str = ""
    data_source_id: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """One SDK on one device. A fresh install is ``State(profile(name))``."""

    profile: Profile
    storage: Storage = field(default_factory=dict)
    options: Options = NO_OPTIONS
    hints: Hints = NO_HINTS
    url: str = ""
    is_running: bool = False
    is_started: bool = False
    is_handed_over: bool = False
    is_locked: bool = False
    session_id: str = ""
    session_expires_at_ms: float | None = None
    last_user_id: str = ""
    hidden_at_ms: int | None = None
    scene: str = ""
    hidden_scene: str = ""
    held: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Init:
    """The app starts the SDK. ``url`` is the page's (web), ``hints`` the device's (apps)."""

    options: Mapping[str, object] = field(default_factory=dict)
    hints: Hints = NO_HINTS
    url: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """The app tracks a custom event."""

    name: str


@dataclass(frozen=True, slots=True)
class Identify:
    """The app sets the visitor id, usually to an OpenID; only under ``forceLogin``."""

    value: object


@dataclass(frozen=True, slots=True)
class SetUserId:
    """A user logs in; ``key`` names the login system and counts under ``idMapping``."""

    value: object
    key: object = None


@dataclass(frozen=True, slots=True)
class ClearUserId:
    """The user logs out."""


@dataclass(frozen=True, slots=True)
class SetOption:
    """The app switches an option while running; ``name`` is the SDK's."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class Show:
    """The app or mini program comes to the front; the first time it is the launch."""

    scene: str = ""


@dataclass(frozen=True, slots=True)
class Hide:
    """The app or mini program goes to the background."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The process or page ends and its memory is lost; ``url`` is where the browser goes next,
    empty for the same page."""

    url: str = ""


@dataclass(frozen=True, slots=True)
class Happen:
    """One of ``CONDITIONS`` happens to the device, such as ``clear_cookies``."""

    condition: str


Op = Init | Track | Identify | SetUserId | ClearUserId | SetOption | Show | Hide | Restart | Happen


@dataclass(slots=True)
class Run:
    """One step under way: the state so far, what left the device, and what is just leaving (web).
    Lives within ``step``."""

    state: State
    now_ms: int
    draw: Callable[[], str]
    sent: list[Event] = field(default_factory=list)
    queue: list[Event] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def read(self, key: str, scope: str = "") -> str:
        """A stored text that has not expired, or empty."""
        entry = self.state.storage.get(Place(scope, key))
        if entry is None or (
            entry.expires_at_ms is not None and entry.expires_at_ms <= self.now_ms
        ):
            return ""
        return entry.text

    def write(self, key: str, text: str, scope: str = "", *, until_ms: int | None = None) -> None:
        """Store a text; None keeps it for good."""
        place = Place(scope, key)
        self.set(storage={**self.state.storage, place: Stored(text, until_ms)})

    def write_change(self, key: str, text: str) -> None:
        """Store a text if it is another than the one there."""
        if read(self.state.storage, key) != text:
            self.write(key, text)
