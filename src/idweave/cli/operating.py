"""``operator``: what operators state of who is who, and take back."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from idweave.core.errors import InputError
from idweave.core.identity import Identity
from idweave.engine.operated import DifferenceAnswer, OperatorAnswer, OperatorFact
from idweave.engine.operators import Statement
from idweave.engine.ruling import OperatorKind

from .keys import identity_typed
from .offering import group, number_typed, offer
from .output import Output, time_text, visible
from .session import Session
from .times import time_typed

app = group("operator", "State who is who, and take it back: join, detach, retract, block …")

IdentityArgument = Annotated[
    list[str], typer.Argument(metavar="KEY VALUE...", help="Identities: key and value of each.")
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
AuthorOption = Annotated[
    str | None, typer.Option("--author", metavar="NAME", help="Who says so; without: you.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what it would change; change nothing.")
]
TimeOption = Annotated[
    str | None, typer.Option("--time", metavar="TIME", help="Since when it holds; without: now.")
]


def identities_typed(session: Session, words: list[str]) -> tuple[Identity, ...]:
    """The identities that pairs of words mean."""
    if len(words) % 2:
        raise InputError("An identity is two words.", fix="Write the key and the value of each.")
    policy = session.policy(session.project_name)
    pairs = zip(words[::2], words[1::2], strict=True)
    return tuple(identity_typed(key, value, policy) for key, value in pairs)


def identities_given(session: Session, words: list[str]) -> tuple[Identity, ...]:
    """The identities that words mean: KEY=VALUE each, or KEY and VALUE in turn."""
    pairs = [
        (key, value) for key, is_pair, value in (word.partition("=") for word in words) if is_pair
    ]
    if len(pairs) < len(words):
        if len(words) % 2:
            raise InputError("An identity is a key and a value.", fix="Write KEY=VALUE.")
        pairs = list(zip(words[::2], words[1::2], strict=True))
    policy = session.policy(session.project_name)
    return tuple(identity_typed(key, value, policy) for key, value in pairs)


def _state(session: Session, said: Statement, *, dry_run: bool) -> None:
    with session.writing(create=False) as engine:
        answer = engine.operate(session.project_name, said, dry_run=dry_run)
    show_operated(answer, session.output)


def author_of(given: str | None) -> str:
    """Who says so: as given, else whoever is logged in."""
    return given or getpass.getuser()


@offer(app, "join")
def join(
    session: Session,
    identity: IdentityArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    time: TimeOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Two identities are one person's: as a bind of the two.

    \b
    Example:
      idweave operator join mobile 13800000000 login_id alice --reason "ticket 17" --dry-run
    """
    _timed(session, OperatorKind.JOIN, (identity, reason, author, time), dry_run=dry_run)


