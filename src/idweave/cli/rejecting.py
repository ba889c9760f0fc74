"""``rejections list|retry``: what was kept and not believed."""

from __future__ import annotations

from typing import Annotated

import typer

from .exits import Exit
from .offering import group, offer
from .output import Output, number_text, time_text, visible
from .session import Session

app = group("rejections", "Records that were kept and not believed: list them, try them again.")

RAW_SHOWN = 60
"""Characters of a raw record in a table; JSON has it whole."""

LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
IdsArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="Only these; without: all.")
]


@offer(app, "list")
def list_all(
    session: Session,
    *,
    after: Annotated[int, typer.Option(min=0, help="Go on after this id.")] = 0,
    limit: LimitOption = 20,
) -> None:
    """Rejections, oldest first, with the reason and what would mend it.

    \b
    Example:
      idweave rejections list
      idweave rejections list --project shop --json
    """
    output = session.output
    with session.reading() as engine:
        found = engine.rejections(session.project, after=after, limit=limit)
    if output.json:
        next_after = found[-1].rejection_id if len(found) == limit else None
        output.document({"rejections": found, "next_after": next_after})
        return
    if not found:
        output.say("No rejections." if not after else "No more rejections.")
        return
    rows = [
        (
            one.rejection_id,
            one.project,
            time_text(one.received_at_ms),
            one.code,
            one.field,
            one.reason,
            one.raw[:RAW_SHOWN] + ("…" if len(one.raw) > RAW_SHOWN else ""),
        )
        for one in found
    ]
    columns = ("id", "project", "received", "code", "field", "reason", "raw")
    output.table(columns, rows, right=("id",))
    _say_fixes(sorted({(one.code, one.fix) for one in found}), output)
    if len(found) == limit:
        output.note(f"more: --after {found[-1].rejection_id}")


def _say_fixes(fixes: list[tuple[str, str]], output: Output) -> None:
    output.say()
    for code, fix in fixes:
        output.say(f"{code}: {visible(fix)}")


@offer(app, "retry")
def retry(session: Session, ids: IdsArgument = None) -> Exit:
    """Try rejections again under today's rules; what is accepted leaves the list.

    Those named by id are vouched for: neither their token nor their age is asked for again.
    The exit code is 5 where any is still rejected.

    \b
    Example:
      idweave rejections retry
      idweave rejections retry 17 18
    """
    output = session.output
    with session.writing() as engine:
        done = engine.retry_rejections(session.project, ids or None)
    if output.json:
        output.document(done)
    else:
        accepted, left = number_text(done.accepted), number_text(done.still_rejected)
        known = f", {number_text(done.duplicates)} were known" if done.duplicates else ""
        tried = number_text(done.tried)
        output.say(f"{tried} tried: {accepted} accepted{known}, {left} still rejected.")
    return Exit.REJECTED if done.still_rejected else Exit.DONE
