"""``simulate`` and ``policy try``: other rules seen before they hold."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from idweave.config import load_policy
from idweave.engine.past import Instant
from idweave.engine.simulating import SimulatedStep, simulate
from idweave.engine.whatif import GraphCounts, WhatIf

from .explaining import move_text
from .offering import offer
from .operating import show_difference
from .output import Output, number_text, visible
from .policies import PolicyArgument
from .policies import app as policy_app
from .session import Session
from .times import time_typed

app = typer.Typer()


@offer(app, "simulate", without=frozenset({"store"}))
def simulate_events(
    session: Session,
    event: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EVENT]...", help="`KEY: value, KEY: value`; none: from stdin."),
    ] = None,
    *,
    policy: Annotated[
        str | None,
        typer.Option(metavar="PRESET|FILE", help="The rules; without: those of the project."),
    ] = None,
) -> None:
    """Play a few events under a policy and see who is who after each. Nothing is stored.

    An event is a line: identities, and before them its kind where it is no observe (login, bind,
    unbind, detach, release). They happen one after the other.

    \b
    Example:
      idweave simulate "mp_id: d1" "login login_id: alice, mp_id: d1" "login_id: bob, mp_id: d1"
    """
    rules = load_policy(policy) if policy else session.policy(session.project_name)
    lines = event or [line for line in sys.stdin if line.strip()]
    steps, output = simulate(lines, rules), session.output
    if output.json:
        output.document({"policy": policy or rules.name, "steps": steps})
        return
    for step in steps:
        _show_step(step, output)


def _show_step(step: SimulatedStep, output: Output) -> None:
    owner = step.canonical_id or "nobody"
    output.say(f"{step.number}. {step.kind} {visible(step.text)}: of {owner}", style="bold")
    for move in step.moves:
        output.say(f"   {visible(move_text(move))}")
    for user in step.users:
        held = ", ".join(f"{key}={value}" for key, value in user.identities)
        output.say(f"   = {user.canonical_id}: {visible(held) or 'empty'}", style="dim")


@offer(policy_app, "try")
def try_policy(
    session: Session,
    policy: PolicyArgument,
    *,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only events up to then.")
    ] = None,
) -> None:
    """What the real history would be under another policy: the difference, and why.

    Nothing is changed.

    \b
    Example:
      idweave policy try shop.toml
      idweave policy try global-static --until 2026-11-01
    """
    loaded, output = load_policy(policy), session.output
    upto = Instant(None if until is None else time_typed(until))
    with session.reading() as engine:
        found = engine.what_if(session.project_name, loaded, upto)
    if output.json:
        output.document(found)
        return
    show_trial(found, output)


def show_trial(found: WhatIf, output: Output) -> None:
    """What a policy would change, in tables."""
    output.say(f"{number_text(found.events)} events of {visible(found.project)}", style="bold")
    rows = [
        (name, number_text(getattr(found.before, name)), number_text(getattr(found.after, name)))
        for name in ("users", "identities", "merges")
    ]
    rows += _refusal_rows(found.before, found.after)
    output.table(("", "now", "then"), rows, right=("now", "then"))
    for code, count in found.rejected.items():
        output.warn(f"{number_text(count)} events would be rejected: {code}")
    for example in found.examples:
        output.warn(visible(example))
    show_difference(found.changes, output)
    for change in found.largest:
        others = ", ".join(change.users)
        verb = "is merged of" if change.what == "merged" else "is split into"
        output.say()
        output.say(f"{change.canonical_id} {verb} {others} ({change.identities} identities)")
        for line in change.why:
            output.say(f"  {visible(line)}")


def _refusal_rows(before: GraphCounts, after: GraphCounts) -> list[tuple[str, str, str]]:
    reasons = sorted({*before.refusals, *after.refusals})
    return [
        (
            f"refused: {reason}",
            number_text(before.refusals.get(reason, 0)),
            number_text(after.refusals.get(reason, 0)),
        )
        for reason in reasons
    ]
