"""Who is one, and whose events are: the checks that most systems' cases need.

A check raises AssertionError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from idweave.core.identity import Identity
from idweave.core.policy_file import policy_from
from idweave.engine.past import NOW, Instant

from .story import P, Story, Step
from .telling import ANONYMOUS, COOKIE, LOGIN, SYSTEMS, identity, key_of, play

Cluster = frozenset[Identity]


# -- at an instant ----------------------------------------------------------------------------------


def instant(story: Story, when: str) -> Instant:
    """``after_t2``, ``after_step3``, or ``after_unmap``: the last step of that operation."""
    _, _, word = when.partition("after_")
    place = re.fullmatch(r"(t|step)(\d+)", word)
    if place is None:
        found = [step for step in story.steps if step.op == word]
    elif place[1] == "step":
        found = [story.step(int(place[2]))]
    else:
        found = [step for step in story.steps if step.raw.get("t") == int(place[2])]
    assert found, f"{when} is after no step"
    return story.at(found[-1])


# -- clusters --------------------------------------------------------------------------------------


def clusters(story: Story) -> set[Cluster]:
    """Who is one: what each user holds, and what nobody holds, where an event carried it together.

    The last is what other systems leave as a graph of its own; here it is former to a user."""
    found = set(story.held())
    lone = set(story.seen) - {one for some in found for one in some}
    while lone:
        reached, more = set[Identity](), {min(lone)}
        while more:
            reached |= more
            more = (_carried_with(story, more) & lone) - reached
        found.add(frozenset(reached))
        lone -= reached
    return found


def _carried_with(story: Story, some: set[Identity]) -> set[Identity]:
    carried = (set(fact.identities) for step in story.steps for fact in step.facts)
    return {one for identities in carried if identities & some for one in identities}


def wanted(story: Story, rows: Sequence[Any]) -> set[Cluster]:
    """Clusters as a case writes them: pairs of key and value, or values alone."""
    return {
        frozenset(
            identity(story, one) if isinstance(one, str) else Identity(key_of(one[0]), one[1])
            for one in row
        )
        for row in rows
    }


def check_clusters(story: Story, want: Sequence[Any]) -> None:
    """Exactly these; identities that are alone are not listed by every system."""
    found, right = clusters(story), wanted(story, want)
    if not SYSTEMS[story.case["system"]].lists_lone:
        found = {some for some in found if len(some) > 1 or some in right}
    assert found == right


def check_clusters_count(story: Story, want: int) -> None:
    assert len(clusters(story)) == want


def check_removed_links(story: Story, want: Sequence[Any]) -> None:
    """Exactly these pairs were carried together and are not one now."""
    together = {
        frozenset(pair)
        for step in story.steps
        for fact in step.facts
        for pair in combinations(fact.identities, 2)
    }
    apart = {pair for pair in together if not any(pair <= some for some in clusters(story))}
    assert apart == wanted(story, want)


def check_links(story: Story, want: int) -> None:
    """How many identities joined another."""
    assert sum(len(some) - 1 for some in story.held()) == want


# -- whose events are ------------------------------------------------------------------------------


def one_to_one(pairs: Iterable[tuple[object, object]]) -> None:
    """Labels and names mean each other."""
    given = set(pairs)
    assert len(given) == len({label for label, _ in given}), given
    assert len(given) == len({name for _, name in given}), given


def at_ingest(story: Story, event: str) -> str | None:
    """Whose an event was when it came."""
    step = next(step for step in story.steps if step.event_id == event)
    return story.owner(event, story.at(step))


def check_assigned(story: Story, want: Any) -> None:
    """By event: as seen. As a list, step by step: when each came; ``anon(…)`` is nobody's."""
    if isinstance(want, Mapping):
        one_to_one((label, story.owner(event)) for event, label in want.items())
        return
    found = [story.step(number).event_id for number in range(1, len(want) + 1)]
    names = {event: at_ingest(story, event) for event in found}
    for event, label in zip(found, want, strict=True):
        assert (names[event] is None) == label.startswith("anon("), (event, label, names[event])
    one_to_one((label, names[event]) for event, label in zip(found, want, strict=True))


def check_assigned_at_ingest(story: Story, want: Mapping[str, Any]) -> None:
    one_to_one((label, at_ingest(story, event)) for event, label in want.items())


