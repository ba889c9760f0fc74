"""``rejections list|retry``: what was kept and not believed."""

from __future__ import annotations

from typing import Annotated

import typer

from .applying import warn_unapplied
from .exits import Exit
from .offering import CursorOption, LimitOption, Listing, group, number_typed, offer
from .output import Output, as_json, number_text, time_text, visible
from .session import Session

app = group(
    "rejections",
    "Records that were kept and not believed: list them (also without a word), try them again.",
    kind=Listing,
)

RAW_SHOWN = 60
"""Characters of a raw record in a table; JSON has it whole."""

IdsArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="Only these; without: all.")
]


@offer(app, "list")
def list_all(
    session: Session,
    *,
    cursor: CursorOption = None,
    limit: LimitOption = 20,
) -> None:
    """Rejections, oldest first, with the reason and what would mend it.

    \b
    Example:
      idweave rejections list
      idweave rejections list --project shop --json
    """
    output, after = session.output, number_typed(cursor, "cursor")
    with session.reading() as engine:
        found = engine.rejections(session.project, after=after, limit=limit + 1)
    found, is_more = found[:limit], len(found) > limit
    more = str(found[-1].rejection_id) if is_more else None
    if output.json:
        rows = [as_json(one) | {"rejection_id": str(one.rejection_id)} for one in found]
        output.document({"rejections": rows, "next_cursor": more})
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
    output.table(columns, rows, right=("id",), folds=columns[3:])
    _say_fixes(sorted({(one.code, one.fix) for one in found}), output)
    if more:
        output.note(f"more: --cursor {more}")


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
    with session.writing(create=False) as engine:
        warn_unapplied(engine, session)
        done = engine.retry_rejections(session.project, ids or None)
    if output.json:
        output.document(done)
    else:
        accepted, left = number_text(done.accepted), number_text(done.still_rejected)
        known = f", {number_text(done.duplicates)} were known" if done.duplicates else ""
        tried = number_text(done.tried)
        output.say(f"{tried} tried: {accepted} accepted{known}, {left} still rejected.")
    return Exit.REJECTED if done.still_rejected else Exit.DONE
