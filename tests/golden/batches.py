"""What the batch resolver's tables say, in the form of the golden cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from idweave.batch.book import Book
from idweave.batch.merging import event_tables
from idweave.batch.outcome import Outcome, work_out
from idweave.batch.spreading import Spread
from idweave.batch.tables import schema_of, small_tables
from idweave.core.identity import Fact, Identity
from idweave.core.policy import Policy

from .outcomes import Outcomes, UserOutcome, sorted_outcomes

Tables = dict[str, pa.Table]


def worked_out(facts: Iterable[Fact], policy: Policy, workers: int = 1) -> Outcome:
    """What facts come to, by columns."""
    book = Book()
    book.add_facts(facts, policy)
    spread = Spread(workers)
    try:
        return work_out(book.said(), policy, spread)
    finally:
        spread.close()


def tables_of(outcome: Outcome) -> Tables:
    """All tables, as they would be written."""
    events = list(event_tables(outcome))
    found = {
        name: pa.concat_tables([schema_of(name).empty_table(), *parts])
        for name, parts in small_tables(outcome, ())
    }
    return found | {"events": pa.concat_tables(events)} if events else found


def of_tables(tables: Tables) -> Outcomes:
    """What the tables say, by nothing but their rows."""
    rows = {name: table.to_pylist() for name, table in tables.items()}
    users = (_user(user, rows["identities"]) for user in rows["users"])
    assigned = {
        row["event_id"]: row["canonical_id"]
        for row in rows.get("events", ())
        if row["canonical_id"] is not None
    }
    fields = ("canonical_id", "key", "value", "reason", "first_event", "last_event", "count")
    refused = (tuple(row[name] for name in fields) for row in rows["refusals"])
    return sorted_outcomes(users, assigned, refused)


def _user(user: dict[str, Any], stays: Sequence[dict[str, Any]]) -> UserOutcome:
    name = user["canonical_id"]
    own = [row for row in stays if row["canonical_id"] == name]
    held = (Identity(row["key"], row["value"]) for row in own if row["left_at"] is None)
    former = (
        (row["key"], row["value"], row["life"], round(row["left_at"].timestamp() * 1000))
        for row in own
        if row["left_at"] is not None
    )
    assert user["identities"] + user["former"] == len(own)
    return UserOutcome(name, user["founder"], tuple(sorted(held)), tuple(sorted(former)))
