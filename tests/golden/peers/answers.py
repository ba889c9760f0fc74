"""What a case expects, field by field, and how the engine's answers are held against it.

A check raises AssertionError. A field without a row here fails, so that nothing passes unseen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from idweave.core.event_id import event_id
from idweave.core.graph import Reason
from idweave.core.identity import Identity
from idweave.core.policy_file import policy_from
from idweave.core.record import Project, Record, parse_record
from idweave.core.resolve import first_name
from idweave.engine.past import NOW, Instant

from .whose import (at_ingest, check_assigned, check_assigned_at_ingest, check_clusters, check_clusters_count, check_distinct, check_links, check_merged_persons, check_owner_as_of, check_owner_before, check_owners, check_people, check_people_if_blocked, check_people_live, check_primary, check_removed_links, check_stitched, check_stitched_live, check_unique_users, clusters, instant, one_to_one, wanted)
from .story import P, Case, Step, Story, date_of
from .telling import ANONYMOUS, COOKIE, LOGIN, SYSTEMS, identity, key_of, paired, play

Check = Callable[[Story, Any], None]


# -- at an instant ---------------------------------------------------------------------------------


def check_after(story: Story, when: str, want: Any) -> None:
    """What somebody held then: as pairs, by profile, or by global user."""
    at = instant(story, when)
    if isinstance(want, Mapping):
        for label, held in want.items():
            if label in story.case["expect"].get("profile_by_step", ()):
                found = story.holding(profiles(story)[label], at)
                assert found == set(_identities(held))
            else:
                name = story.name_of(identity(story, label), at)
                assert name is not None
                users = {one.value for one in story.holding(name, at) if one.key == LOGIN}
                assert users == set(held)
        return
    first, *_ = _identities(want)
    name = story.name_of(first, at)
    assert name is not None, f"nobody holds {first} {when}"
    assert story.holding(name, at) == set(_identities(want))


def _identities(pairs: Sequence[Sequence[str]]) -> list[Identity]:
    return [Identity(*pair) for pair in paired(pairs)]


# -- mParticle -------------------------------------------------------------------------------------


def profiles(story: Story) -> dict[str, str]:
    """The profiles of a case: the name of the user that each label was first given to."""
    if "profile_by_step" in story.case["expect"]:
        labels = story.case["expect"]["profile_by_step"]
        names = {n: at_ingest(story, story.step(n).event_id) for n in range(1, len(labels) + 1)}
        return {label: names[n] or "" for n, label in reversed(list(enumerate(labels, 1)))}
    (step,) = (step for step in story.steps if step.op == "profiles")
    labels = [name for name in step.raw if name not in ("op", "t", "id")]
    held = (_identities(step.raw[label]) for label in labels)
    return {label: story.name_of(some[0]) or "" for label, some in zip(labels, held, strict=True)}


def check_profile_by_step(story: Story, want: Sequence[str]) -> None:
    names = (at_ingest(story, story.step(n).event_id) for n in range(1, len(want) + 1))
    one_to_one(zip(want, names, strict=True))


def check_final(story: Story, want: Mapping[str, Any]) -> None:
    """What each profile holds in the end; one that holds nothing is still there."""
    for label, held in want.items():
        name = profiles(story)[label]
        user = story.engine.user(P, name)
        assert user.canonical_id == name, f"{label} was merged into another"
        assert {one.identity for one in user.identities} == set(_identities(held))


def check_link(story: Story, want: Mapping[str, str]) -> None:
    """A profile that holds now what its anonymous source held before."""
    for label, source in want.items():
        assert (origin := re.fullmatch(r"source (\w+)", source))
        former = story.engine.user(P, profiles(story)[origin[1]]).former
        now = story.holding(profiles(story)[label])
        assert {one.identity for one in former} & now


def check_returned(story: Story, want: Any) -> None:
    """Whom each look-up found, by profile; or a call that also states something."""
    asking = [step for step in story.steps if step.op not in ("profiles",)]
    rows = want if isinstance(want, list) else [want]
    assert len(asking) == len(rows)
    known = profiles(story)
    for step, label in zip(asking, rows, strict=True):
        names = (story.name_of(one) for one in story.policy.effective(step.asked))
        name = next(names, None) if step.asked else at_ingest(story, step.event_id)
        if label is None or label in known:
            assert name == (None if label is None else known[label])
        else:
            assert name is not None
            assert name not in known.values(), f"not {label}"


def check_not_returned(story: Story, want: str) -> None:
    """The call did not open this profile."""
    assert at_ingest(story, story.steps[-1].event_id) != profiles(story)[want]


def check_profiles_created(story: Story, want: int) -> None:
    """Look-ups create nobody."""
    stated = sum(len(step.facts) for step in story.steps if step.op == "profiles")
    found = sum(bool(story.policy.links(one)) for one in story.seen)
    assert len(list(story.users())) <= stated
    assert len(list(story.users())) - len(story.held()) == want == 0, found


# -- refusals --------------------------------------------------------------------------------------

WHY = {"cannot_merge_already_identified": {Reason.TAKEN.value, Reason.FULL.value}}


def check_refused(story: Story, want: Sequence[int]) -> None:
    """Exactly these steps were refused something."""
    found = [step.number for step in story.steps if story.refused(step.event_id)]
    assert found == list(want)


def check_merge_refused(story: Story, want: bool) -> None:
    merges = [step for step in story.steps if step.op == "merge_users"]
    assert all(bool(story.refused(step.event_id)) == want for step in merges)


def check_warning(story: Story, want: str) -> None:
    """The last step was refused, for this reason."""
    assert {why for _, why in story.refused(story.steps[-1].event_id)} <= WHY[want]
    assert story.refused(story.steps[-1].event_id)


def check_errors(story: Story, want: Sequence[Mapping[str, Any]]) -> None:
    """These events were not believed: no rule declares what they carry."""
    found = [step.raw["t"] for step in story.steps if step.rejected is not None]
    assert found == [one["t"] for one in want]
    assert {one["type"] for one in want} == {"No matching identifiers on event"}


# -- PostHog ---------------------------------------------------------------------------------------


PERSON = {"ids", "is_identified", "created", "survivor", "properties"}
"""What is said of a person; properties are a limit of their own."""


def check_persons(story: Story, want: Sequence[Case]) -> None:
    """Exactly these persons; others are alone, as any id is that was ever seen."""
    assert {name for person in want for name in person} <= PERSON
    found = {frozenset(one.value for one in some): some for some in story.held()}
    right = {frozenset(person["ids"]) for person in want}
    assert {some for some in found if len(some) > 1 or some in right} == right
    for person in want:
        held = found[frozenset(person["ids"])]
        name = story.name_of(min(held))
        assert name is not None
        if "is_identified" in person:
            assert any(one.key == LOGIN for one in held) == person["is_identified"]
        if "created" in person:
            assert date_of(story.engine.user(P, name).founded_at_ms) == person["created"]
        if "survivor" in person:
            assert name == at_ingest(story, _person(story, person["survivor"]))


def _person(story: Story, name: str) -> str:
    """The event that made a person who existed before the case."""
    people = story.case["config"]["preexisting_persons"]
    return f"person.{next(n for n, one in enumerate(people) if one.get('name') == name)}"


def check_names_differ(story: Story, want: bool) -> None:
    """The same record in two projects founds users of two names."""
    assert (len(_names_by_project(story)) == 2) == want


def check_deterministic(story: Story, want: bool) -> None:
    """The same again gives the same names, to the byte."""
    again = play(story.case)
    exports = [list(one.engine.export(P)) for one in (story, again)]
    assert (exports[0] == exports[1]) == want
    assert (_names_by_project(story) == _names_by_project(again)) == want


def _names_by_project(story: Story) -> set[int]:
    """The names that the case's captured records give, each in its project."""
    names = set()
    for step in story.steps:
        if "project" not in step.raw:
            continue
        project = Project(f"p{step.raw['project']}", story.policy)
        identities = {one.key: one.value for one in step.facts[-1].identities}
        raw = {"type": "track", "event": "captured", "time": story.steps[0].time_ms}
        raw |= {"distinct_id": step.raw["distinct_id"], "identities": identities}
        record = parse_record(raw, project, step.time_ms)
        assert isinstance(record, Record)
        assert record.event_id == event_id(raw, project.name)
        names.add(first_name(record.event_id))
    return names


