"""``erase``: a person, physically."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from idweave.core.errors import InputError
from idweave.core.identity import Identity
from idweave.engine.erased import Erasing, ErasureAnswer

from .exits import Exit
from .offering import offer
from .operating import (
    AuthorOption,
    DryRunOption,
    ReasonOption,
    author_of,
    identities_given,
    show_difference,
)
from .output import Output, number_text, visible
from .session import Session
from .unionid_forgetting import Remembered, remembered

app = typer.Typer()

LISTED_MAX = 20
"""Identities shown to a person; JSON has all of them."""

WORDS = {
    "events": "events go",
    "events_of_others": "of these belonged to other users: their strongest identity is erased",
    "events_stripped": "events of other users stay, without an erased identity",
    "identities": "identities",
    "names": "names that lead to nobody from now on",
    "rejections": "rejected records",
    "operator_facts": "operator facts",
    "mentions": "events of others, or policies, stay and have a value in a text: look at them",
}
"""What each count is of."""


@offer(app, "erase")
def erase(
    session: Session,
    identity: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Identities by themselves; or KEY VALUE …"),
    ] = None,
    *,
    reason: ReasonOption,
    author: AuthorOption = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A person: this user, and all that is its alone."),
    ] = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Also refuse what will be sent of it from now on.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Exit:
    """Erase a person physically: events, identities, names, rejections, every byte of them.

    What is left is as if the person had never been seen, and nothing moves to anybody else. What
    arrives again of it is refused; what is younger is a new person. It cannot be taken back.

    \b
    Example:
      idweave erase --user 2431956997954746970 --reason "ticket 17" --dry-run
      idweave erase --user 2431956997954746970 --reason "ticket 17" --yes
      idweave erase mobile=13800000000 --reason "ticket 18"
    """
    identities = identities_given(session, identity or [])
    said = Erasing(author_of(author), reason, user, identities, forever)
    if not dry_run and not yes:
        _check_asked(session.output)
    _erase(session, said, dry_run=dry_run, yes=yes)
    return Exit.DONE


def _erase(session: Session, said: Erasing, *, dry_run: bool, yes: bool) -> None:
    """Show what would go, unless it is wanted anyway, and do it, unless only that is wanted."""
    output, project = session.output, session.project_name
    with session.writing(create=False) as engine:
        is_seen = dry_run or not yes or bool(session.settings.unionid)
        seen = engine.erase(project, said, dry_run=True) if is_seen else None
        ids = [Identity(one.key, one.value) for one in seen.identities] if seen else []
        with remembered(session, ids) as followers:
            if seen is not None and (dry_run or not yes):
                _preview(seen, followers, output)
            if dry_run:
                return
            if not yes:
                typer.confirm("Erase this for good?", abort=True)
            is_out = followers.forget() if followers else True  # first: its ids are not kept
            answer = engine.erase(project, said)
    answer = replace(answer, is_scrubbed=answer.is_scrubbed and is_out)
    show_erased(answer, output)


def _check_asked(output: Output) -> None:
    """Raise InputError where there is nobody to ask."""
    if output.json or not sys.stdin.isatty():
        fix = "Look with --dry-run, then add --yes."
        raise InputError("An erasure cannot be taken back, so it is asked for.", fix=fix)


def _preview(seen: ErasureAnswer, followers: Remembered | None, output: Output) -> None:
    show_erased(seen, output)
    if followers is not None and not output.json:
        count = number_text(followers.person.followers)
        output.say(f"In {visible(followers.path)}: {count} followers of this person, too.")


def show_erased(answer: ErasureAnswer, output: Output) -> None:
    """What was erased, or would be."""
    if output.json:
        output.document(answer)
        return
    output.say(f"Erasure {answer.erasure_id} of project {visible(answer.project)}.")
    verb = "would be erased" if answer.dry_run else "erased"
    rows = [(number_text(answer.counts[name]), text) for name, text in WORDS.items()]
    output.table((verb, ""), [row for row in rows if row[0] != "0"], right=(verb,))
    for title, some in (("identities", answer.identities), ("stay with others", answer.shared)):
        if some:
            shown = [(one.key, one.value) for one in some[:LISTED_MAX]]
            output.say()
            output.table((title, ""), shown)
            if len(some) > LISTED_MAX:
                output.say(f"… and {number_text(len(some) - LISTED_MAX)} more.")
    output.say()
    show_difference(answer.changes, output)
    if answer.dry_run:
        output.say("Nothing was changed.")
    elif answer.is_scrubbed:
        output.say("No byte of it is left in the store. Backups and exports are yours to erase.")
    else:
        output.warn(
            "It is erased, but bytes may be left in the file: somebody read it, or there was no "
            "room. The next command that writes, or `idweave serve`, sees to it first."
        )
