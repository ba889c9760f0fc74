"""Server-side attribution after GrowingIO's user model: gids and who they are (VISITOR.md §9).

A login is one user, a device belongs to its last login. Stored gids are never rewritten; a query
over a window gives a device's anonymous gid to the last login it saw there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import InputError


class Seen(NamedTuple):
    """One event as attribution reads it. One of the two may be missing, not both."""

    device: str | None
    login: str | None = None


class Window(NamedTuple):
    """A window of a sequence of events: first and last, counted from 1, both inside."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """The final attribution of a window.

    ``last_logins``: device → its last login within the window. ``remap``: anonymous gid → the gid
    of that login. ``users`` counts gids after replacement; ``devices`` and ``logins`` count what
    was seen.
    """

    last_logins: Mapping[str, str]
    remap: Mapping[int, int]
    users: int
    devices: int
    logins: int


@dataclass(slots=True)
class _Ledger:
    """What the server remembers: gids by login and by device, and each device's last login."""

    of_login: dict[str, int] = field(default_factory=dict)
    of_device: dict[str, int] = field(default_factory=dict)
    last_login: dict[str, str] = field(default_factory=dict)

    def new_gid(self) -> int:
        return len(self.of_login) + len(self.of_device) + 1

    def take(self, seen: Seen) -> int:
        login = seen.login
        if login and seen.device:
            self.last_login[seen.device] = login
        login = login or self.last_login.get(seen.device or "")
        if login:
            return self.of_login.setdefault(login, self.new_gid())
        if not seen.device:
            raise InputError("an event has neither device nor login.", fix="Give one of them.")
        return self.of_device.setdefault(seen.device, self.new_gid())


def gids(events: Sequence[Seen]) -> tuple[int, ...]:
    """The gid stored with each event, counted from 1 in order of first appearance.

    Raises ``InputError`` for an event with neither device nor login.
    """
    ledger = _Ledger()
    return tuple(ledger.take(seen) for seen in events)


def attribute(events: Sequence[Seen], window: Window) -> Attribution:
    """Final attribution over a window of events. Raises as ``gids`` does."""
    ledger = _Ledger()
    stored = [ledger.take(seen) for seen in events]
    inside = events[window.first - 1 : window.last]
    last = {seen.device: seen.login for seen in inside if seen.device and seen.login}
    remap = {
        ledger.of_device[device]: ledger.of_login[login]
        for device, login in last.items()
        if device in ledger.of_device
    }
    users = {remap.get(gid, gid) for gid in stored[window.first - 1 : window.last]}
    devices = {seen.device for seen in inside if seen.device}
    logins = {seen.login for seen in inside if seen.login}
    return Attribution(last, remap, len(users), len(devices), len(logins))
