"""Union ids that changed: what waits for a person, and the repair when they say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from idweave.core.identity import Fact

from .apps import App
from .facts import rebind_facts
from .state import Alarm, Followers
from .state.followers import parts

ALARMS_PER_COMMIT = 500

State = Callable[[Sequence[Fact]], object]
"""States operator facts in the graph, durably."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An alarm that a rebind would answer wrongly: the old union id still stands elsewhere."""

    alarm: Alarm
    standing_in: tuple[str, ...]


@dataclass(slots=True)
class Rebound:
    """What a rebind did, or would do."""

    repaired: int = 0
    blocked: int = 0
    first_blocked: Blocked | None = None


def rebind(followers: Followers, apps: Sequence[App], state: State | None, now_ms: int) -> Rebound:
    """Answer the alarms of these accounts: each old union id leaves its user (nothing else does),
    then its openids are bound to the new one. ``state`` None: only say what would be done.

    An alarm is blocked where another account, without an alarm, still has the old union id: then
    that account or this one moved alone, and the configuration has to say so.
    """
    done = Rebound()
    named = {app.appid: app for app in apps}
    alarms = [alarm for app in apps for alarm in followers.alarms(app.appid)]
    ready = [alarm for alarm in alarms if _is_ready(followers, alarm, done)]
    for part in parts(ready, ALARMS_PER_COMMIT):
        if state is not None:
            facts = {fact.event_id: fact for alarm in part for fact in _facts(alarm, named, now_ms)}
            state(list(facts.values()))
            for alarm in part:
                followers.settle(alarm)
        done.repaired += len(part)
    return done


def _is_ready(followers: Followers, alarm: Alarm, done: Rebound) -> bool:
    elsewhere = followers.standing_elsewhere(alarm)
    if elsewhere:
        done.blocked += 1
        done.first_blocked = done.first_blocked or Blocked(alarm, tuple(elsewhere))
    return not elsewhere


def _facts(alarm: Alarm, named: dict[str, App], now_ms: int) -> tuple[Fact, ...]:
    app = named[alarm.appid]
    if app.open_platform is None:
        return ()
    return rebind_facts(alarm, (app.open_platform.key, app.openid_key), now_ms)
