"""Routes about policies: which is in force, try another, apply it, go back; and simulations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from idweave.core.errors import Conflict
from idweave.core.policy import Policy
from idweave.core.policy_file import PRESETS, parse_policy, preset
from idweave.engine.applied import AppliedPolicy, PolicyAnswer, PolicyHistory
from idweave.engine.past import Instant
from idweave.engine.simulating import STEPS_MAX, SimulatedStep, simulate
from idweave.engine.whatif import WhatIf

from .handlers import Asked
from .operating import Author, Because, Time, body_of

EVENTS_FOLDED_MAX = 1_000_000
"""Events of a project that one request folds: some minutes and about 1 GB. Larger projects are
tried on the command line, which answers beside a server."""

LINE_LENGTH_MAX = 2_000
"""Characters of one typed event."""

PolicyText = Annotated[
    str,
    Meta(
        min_length=1,
        description=f"The text of a policy file, or a preset: {', '.join(PRESETS)}.",
    ),
]
Line = Annotated[str, Meta(min_length=1, max_length=LINE_LENGTH_MAX)]
Number = Annotated[str, Meta(pattern="^[0-9]{1,18}$")]
Position = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class TryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which policy to try, and up to when; without: on all events."""

    policy: PolicyText
    until_ms: Time | None = None
    position: Position | None = None


class ApplyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which policy to put in force, who says so and why."""

    policy: PolicyText
    author: Author
    reason: Because


class BackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who goes back and why; to the policy before, or to that of a number."""

    author: Author
    reason: Because
    number: Number | None = None


class SimulateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Typed events, and the policy to play them under; without: that in force."""

    events: Annotated[list[Line], Meta(min_length=1, max_length=STEPS_MAX)]
    policy: PolicyText | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What typed events come to, step by step; ``policy`` is its name."""

    policy: str
    steps: tuple[SimulatedStep, ...]


def policy_given(text: str) -> Policy:
    """The policy of a body: a preset, or the text of a file. Raises PolicyError."""
    return preset(text.strip()) if "=" not in text else parse_policy(text)


def check_size(asked: Asked) -> None:
    """Raise Conflict where a project is too large to be folded for one request."""
    events = asked.engine.stats(asked.project).accepted
    if events > EVENTS_FOLDED_MAX:
        fix = "Ask on the command line, beside the server: `idweave policy try`, `idweave past`."
        problem = f"{asked.project} has {events} events; a request folds {EVENTS_FOLDED_MAX}."
        raise Conflict(problem, fix=fix)


def policy(asked: Asked) -> PolicyAnswer:
    """The policy in force, or one of the history."""
    return asked.engine.policy(asked.project, cast(int | None, asked.values["number"]))


def policy_history(asked: Asked) -> PolicyHistory:
    """Which policies held."""
    return asked.engine.policies(asked.project)


def try_policy(asked: Asked) -> WhatIf:
    """What another policy would change."""
    given = body_of(asked, TryRequest)
    loaded = policy_given(given.policy)
    check_size(asked)
    return asked.engine.what_if(asked.project, loaded, Instant(given.until_ms, given.position))


def apply_policy(asked: Asked) -> AppliedPolicy:
    """Put a policy in force."""
    given = body_of(asked, ApplyRequest)
    loaded, by = policy_given(given.policy), (given.author, given.reason)
    return asked.engine.apply_policy(asked.project, loaded, by)


def policy_back(asked: Asked) -> AppliedPolicy:
    """Put an earlier policy in force again."""
    given = body_of(asked, BackRequest)
    number = None if given.number is None else int(given.number)
    return asked.engine.policy_back(asked.project, (given.author, given.reason), number=number)


def simulated(asked: Asked) -> Simulation:
    """Play typed events."""
    given = body_of(asked, SimulateRequest)
    name = asked.project
    rules = policy_given(given.policy) if given.policy else asked.engine.policy_in_force(name)
    return Simulation(rules.name, tuple(simulate(given.events, rules)))