# -- Segment ---------------------------------------------------------------------------------------


def check_stable(story: Story, want: bool) -> None:
    """The first event's user kept its name."""
    first = story.steps[0].event_id
    assert (at_ingest(story, first) == story.owner(first)) == want


def check_priority(story: Story, when: str, want: Sequence[str]) -> None:
    """The order in which registered identifiers count, by the policy's own ranking."""
    at = int(re.sub(r"\D", "", when))
    registered = [
        key for step in story.steps if step.raw["t"] <= at for key in step.raw.get("keys", ())
    ]
    ranked = story.policy.effective(tuple(Identity(key_of(key), "x") for key in registered))
    words = {key_of(key): key for key in registered}
    assert [words[one.key] for one in ranked] == list(want)


# -- Snowplow and Unomi ----------------------------------------------------------------------------


def check_merge_events(story: Story, want: Sequence[Mapping[str, Any]]) -> None:
    """Which merges there were, by which step, and whose name survived."""
    labels = story.case["expect"]["assigned"]
    name = {
        label: at_ingest(story, story.step(n).event_id) for n, label in enumerate(labels, 1)
    }
    found = [
        (decision.by.event_id, move.canonical_id, move.other_id)
        for user in story.users()
        for decision in story.engine.decisions(P, user.canonical_id).decisions
        for move in decision.moves
        if move.what == "merged"
    ]
    right = [
        (story.step(row["trigger_step"]).event_id, name[row["survivor"]], name[merged])
        for row in want
        for merged in row["merged"]
    ]
    assert sorted(found) == sorted(right, key=str)