@offer(app, "detach")
def detach(
    session: Session,
    identity: IdentityArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    time: TimeOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Identities leave the user that holds them, until an event ties them anew.

    \b
    Example:
      idweave operator detach mobile 13800000000 --reason "new owner of the number"
    """
    _timed(session, OperatorKind.DETACH, (identity, reason, author, time), dry_run=dry_run)


@offer(app, "release")
def release(
    session: Session,
    identity: IdentityArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    time: TimeOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Crowded or unbound identities may link again; who asked for them is forgotten.

    \b
    Example:
      idweave operator release mp_id kiosk-1 --reason "sold to one person"
    """
    _timed(session, OperatorKind.RELEASE, (identity, reason, author, time), dry_run=dry_run)


Said = tuple[list[str], str, str | None, str | None]


def _timed(session: Session, kind: OperatorKind, said: Said, *, dry_run: bool) -> None:
    words, reason, author, time = said
    time_ms = None if time is None else time_typed(time)
    identities = identities_typed(session, words)
    statement = Statement(kind, author_of(author), reason, identities, time_ms=time_ms)
    _state(session, statement, dry_run=dry_run)


@offer(app, "block")
def block(
    session: Session,
    identity: IdentityArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Identities that are nobody's never link anything: what they tied falls apart.

    \b
    Example:
      idweave operator block mobile 13800138000 --reason "the placeholder of our form"
    """
    identities = identities_typed(session, identity)
    said = Statement(OperatorKind.BLOCK, author_of(author), reason, identities)
    _state(session, said, dry_run=dry_run)


@offer(app, "apart")
def apart(
    session: Session,
    identity: IdentityArgument,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Two identities never share a user, whatever was or will be sent.

    \b
    Example:
      idweave operator apart login_id alice login_id bob --reason "twins"
    """
    identities = identities_typed(session, identity)
    said = Statement(OperatorKind.APART, author_of(author), reason, identities)
    _state(session, said, dry_run=dry_run)


@offer(app, "retract")
def retract(
    session: Session,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its reference: time-event_id.")],
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take an event out of who is who, as if it had never come; a wrong merge is undone exactly.

    \b
    Example:
      idweave operator retract 1700000000002-a439cf976aac1eed05bca5ce13f3092e --reason "test login"
    """
    said = Statement(OperatorKind.RETRACT, author_of(author), reason, event=event)
    _state(session, said, dry_run=dry_run)


@offer(app, "remove")
def remove(
    session: Session,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As `operator list` shows it.")],
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take back what an operator stated, as if it had never been said.

    \b
    Example:
      idweave operator remove 3 --reason "it was right after all"
    """
    operator_id, by = number_typed(number, "number"), (author_of(author), reason)
    with session.writing(create=False) as engine:
        answer = engine.take_back(session.project_name, operator_id, by, dry_run=dry_run)
    show_operated(answer, session.output)


@offer(app, "list")
def list_all(
    session: Session,
    *,
    removed: Annotated[
        bool, typer.Option("--removed", help="Also those that were taken back.")
    ] = False,
) -> None:
    """What operators stated, oldest first.

    \b
    Example:
      idweave operator list --removed
    """
    output = session.output
    with session.reading() as engine:
        found = engine.operators(session.project_name, removed=removed)
    if output.json:
        output.document({"operators": found})
        return
    if not found:
        output.say("No operator facts.")
        return
    columns = ("number", "kind", "about", "time", "author", "reason", "stated", "removed")
    output.table(columns, map(_row, found), right=("number",))


def _row(fact: OperatorFact) -> tuple[str, ...]:
    taken_back = fact.removed_at_ms and f"{time_text(fact.removed_at_ms)} by {fact.removed_by}"
    return (
        fact.operator_id,
        fact.kind,
        about(fact),
        time_text(fact.time_ms),
        fact.author,
        fact.reason,
        time_text(fact.stated_at_ms),
        taken_back or "-",
    )


def about(fact: OperatorFact) -> str:
    """What an operator fact is about."""
    named = ", ".join(f"{one.key}={one.value}" for one in fact.identities)
    counted = ", ".join(f"{count} {name}" for name, count in (fact.counts or {}).items() if count)
    return named or fact.event or counted.replace("_", " ") or "-"


def show_operated(answer: OperatorAnswer, output: Output) -> None:
    """What was stated, or would be, and what that changes."""
    if output.json:
        output.document(answer)
        return
    fact = answer.fact
    verb = "would be" if answer.dry_run else "is"
    end = "removed" if fact.removed_at_ms is not None else "stated"
    output.say(f"{fact.kind} {visible(about(fact))} {verb} {end} (number {fact.operator_id}).")
    show_difference(answer.changes, output)


def show_difference(found: DifferenceAnswer, output: Output) -> None:
    """What differs, the first of everything."""
    output.say(found.says)
    rows = [("made", one, "") for one in found.made]
    rows += [("gone", one, "") for one in found.gone]
    rows += [("merged", one.canonical_id, "of " + ", ".join(one.merged)) for one in found.merged]
    rows += [("split", one.canonical_id, "into " + ", ".join(one.into)) for one in found.split]
    rows += [("renamed", one.before, f"now {one.after}") for one in found.renamed]
    if rows:
        output.say()
        output.table(("", "user", ""), rows)
    if found.moved:
        moved = [
            (one.key, one.value, one.before or "nobody", one.after or "nobody")
            for one in found.moved
        ]
        output.say()
        output.table(("key", "value", "was of", "is of"), moved)
