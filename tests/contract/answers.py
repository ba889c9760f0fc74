"""Everything that a store answers, as one value: two stores agree when these are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from idweave.ports import HighMarks, Reader, SetKey, Store

FAR_MS = 1 << 62
MANY = 10_000


def answers(store: Store, projects: Iterable[str]) -> dict[str, Any]:
    """What the store says to every question there is something to ask about. What comes in no
    particular order is sorted; all other lists are as they came."""
    marks = store.high_marks()
    found: dict[str, Any] = {"marks": marks}
    with store.reader() as reader:
        found |= _log(reader, marks)
        found |= _identities(reader, marks)
        found["projects"] = reader.projects()
        found["counters"] = reader.counters(None)
        found["rejections"] = reader.rejections(None, 0, MANY)
        for project in projects:
            found |= {
                f"{project}: {name}": it for name, it in _project(reader, project, marks).items()
            }
            names = _names(reader, project, marks)
            found[f"{project}: names"] = [_name(reader, project, name) for name in names]
            found[f"{project}: stays"] = reader.stays(project, names)
            found[f"{project}: refusals of all"] = reader.refusals(project, names, 0, MANY)
            found[f"{project}: founders"] = store.find_users(project, names)
            found[f"{project}: known"] = _known(store, reader, project, marks)
    found["owners"] = store.find_owners(_to(marks.identity))
    found["groups"] = [_group(store, number) for number in _to(marks.group)]
    return found


def _to(mark: int) -> list[int]:
    return list(range(1, mark + 2))


def _log(reader: Reader, marks: HighMarks) -> dict[str, Any]:
    sets = _to(marks.set)
    return {
        "log": list(reader.log()),
        "payloads": [reader.payload(number) for number in _to(marks.payload)],
        "runs": reader.runs(sets),
        "runs by set": [reader.runs([number]) for number in sets],
        "sightings": list(reader.sightings(sets, FAR_MS)),
        "sightings by set": [list(reader.sightings([number], FAR_MS)) for number in sets],
        "members": [reader.set_members(number) for number in sets],
    }


def _identities(reader: Reader, marks: HighMarks) -> dict[str, Any]:
    numbers = _to(marks.identity)
    return {
        "sets of all": reader.sets_of(numbers),
        "sets of": [reader.sets_of([number]) for number in numbers],
        "seen": [reader.seen_range(number) for number in numbers],
        "told": [sorted(reader.told(number), key=repr) for number in _to(marks.group)],
        "last stays": [reader.last_stay(number) for number in numbers],
    }


def _project(reader: Reader, project: str, marks: HighMarks) -> dict[str, Any]:
    return {
        "anchored": [reader.run_sets(project, [], [number]) for number in _to(marks.identity)],
        "users": list(reader.users(project)),
        "feed": reader.feed(project, 0, MANY),
        "feed 2": reader.feed(project, 1, 2),
        "feed's end": reader.feed_end(project),
        "old names": list(reader.old_names(project)),
        "groups": reader.groups(project),
        "unlinked": reader.unlinked(project),
        "operators": reader.operators(project),
        "policies": reader.policies(project),
        "largest": reader.largest(project, MANY),
        "largest 2": reader.largest(project, 2),
        "tallies": reader.tallies(project),
        "counters": reader.counters(project),
        "rejections": reader.rejections(project, 0, MANY),
        "rejections 2": reader.rejections(project, 1, 2),
        "refusals": reader.refusals(project, None, 0, MANY),
        "refusals 2": reader.refusals(project, None, 1, 2),
    }


def _names(reader: Reader, project: str, marks: HighMarks) -> list[int]:
    """The names that anything leads to."""
    found = {run.name for run in reader.runs(_to(marks.set))}
    found |= {row.home for row in reader.refusals(project, None, 0, MANY)}
    found |= {row.name for row in reader.users(project)}
    found |= {reader.last_stay(number) for number in _to(marks.identity)}
    front = names = {name for name in found if name is not None}
    while front:
        front = {into for name in front for into in reader.names_into(project, name)} - names
        names = names | front
    return sorted(names)


def _name(reader: Reader, project: str, name: int) -> tuple[Any, ...]:
    return (
        reader.user(project, name),
        reader.names_into(project, name),
        reader.held(project, name),
        reader.stays(project, [name]),
        reader.refusals(project, [name], 0, MANY),
        reader.run_sets(project, [name], []),
    )


def _known(store: Store, reader: Reader, project: str, marks: HighMarks) -> tuple[Any, ...]:
    """What the store says of the sets, identities and events that it was told of."""
    identities = sorted({state.identity for state in _states(reader, marks)})
    keys = sorted(
        {key for number in _to(marks.group) for _, key, _ in store.facts(number)}, key=repr
    )
    events = sorted({entry.event_id for seen in reader.log() for entry in seen.entries})
    spans = [(0, FAR_MS), (1000, 1500), (1500, 1500)]
    return (
        [reader.identity(project, identity) for identity in identities],
        [reader.group_of(project, identity) for identity in identities],
        store.find_identities(project, identities),
        store.find_sets(project, [SetKey(()), *keys]),
        store.seen_untimed(project, events),
        [reader.find_event(project, event_id) for event_id in events],
        [store.seen(project, number, *span) for number in _to(marks.set) for span in spans],
    )


def _states(reader: Reader, marks: HighMarks) -> Iterator[Any]:
    for number in _to(marks.set):
        yield from reader.set_members(number)


def _group(store: Store, number: int) -> tuple[Any, ...]:
    members = sorted(store.members(number), key=lambda row: row.identity_id)
    return store.find_groups([number]), members, sorted(store.facts(number), key=repr)
