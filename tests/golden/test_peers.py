"""Documented cases of other systems come out as documented under the preset of their system.

What a policy cannot express is decided from the case itself (``peers.limits``) and listed; what has
no row there is checked, and an operation or field that nobody knows fails. What a system documents
as its own weakness comes out so under its preset, and does not happen under ours.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from .peers import adobe_rule, ours
from .peers.answers import check
from .peers.limits import left_out, unchecked
from .peers.telling import SYSTEMS, play
from .peers.their_rules import RULES, Rule, alike, drawn
from .vectors import load

CASES = load("peer_scenarios")
OUT = [case for case in CASES if left_out(case)]
PLAYED = [case for case in CASES if not left_out(case)]
UNCHECKED = [(case, name) for case in PLAYED for name in unchecked(case)]
WEAK = [case for case in CASES if ours.WEAKNESS in case["tags"]]
WEAKNESSES = [(case, tag) for case in WEAK for tag in ours.weaknesses(case)]

LINKED = [
    case
    for case in CASES
    if case["system"] == "adobe_linking_rules" and "clusters" in case["expect"]
]
ADOBE_DIFFERS = (
    ("person", 8, 0),
    ("layered", 4, 0),
    ("layered", 8, 1),
    ("contacts", 4, 1),
    ("contacts", 8, 6),
)
"""Of 50 random cases of so many events, how many the preset resolves otherwise (decision 0015)."""

IS_OURS = "IDWEAVE_VECTORS" not in os.environ
CANNOT = ["cja-06", "mixpanel-08", "mparticle-05", "mparticle-07", "segment-08"]
IN_PART = [
    "amplitude-07: direction, properties_merged",
    "mparticle-03: final",
    "posthog-10: persons.properties",
    "posthog-15: persons.properties",
    "segment-09: t3_error",
]


def by_id(one: Any) -> str:
    return str(one["id"] if isinstance(one, dict) else one)


@pytest.mark.parametrize("case", PLAYED, ids=by_id)
def test_a_documented_case_comes_out_as_documented(case: dict[str, Any]) -> None:
    story, left = play(case), unchecked(case)
    compared = {name: want for name, want in case["expect"].items() if name not in left}
    assert compared, f"nothing of {case['id']} is compared"
    for name, want in compared.items():
        check(story, name, want)


@pytest.mark.parametrize(("case", "tag"), WEAKNESSES, ids=by_id)
def test_a_known_weakness_of_theirs_does_not_happen_under_our_rules(
    case: dict[str, Any], tag: str
) -> None:
    ours.MUST_NOT[tag](case)


def test_it_is_said_of_every_known_weakness_how_it_must_not_happen() -> None:
    assert [case["id"] for case in WEAK if not ours.weaknesses(case)] == []


@pytest.mark.parametrize("case", OUT, ids=by_id)
def test_left_out(case: dict[str, Any]) -> None:
    pytest.skip(f"{case['id']} cannot be expressed: {left_out(case)}")


@pytest.mark.parametrize(("case", "name"), UNCHECKED, ids=by_id)
def test_left_out_in_part(case: dict[str, Any], name: str) -> None:
    pytest.skip(f"{case['id']}, {name}, cannot be expressed: {unchecked(case)[name]}")


@pytest.mark.skipif(not IS_OURS, reason="another folder of vectors has cases of its own")
def test_what_cannot_be_expressed_is_this_and_no_more() -> None:
    assert [case["id"] for case in OUT] == CANNOT
    found = {case["id"]: ", ".join(unchecked(case)) for case in PLAYED if unchecked(case)}
    assert [f"{name}: {fields}" for name, fields in found.items()] == IN_PART


@pytest.mark.parametrize(("kind", "events", "differ"), ADOBE_DIFFERS)
def test_of_random_visits_as_few_differ_from_adobes_published_rule_as_we_say(
    kind: str, events: int, differ: int
) -> None:
    assert adobe_rule.differing(kind, events, 50) == differ


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.system)
def test_random_events_come_out_as_by_the_rule_that_the_system_describes(rule: Rule) -> None:
    chance = random.Random(rule.system)
    for _ in range(100):
        case = drawn(rule, chance)
        theirs, ours_ = rule.theirs(case["steps"]), rule.ours(play(case))
        assert alike(theirs, ours_), case["steps"]


@pytest.mark.parametrize("case", LINKED, ids=by_id)
def test_adobes_published_rule_as_we_have_it_gives_what_they_document(case: dict[str, Any]) -> None:
    assert adobe_rule.by_their_rule(case) == {
        frozenset(map(tuple, some)) for some in case["expect"]["clusters"]
    }


def test_every_system_is_compared() -> None:
    """Whatever a folder of vectors holds, a run that compares nothing proves nothing."""
    assert {case["system"] for case in PLAYED} <= set(SYSTEMS)
    assert len(PLAYED) > len(OUT)


def test_a_field_that_nobody_knows_fails() -> None:
    story = play(PLAYED[0])
    with pytest.raises(AssertionError, match="nothing checks `colour`"):
        check(story, "colour", "blue")
