"""The export of a project: what two runners compare to know that they agree (laws L1, L2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from idweave.ports import Reader, UserRow

from .reading import Walk, all_names, follow

REFUSALS_READ = 1000


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def export_lines(reader: Reader, project: str) -> Iterator[str]:
    """Every live user by name, then every refusal, merges followed: one JSON object a line."""
    for row in reader.users(project):
        yield _line(_user(reader, project, row))
    yield from sorted(_refusals(reader, project))


def _user(reader: Reader, project: str, row: UserRow) -> dict[str, Any]:
    names = all_names(reader, project, row.name)
    events = sorted(found.entry.event_id for found in Walk(reader, project, row.name, latest=False))
    digest = blake2b("\n".join(events).encode(), digest_size=16).hexdigest()
    return {
        "canonical_id": str(row.name),
        "founder": [row.founder.time_ms, row.founder.event_id],
        "identities": [
            [*state.identity, state.life, state.unbound_ms, state.crowded_ms]
            for state in reader.held(project, row.name)
        ],
        "former": sorted(
            [*stay.identity, stay.life, stay.left_ms] for stay in reader.stays(project, names)
        ),
        "events": len(events),
        "events_digest": digest,
    }


def _refusals(reader: Reader, project: str) -> Iterator[str]:
    """Every refusal, by the user that asked."""
    offset = 0
    while page := reader.refusals(project, None, offset, REFUSALS_READ):
        offset += len(page)
        for row in page:
            home = None if row.home is None else str(follow(reader, project, row.home).name)
            yield _line(
                {
                    "refused": [home, *row.identity, row.reason],
                    "first": row.first.event_id,
                    "last": row.last.event_id,
                    "count": row.count,
                }
            )