def _profile(story: Story, profile: str) -> str:
    """The user of a profile id."""
    name = story.name_of(Identity("profile_id", profile))
    assert name is not None
    return name


def _first_name(story: Story, profile: str) -> str:
    """The user that a profile was made as."""
    made = [step for step in story.steps if step.raw.get("id") == profile]
    return at_ingest(story, made[0].event_id) or ""


def check_survivor(story: Story, want: str) -> None:
    """The user that the profile was made as has what all held."""
    (user,) = story.users()
    assert user.canonical_id == _first_name(story, want)


def check_deleted(story: Story, want: Sequence[str]) -> None:
    """These profiles are no users of their own any more."""
    live = {user.canonical_id for user in story.users()}
    assert not live & {_first_name(story, one) for one in want}


def check_alias(story: Story, want: Mapping[str, str]) -> None:
    """Old names lead to who has them now."""
    for old, new in want.items():
        assert story.engine.user(P, _first_name(story, old)).canonical_id == _profile(story, new)


def check_lookup(story: Story, want: Mapping[str, str]) -> None:
    """An old profile id finds the other profile."""
    for old, new in want.items():
        assert _profile(story, old) == _first_name(story, new)


def check_session(story: Story, want: str) -> None:
    """Whose the session's last event is: a profile that was there before, or a new one."""
    name = story.owner(story.steps[-1].event_id)
    made = {step.raw["id"]: _first_name(story, step.raw["id"]) for step in story.steps[:-1]}
    if want == "new profile":
        assert name not in made.values()
    else:
        assert name == made[want]


def check_merge_identifier(story: Story, want: str) -> None:
    """The session's user is the one of this address."""
    name = story.owner(story.steps[-1].event_id)
    assert name is not None
    assert want in {one.value for one in story.holding(name)}


def check_unchanged(story: Story, want: bool) -> None:
    """The first profile holds what it held before the last step."""
    name, before = _first_name(story, story.steps[0].raw["id"]), story.at(story.steps[-2])
    assert (story.holding(name) == story.holding(name, before)) == want


def check_one_name(story: Story, want: str) -> None:
    """All ids of the cluster lead to one user; which name it has is nobody's business."""
    for some in wanted(story, story.case["expect"]["clusters"]):
        assert len({story.name_of(one) for one in some}) == 1


FIELDS: dict[str, Check] = {
    "alias": check_alias,
    "anon_id_deterministic": check_deterministic,
    "assigned": check_assigned,
    "assigned_at_ingest": check_assigned_at_ingest,
    "canonical": check_one_name,
    "clusters": check_clusters,
    "clusters_count": check_clusters_count,
    "deleted": check_deleted,
    "distinct": check_distinct,
    "errors": check_errors,
    "event_owner_as_of": check_owner_as_of,
    "final": check_final,
    "link": check_link,
    "links": check_links,
    "lookup": check_lookup,
    "master_unchanged": check_unchanged,
    "merge_events": check_merge_events,
    "merge_identifier": check_merge_identifier,
    "merge_refused": check_merge_refused,
    "merged_persons": check_merged_persons,
    "not_returned": check_not_returned,
    "owner_after": check_owners,
    "owner_after_merge": check_owners,
    "owner_before": check_owner_before,
    "people_after_replay": check_people,
    "people_if_blocked_values": check_people_if_blocked,
    "people_live": check_people_live,
    "person_id_deterministic": check_deterministic,
    "person_ids_differ_between_projects": check_names_differ,
    "persons": check_persons,
    "primary_namespace_by_t": check_primary,
    "profile_by_step": check_profile_by_step,
    "profiles_created": check_profiles_created,
    "refused": check_refused,
    "removed_links": check_removed_links,
    "returned": check_returned,
    "session_profile": check_session,
    "stable_person_id": check_stable,
    "stitched_after_replay": check_stitched,
    "stitched_live": check_stitched_live,
    "survivor": check_survivor,
    "unique_users": check_unique_users,
    "unique_users_after_merge": check_unique_users,
    "warning": check_warning,
}


def check(story: Story, name: str, want: Any) -> None:
    """Hold one expected field against what the engine answers. Unknown fields fail."""
    if name in FIELDS:
        FIELDS[name](story, want)
    elif name.startswith("after_"):
        check_after(story, name, want)
    elif name.startswith("priority_after_"):
        check_priority(story, name, want)
    else:
        raise AssertionError(f"{story.case['system']}: nothing checks `{name}` yet")
