"""Union ids that changed: what waits for a person, and the repair when they say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from idweave.core.identity import Fact

from .apps import App
from .facts import rebind_facts
from .state import Alarm, Followers

ALARMS_SHOWN = 20

State = Callable[[Sequence[Fact]], object]
"""States operator facts in the graph, durably."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An alarm that a rebind would answer wrongly: the old union id still stands elsewhere."""

    alarm: Alarm
    standing_in: tuple[str, ...]


@dataclass(slots=True)
class Rebound:
    """What a rebind did, or would do; ``first`` shows what it is about."""

    alarms: int = 0
    repaired: int = 0
    blocked: int = 0
    first: list[Alarm] = field(default_factory=list)
    first_blocked: Blocked | None = None


def rebind(followers: Followers, apps: Sequence[App], state: State | None, now_ms: int) -> Rebound:
    """Answer the alarms of these accounts: each old union id leaves its user (nothing else does),
    then its openids are bound to the new one. ``state`` None: only say what would be done.

    An alarm is blocked where another account, without an alarm, still has the old union id: then
    that account or this one moved alone, and the configuration has to say so.
    """
    done = Rebound()
    for app in apps:
        for alarms in _pages(followers, app):
            done.alarms += len(alarms)
            done.first += alarms[: ALARMS_SHOWN - len(done.first)]
            ready = [alarm for alarm in alarms if _is_ready(followers, alarm, done)]
            if state is not None and ready:
                facts = (fact for alarm in ready for fact in _facts(alarm, app, now_ms))
                state(list({fact.event_id: fact for fact in facts}.values()))
                followers.settle(ready)
            done.repaired += len(ready)
    return done


def _pages(followers: Followers, app: App) -> Iterator[list[Alarm]]:
    after = ""
    while page := followers.alarms(app.appid, after):
        yield page
        after = page[-1].openid


def _is_ready(followers: Followers, alarm: Alarm, done: Rebound) -> bool:
    elsewhere = followers.standing_elsewhere(alarm)
    if elsewhere:
        done.blocked += 1
        done.first_blocked = done.first_blocked or Blocked(alarm, tuple(elsewhere))
    return not elsewhere


def _facts(alarm: Alarm, app: App, now_ms: int) -> tuple[Fact, ...]:
    if app.open_platform is None:
        return ()
    return rebind_facts(alarm, (app.open_platform.key, app.openid_key), now_ms)