def check_merged_persons(story: Story, want: Sequence[Sequence[Any]]) -> None:
    """Persons of these labels are one now."""
    labels = story.case["expect"]["assigned_at_ingest"]
    name = {label: at_ingest(story, event) for event, label in labels.items()}
    for group in want:
        leads_to = {story.engine.user(P, name[label] or "").canonical_id for label in group}
        assert len(leads_to) == 1


def check_unique_users(story: Story, want: int) -> None:
    assert len(list(story.users())) == want


def check_distinct(story: Story, want: Sequence[str]) -> None:
    """How many the labels of ``assigned`` are, nobody counting as one."""
    assert len({at_ingest(story, step.event_id) for step in story.steps}) == len(want)


def label_of(story: Story, name: str | None, at: Instant = NOW) -> str:
    """A user by the one account that it holds; without one ``$device:`` and its device."""
    assert name is not None, "the event is nobody's"
    held = story.holding(name, at)
    accounts = [one.value for one in held if one.key == LOGIN]
    devices = [f"$device:{one.value}" for one in held if one.key == ANONYMOUS]
    (label,) = accounts or devices
    return label


def is_called(story: Story, name: str | None, label: str, at: Instant = NOW) -> bool:
    """Whether a user is who a label says: ``U1``, ``$device:D1``, ``CRMID:Kevin``, or
    ``cluster(U1,D1)``, which is all that it holds."""
    if cluster := re.fullmatch(r"cluster\((.*)\)", label):
        assert name is not None
        values = {one.strip() for one in cluster[1].split(",")}
        return {one.value for one in story.holding(name, at)} == values
    word, colon, value = label.partition(":")
    if colon and word[0] != "$":
        return name is not None and Identity(key_of(word), value) in story.holding(name, at)
    return label_of(story, name, at) == label


def check_owners(story: Story, want: Mapping[str, str]) -> None:
    """Whose these events are now."""
    for event, label in want.items():
        assert is_called(story, story.owner(event), label), (event, label)


def check_owner_before(story: Story, want: Mapping[str, str]) -> None:
    """Whose these events were when the last of them had come."""
    told = [step for step in story.steps if step.event_id in want]
    for event, label in want.items():
        at = story.at(told[-1])
        assert is_called(story, story.owner(event, at), label, at), (event, label)


def check_owner_as_of(story: Story, want: Mapping[str, Mapping[str, str]]) -> None:
    """Who held the events' deciding identity then: history moves with it."""
    for when, owners in want.items():
        at = instant(story, when)
        for event, label in owners.items():
            assert is_called(story, story.latest(event, at), label, at), (when, event, label)


def check_primary(story: Story, want: Mapping[str, str]) -> None:
    """The key that decides whose an event is."""
    for time, word in want.items():
        step = next(step for step in story.steps if str(step.raw["t"]) == time)
        assert story.event(step.event_id).key == key_of(word)


# -- Adobe's stitching -----------------------------------------------------------------------------


def person_of(story: Story, step: Step, name: str | None, at: Instant = NOW) -> str:
    """A row's stitched id: its user's person, else the row's own cookie."""
    held = story.holding(name, at) if name else frozenset[Identity]()
    people = [one.value for one in held if one.key == LOGIN]
    assert len(people) <= 1
    return people[0] if people else str(step.raw["cookie"])


def stitched(story: Story, *, live: bool = False) -> dict[str, str]:
    """The stitched id of each row: when it came, or with all that is known by now. Last-auth asks
    who holds the row's cookie now, device-split whose the row was."""
    is_last = story.case["config"].get("attribution") == "last_auth"
    found = {}
    for step in story.steps:
        at = story.at(step) if live else NOW
        cookie = Identity(COOKIE, str(step.raw["cookie"]))
        name = story.name_of(cookie, at) if is_last else story.owner(step.event_id, at)
        found[step.event_id] = person_of(story, step, name, at)
    return found


def check_stitched(story: Story, want: Mapping[str, str]) -> None:
    assert stitched(story) == want


def check_stitched_live(story: Story, want: Mapping[str, str]) -> None:
    assert stitched(story, live=True) == want


def check_people(story: Story, want: int) -> None:
    assert len(set(stitched(story).values())) == want


def check_people_if_blocked(story: Story, want: int) -> None:
    """The same under rules that block what names nobody."""
    person = {"key": LOGIN, "rank": 0, "blocked_junk": True}
    check_people(play(story.case, policy_from({"extends": "adobe-cja", "keys": [person]})), want)


def check_people_live(story: Story, want: int) -> None:
    assert len(set(stitched(story, live=True).values())) == want


