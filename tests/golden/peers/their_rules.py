"""What three systems do, in their own words and on its own: who each of a few events is of.

Random events come to the same under their presets, labels and all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .story import Case, Story
from .whose import label_of, stitched

Owners = dict[str, object]
NOBODYS = (None, None, "U", "V", "W")
"""Every so many events say who it is."""


class Rule(NamedTuple):
    """A system's rule: what its events carry, the rule itself, and how we are asked for the same."""

    system: str
    place: str
    person: str
    theirs: Callable[[Sequence[Case]], Owners]
    ours: Callable[[Story], Owners]


def amplitude(steps: Sequence[Case]) -> Owners:
    """A user id takes over the anonymous person of its device, or that joins it; anonymous events
    are of the device's last known user."""
    anonymous, last, found = dict[str, str](), dict[str, str](), Owners()
    for step in steps:
        device, user = step["device_id"], step["user_id"]
        if user is not None:
            if device not in last and device in anonymous:
                anonymous[device] = user
            last[device] = user
        else:
            anonymous.setdefault(device, f"device {device}")
    last.clear()
    for step in steps:
        device, user = step["device_id"], step["user_id"]
        last |= {device: user} if user is not None else {}
        found[step["id"]] = last.get(device, anonymous.get(device))
    return found


def mixpanel(steps: Sequence[Case]) -> Owners:
    """The first event with both ids gives the device to the user; a user id is its own."""
    claimed = dict[str, str]()
    for step in steps:
        if step["user_id"] is not None:
            claimed.setdefault(step["device_id"], step["user_id"])
    return {
        step["id"]: step["user_id"]
        or claimed.get(step["device_id"], f"$device:{step['device_id']}")
        for step in steps
    }


def device_split(steps: Sequence[Case]) -> Owners:
    """A row is its person's, else the last person's of its cookie, else the first one's to come."""
    first, last, found = dict[str, str](), dict[str, str](), Owners()
    for step in steps:
        if step["person"] is not None:
            first.setdefault(step["cookie"], step["person"])
    for step in steps:
        cookie = step["cookie"]
        last |= {cookie: step["person"]} if step["person"] is not None else {}
        found[step["id"]] = last.get(cookie, first.get(cookie, cookie))
    return found


def _names(story: Story) -> Owners:
    return {step.event_id: story.owner(step.event_id) for step in story.steps}


def _labels(story: Story) -> Owners:
    return {step.event_id: label_of(story, story.owner(step.event_id)) for step in story.steps}


def _stitched(story: Story) -> Owners:
    return dict(stitched(story))


RULES = (
    Rule("amplitude", "device_id", "user_id", amplitude, _names),
    Rule("mixpanel", "device_id", "user_id", mixpanel, _labels),
    Rule("adobe_cja_stitching", "cookie", "person", device_split, _stitched),
)


def drawn(rule: Rule, chance: random.Random) -> Case:
    """Three to eight events of three people on three devices."""
    steps = [
        {
            "op": "event",
            "id": str(number),
            "t": number,
            rule.place: chance.choice("ABC"),
            rule.person: chance.choice(NOBODYS),
        }
        for number in range(chance.randint(3, 8))
    ]
    case = {"system": rule.system, "title": "", "policy": "", "config": {}, "expect": {}}
    return case | {"steps": steps}


def alike(theirs: Owners, ours: Owners) -> bool:
    """Whether the two tell the same events together."""
    pairs = {(theirs[event], ours[event]) for event in theirs}
    return len(pairs) == len(set(theirs.values())) == len({ours[event] for event in theirs})
