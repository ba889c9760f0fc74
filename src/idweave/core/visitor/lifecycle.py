"""The whole life of a visitor: which calls a platform has, and one step of it (VISITOR.md §6, §10).

``HANDLERS`` is the table of calls: a missing cell is a call that the platform lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from . import apps, minip, web
from .chain import after
from .handover import Handover
from .life import (
    ClearUserId,
    Event,
    Happen,
    Hide,
    Identify,
    Init,
    Op,
    Restart,
    Run,
    SetOption,
    SetUserId,
    Show,
    State,
    Track,
)
from .profiles import PROFILES, Profile, profile
from .stores import BY_NAME, Family, StoreKind

Handler = Callable[[Run, Any], None]

_APP: Mapping[type[Op], Handler] = {
    Init: apps.init,
    Track: apps.track,
    SetUserId: apps.set_user_id,
    ClearUserId: apps.clear_user_id,
    Show: apps.show,
    Hide: apps.hide,
    Restart: apps.restart,
}
_WEB: Mapping[type[Op], Handler] = {
    Init: web.init,
    Track: web.track,
    Identify: web.identify,
    SetUserId: web.set_user_id,
    ClearUserId: web.clear_user_id,
    SetOption: web.set_option,
    Restart: web.restart,
}
_MINI: Mapping[type[Op], Handler] = {
    Init: minip.init,
    Track: minip.track,
    Identify: minip.identify,
    SetUserId: minip.set_user_id,
    ClearUserId: minip.clear_user_id,
    SetOption: minip.set_option,
    Show: minip.show,
    Hide: minip.hide,
    Restart: minip.restart,
}
HANDLERS: Mapping[Family, Mapping[type[Op], Handler]] = {
    Family.ANDROID: _APP,
    Family.APPLE: _APP,
    Family.HARMONYOS: _APP,
    Family.WEB: _WEB,
    Family.MINI_PROGRAM: _MINI,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What one call did: the state after it, and the events that left the device, in order."""

    state: State
    sent: tuple[Event, ...]


def step(state: State, op: Op, now_ms: int, draw: Callable[[], str]) -> Step:
    """One call, at a time in milliseconds from 1970 in UTC. ``draw`` makes a fresh UUID.

    A call before ``init`` does nothing, as in the released SDKs. Raises ``InputError`` for a call
    that the platform lacks, with those that have it, and for a condition it cannot meet.
    """
    run = Run(state, now_ms, draw)
    if isinstance(op, Happen):
        _happen(run, op)
    else:
        handler = _handler(state.profile, type(op))
        if state.is_running or isinstance(op, Init | Restart):
            handler(run, op)
    return Step(run.state, tuple(run.sent))


def _handler(rules: Profile, call: type[Op]) -> Handler:
    handler = HANDLERS.get(rules.family, {}).get(call)
    if handler is None:
        having = ", ".join(family for family, calls in HANDLERS.items() if call in calls)
        raise InputError(f"{rules.name} has no call {call.__name__}.", fix=f"These do: {having}.")
    return handler


def _happen(run: Run, op: Happen) -> None:
    storage = after(run.state.profile, op.condition, run.state.storage)
    restart = HANDLERS.get(run.state.profile.family, {}).get(Restart)
    if restart and StoreKind.MEMORY in BY_NAME[op.condition].empties:
        restart(run, Restart())
    run.set(storage=storage)


def hand_over(state: State, now_ms: int, draw: Callable[[], str]) -> tuple[Step, Handover]:
    """What a mini program adds to the address of its web view (``handover_query`` writes it), and
    the step this was: asking for the session may begin one. Raises ``InputError`` elsewhere."""
    if state.profile.family is not Family.MINI_PROGRAM:
        raise InputError(
            f"{state.profile.name} has no web view to hand ids to.", fix="Mini programs do."
        )
    run = Run(state, now_ms, draw)
    handover = minip.hand_over(run)
    return Step(run.state, tuple(run.sent)), handover


def stored_visitor_id(state: State, now_ms: int) -> str:
    """The visitor id that lies in storage at this time, or empty: nothing is drawn."""
    run = Run(state, now_ms, lambda: "")
    if state.profile.family is Family.WEB:
        return web.stored_visitor(run)
    slot = state.profile.keeps
    return run.read(slot.key) if slot else ""


def fresh(profile_name: str) -> State:
    """The state of a fresh install under a profile. Raises ``InputError`` for an unknown name."""
    return State(profile(profile_name))


LIVING = tuple(name for name, rules in PROFILES.items() if rules.family in HANDLERS)
"""The profiles whose whole life cycle is known; the others have a chain alone."""
