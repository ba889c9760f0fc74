"""``policy apply|back|history``: put a policy in force, history included, and go back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from idweave.config import load_policy
from idweave.core.policy import Policy
from idweave.engine.applied import AppliedPolicy, PolicyInForce
from idweave.engine.engine import Engine
from idweave.engine.past import NOW
from idweave.engine.switching import Tell

from .offering import number_typed, offer
from .operating import AuthorOption, DryRunOption, ReasonOption, author_of, show_difference
from .output import Output, number_text, time_text, visible
from .policies import PolicyArgument
from .policies import app as policy_app
from .progress import progress
from .session import Session
from .trying import show_trial


@offer(policy_app, "apply")
def apply_policy(
    session: Session,
    policy: PolicyArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Put a policy in force: all history is told again under it, in one commit.

    Try it first. What is received from now on follows it; `policy back` undoes it exactly.

    \b
    Example:
      idweave policy apply shop.toml --reason "numbers are shared in families"
      idweave policy apply shop.toml --reason "look first" --dry-run
    """
    loaded = load_policy(policy)
    if dry_run:
        _try(session, loaded)
        return
    project, by = session.project_name, (author_of(author), reason)
    with session.writing(create=False) as engine, _telling(session.output) as tell:
        done = engine.apply_policy(project, loaded, by, tell=tell)
    _show_applied(done, session)


@offer(policy_app, "back")
def back(
    session: Session,
    *,
    reason: ReasonOption,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NUMBER", help="That of `policy history`; without: the last."),
    ] = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Put the policy in force again that was so before, history included.

    \b
    Example:
      idweave policy back --reason "too many merges"
      idweave policy back --to 1 --reason "as it was at first"
    """
    number = None if to is None else number_typed(to, "number")
    project, by = session.project_name, (author_of(author), reason)
    if dry_run:
        with session.reading() as engine:
            loaded = engine.policy_before(project, number)
        _try(session, loaded)
        return
    with session.writing(create=False) as engine, _telling(session.output) as tell:
        done = engine.policy_back(project, by, number=number, tell=tell)
    _show_applied(done, session)


@offer(policy_app, "history")
def history(session: Session) -> None:
    """Which policies were in force, since when, by whom and why; the one in force last.

    \b
    Example:
      idweave policy history
    """
    output = session.output
    with session.reading() as engine:
        found = engine.policies(session.project_name)
        warn_unapplied(engine, session, session.project_name)
    if output.json:
        output.document(found)
        return
    columns = ("number", "policy", "digest", "since", "until", "author", "reason")
    output.table(columns, map(_row, found.policies), right=("number",), folds=("reason",))


def _row(one: PolicyInForce) -> tuple[str, ...]:
    return (
        one.number or "-",
        one.name,
        one.digest,
        time_text(one.since_ms),
        "in force" if one.until_ms is None else time_text(one.until_ms),
        one.author,
        one.reason,
    )


def _try(session: Session, loaded: Policy) -> None:
    """What applying it would change; nothing is."""
    with session.reading() as engine:
        found = engine.what_if(session.project_name, loaded, NOW)
    if session.output.json:
        session.output.document(found)
    else:
        show_trial(found, session.output)


@contextmanager
def _telling(output: Output) -> Iterator[Tell]:
    with progress(output, "telling again", None, things="groups") as bar:

        def tell(done: int, total: int) -> None:
            bar.show(done, done, total)

        yield tell


def _show_applied(done: AppliedPolicy, session: Session) -> None:
    output, policy = session.output, done.policy
    if output.json:
        output.document(done)
        return
    name = f"{visible(policy.name)} ({policy.digest})"
    if not done.changed:
        output.say(f"{name} is in force already. Nothing changes.")
    else:
        told, groups = number_text(done.told_again), number_text(done.groups)
        number = policy.number
        output.say(
            f"{name} is in force: policy {number} of {visible(policy.project)}.", style="bold"
        )
        output.say(f"{told} of {groups} groups of facts were told again; the others are the same.")
        show_difference(done.changes, output)
    if not done.configured:
        output.warn(_differs(session, policy.project))
        output.warn("It stays in force whatever the configuration says; let it name this policy.")


def warn_unapplied(engine: Engine, session: Session, project: str | None = None) -> None:
    """Say of which projects the configuration names another policy than is in force."""
    for name in engine.unapplied():
        if project in (None, name):
            session.output.warn(_differs(session, name))
            session.output.warn(fix_of(session, name))


def _differs(session: Session, project: str) -> str:
    named = session.settings.project(project).policy
    return f"{project}: the configuration names {visible(named)}, and another policy is in force."


def fix_of(session: Session, project: str) -> str:
    """What to do where the configuration names another policy than is in force."""
    named = visible(session.settings.project(project).policy)
    return (
        f"`idweave policy apply {named}` puts it in force;"
        " `idweave policy show` prints the one that is."
    )
