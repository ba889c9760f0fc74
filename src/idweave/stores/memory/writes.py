"""One commit: every list of a :class:`Changes` as changes of tables, in a safe order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from idweave.core.identity import Order
from idweave.ports import Changes, FeedRow, IdentityState, Sighting, UserRow
from idweave.ports.rows import NOBODYS

from .tables import Known, KnownSet, Span, Tables


def _dropped_groups(tables: Tables, changes: Changes) -> None:
    for group_id in changes.dropped_groups:
        ids = [number for number, _ in tables.identities.find("group", [group_id])]
        for set_id, _ in tables.sets.find("link", ids):
            for number, _ in tables.sightings.find("set", [set_id]):
                tables.sightings.drop(number)
            _drop_runs(tables, set_id, None)
            tables.sets.drop(set_id)
        for stay, _ in tables.stays.find("identity", ids):
            tables.stays.drop(stay)
        for refusal, _ in tables.refusals.find("identity", ids):
            tables.refusals.drop(refusal)
        for number in ids:
            tables.identities.drop(number)
        tables.groups.drop(group_id)


def _dropped_sightings(tables: Tables, changes: Changes) -> None:
    for gone in changes.dropped_sightings:
        for number, span in tables.sightings.find("set", [gone.set_id]):
            if span.sighting == gone:
                tables.sightings.drop(number)


def _new_identities(tables: Tables, changes: Changes) -> None:
    for project, row, owner in changes.new_identities:
        state = IdentityState(row.identity_id, row.identity, owner)
        tables.identities.insert(row.identity_id, Known(project, row.group_id, state))


def _payloads(tables: Tables, changes: Changes) -> None:
    for row in changes.payloads:
        tables.payloads.insert(row.payload_id, row)


def _forgotten_payloads(tables: Tables, changes: Changes) -> None:
    for payload_id, body in changes.edited_payloads:
        tables.payloads.put(payload_id, replace(tables.payloads.rows[payload_id], body=body))
    for payload_id in changes.dropped_payloads:
        tables.payloads.drop(payload_id)


def _joined_groups(tables: Tables, changes: Changes) -> None:
    for group_id, into in changes.joined_groups:
        for number, known in tables.identities.find("group", [group_id]):
            tables.identities.put(number, known._replace(group_id=into))
        tables.groups.drop(group_id)


def _groups(tables: Tables, changes: Changes) -> None:
    for _, row in changes.groups:
        tables.groups.put(row.group_id, row)


def _new_sets(tables: Tables, changes: Changes) -> None:
    for project, set_id, key, ids in changes.new_sets:
        tables.sets.insert(set_id, KnownSet(project, key, ids, ids[0] if ids else None))
    for set_id, link, loose_after_ms in changes.loose_sets:
        known = tables.sets.get(set_id)
        if known is not None:
            loose = known._replace(link=link, loose_after_ms=loose_after_ms)
            tables.sets.put(set_id, loose)


def _span(sighting: Sighting) -> Span:
    times = [entry.time_ms for entry in sighting.entries]
    return Span(sighting, min(times), max(times))


def _sightings(tables: Tables, changes: Changes) -> None:
    number = tables.marks.get("sighting") or 0
    for sighting in changes.sightings:
        number += 1
        tables.sightings.insert(number, _span(sighting))
    tables.marks.put("sighting", number)


def _untimed(tables: Tables, changes: Changes) -> None:
    for gone in changes.dropped_untimed:
        tables.untimed.drop(gone)
    for project, event_id in changes.untimed:
        tables.untimed.insert((project, event_id), True)


def _users(tables: Tables, changes: Changes) -> None:
    for project, row in changes.users:
        tables.users.put((project, row.name), row)
    for key in changes.gone:
        given = tables.users.get(key)
        if given is not None:
            tables.users.put(key, replace(given, gone=True, merged_into=None))


def _owners(tables: Tables, changes: Changes) -> None:
    for group_id, name in changes.group_owners:
        for number, known in tables.identities.find("group", [group_id]):
            state = replace(known.state, owner=name)
            tables.identities.put(number, known._replace(state=state))


def _states(tables: Tables, changes: Changes) -> None:
    for state in changes.identities:
        known = tables.identities.get(state.identity_id)
        if known is not None:
            tables.identities.put(state.identity_id, known._replace(state=state))


def _stays(tables: Tables, changes: Changes) -> None:
    for ended in changes.ended_stays:
        tables.stays.drop(ended)
    for project, row in changes.stays:
        tables.stays.put((project, row.name, row.identity_id, row.life), row)


def _refusals(tables: Tables, changes: Changes) -> None:
    for ended in changes.ended_refusals:
        tables.refusals.drop(ended)
    for project, row in changes.refusals:
        tables.refusals.put((project, row.home, row.identity_id, row.reason), row)


def _drop_runs(tables: Tables, set_id: int, start: Order | None) -> None:
    for key, run in tables.runs.find("set", [set_id]):
        if start is None or run.start >= start:
            tables.runs.drop(key)


def _runs(tables: Tables, changes: Changes) -> None:
    for set_id, start in changes.dropped_runs:
        _drop_runs(tables, set_id, start)
    for run in changes.runs:
        tables.runs.insert((run.set_id, run.start), run)


def _rejections(tables: Tables, changes: Changes) -> None:
    for row in changes.rejections:
        tables.rejections.insert(row.rejection_id, row)
        largest = max(row.rejection_id, tables.marks.get("rejection") or 0)
        tables.marks.put("rejection", largest)
    for rejection_id in changes.settled_rejections:
        tables.rejections.drop(rejection_id)


def _operators(tables: Tables, changes: Changes) -> None:
    for number in changes.dropped_operators:
        tables.operators.drop(number)
    for row in changes.operators:
        tables.operators.put(row.operator_id, row)


def _policies(tables: Tables, changes: Changes) -> None:
    for row in changes.policies:
        tables.policies.insert(row.number, row)


def _counters(tables: Tables, changes: Changes) -> None:
    for key, added in changes.counters.items():
        tables.counters.put(key, (tables.counters.get(key) or 0) + added)


def _erased(tables: Tables, changes: Changes) -> None:
    if changes.erased is None:
        return
    for row in changes.erased.suppressed:
        tables.suppressed.put((row.project, row.digest), row)
    if changes.erased.key and tables.keys.get("suppression") is None:
        tables.keys.put("suppression", changes.erased.key)
    for project, name in changes.erased.names:
        tables.users.put((project, name), UserRow(name, NOBODYS, 0, gone=True))


def _forgotten(tables: Tables, changes: Changes) -> None:
    for project, identities in changes.forgotten:
        for key, row in list(tables.feed.rows.items()):
            if key[0] == project and row.change.identity in identities:
                blank = row.change._replace(identity=None, event="")
                tables.feed.put(key, row._replace(change=blank))


def _feed(tables: Tables, changes: Changes) -> None:
    for project, recorded_at_ms, told in changes.feed:
        mark = f"feed {project}"
        first = (tables.marks.get(mark) or 0) + 1
        for seq, change in enumerate(told, first):
            tables.feed.insert((project, seq), FeedRow(seq, recorded_at_ms, change))
        tables.marks.put(mark, first + len(told) - 1)


WRITES: tuple[Callable[[Tables, Changes], None], ...] = (
    _dropped_groups,
    _dropped_sightings,
    _new_identities,
    _payloads,
    _forgotten_payloads,
    _joined_groups,
    _groups,
    _new_sets,
    _sightings,
    _untimed,
    _users,
    _owners,
    _states,
    _stays,
    _refusals,
    _runs,
    _rejections,
    _operators,
    _erased,
    _policies,
    _counters,
    _forgotten,
    _feed,
)
"""What one commit writes, in this order: groups unite before owners are set by group, owners are
set before single identities differ, what is not so any more goes before what is."""


def write(tables: Tables, parts: Iterable[Changes]) -> None:
    """All of the changes, or an exception and none of them."""
    try:
        for changes in parts:
            for part in WRITES:
                part(tables, changes)
    except BaseException:
        for table in tables.all().values():
            table.undo()
        raise
    for table in tables.all().values():
        table.keep()
