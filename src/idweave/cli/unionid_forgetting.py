"""``unionid forget``: people out of the state file; ``erase`` reaches it by the same functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from idweave.core.errors import NotFound
from idweave.core.identity import Identity
from idweave.unionid.forgetting import forget, ids_of, person_of
from idweave.unionid.state import Database, Person

from .exits import Exit
from .offering import offer
from .operating import identities_given
from .output import Output, number_text
from .session import Session
from .unionid import app
from .unionid_wiring import settings_of

__all__ = ["Remembered", "app", "remembered"]


class Remembered(NamedTuple):
    """A person in an open state file."""

    person: Person
    database: Database
    path: str

    def forget(self) -> bool:
        """Take the person out, for good; False where bytes may be left until the next start."""
        return forget(self.person, self.database)


@contextmanager
def remembered(session: Session, identities: Iterable[Identity]) -> Iterator[Remembered | None]:
    """Whom the state file knows by these identities; None where nothing of it is configured, or
    where it has none of their keys."""
    if not session.settings.unionid:
        yield None
        return
    settings, some = settings_of(session), list(identities)
    if not ids_of(some, settings) or not Path(settings.state).exists():
        yield None
        return
    database = Database(settings.state)
    try:
        yield Remembered(person_of(some, settings, database), database, settings.state)
    finally:
        database.close()


@offer(app, "forget")
def forget_them(
    session: Session,
    identity: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="An OpenID or UnionID.")
    ],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this it is only shown.")
    ] = False,
) -> Exit:
    """Take a person out of the followers, for good: no sync and no login brings it back.

    With all OpenIDs and UnionIDs that are tied to the one named. `idweave erase` does it too,
    for whom it erases; beside a running server it is this command, after the erasure.

    \b
    Example:
      idweave unionid forget mp_unionid=oUpF8uMuAJO_M2pxb1Q9zNjWeS6o
      idweave unionid forget mp_unionid=oUpF8uMuAJO_M2pxb1Q9zNjWeS6o --yes
    """
    with remembered(session, identities_given(session, identity)) as found:
        if found is None:
            fix = "Name an OpenID or UnionID by the key that [unionid] gives it."
            raise NotFound("No app of [unionid] has ids of these keys.", fix=fix)
        is_scrubbed = found.forget() if yes else False
    show_forgotten(found.person, session.output, (yes, is_scrubbed))
    return Exit.DONE


def show_forgotten(person: Person, output: Output, done: tuple[bool, bool]) -> None:
    """Whom the room forgot, or would; ``done``: whether it did, and to the last byte."""
    is_done, is_scrubbed = done
    counts = {
        "openids": len(person.openids),
        "union_ids": len(person.union_ids),
        "followers": person.followers,
    }
    if output.json:
        output.document({"forgotten": is_done, "is_scrubbed": is_scrubbed, **counts})
        return
    said = ", ".join(f"{number_text(n)} {name.replace('_', ' ')}" for name, n in counts.items())
    output.say(f"{said} {'forgotten' if is_done else 'would be forgotten; add --yes'}.")
    if is_done and not is_scrubbed:
        output.warn("Bytes may be left in the file until `idweave unionid` is started next.")
