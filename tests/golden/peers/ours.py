"""The same cases under our own rules: ``sensors``, with each key of the case declared by its rank.

What other systems document as their weakness must not happen there. How that shows depends on what
kind of weakness it is, which the case's tags say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

from idweave.core.graph import Graph
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.policy_file import policy_from
from idweave.core.resolve import resolve

from .whose import check_people, clusters
from .story import P, Case, Step, Story
from .telling import LOGIN, SYSTEMS, Keys, Telling, key_of, play, policy_of, steps_of

WEAKNESS = "known_weakness"


def accounts(case: Case) -> frozenset[str]:
    """Namespaces of the case that name a person each. With us they are accounts: one key, and the
    namespace is part of the value, as the SDKs write the ``login_id`` of ``loginWithKey``."""
    named = case["config"].get("namespaces", ())
    found = (one for one in named if one["unique"] and one.get("kind") == "cross_device")
    return frozenset(key_of(one["key"]) for one in found)


def ours_of(case: Case, one: Identity) -> Identity:
    """An identity of the case as we would have it."""
    return Identity(LOGIN, f"{one.key}+{one.value}") if one.key in accounts(case) else one


def rules_of(case: Case) -> Policy:
    """``sensors``, and each key of the case: one value to a user, junk blocked, ranked as there."""
    theirs = policy_of(case)
    known = {rule.key for rule in policy_from({"extends": "sensors"}).keys}
    system = SYSTEMS[case["system"]]
    added = {row["key"] for row in system.keys(Telling(case))}
    ranked = sorted(theirs.keys, key=lambda rule: (rule.rank, rule.key))
    keys: Keys = [
        {"key": rule.key, "rank": rank, "blocked_junk": True, "conflicts_max": 100}
        for rank, rule in enumerate(ranked, 1)
        if rule.key in added or rule.key in known or not added
    ]
    return policy_from({"extends": "sensors", "keys": keys})


def played(case: Case, steps: Iterable[Step] | None = None) -> Story:
    """The case under our rules."""
    rules = rules_of(case)
    told = steps_of(case, policy_of(case)) if steps is None else steps
    return Story(case, rules, [_with(step, case) for step in told])


def _with(step: Step, case: Case) -> Step:
    return replace(step, facts=tuple(_fact(fact, case) for fact in step.facts))


def _fact(fact: Fact, case: Case) -> Fact:
    return replace(fact, identities=tuple(ours_of(case, one) for one in fact.identities))


# -- what must not happen --------------------------------------------------------------------------


def nobody_is_made_one(case: Case) -> None:
    """Of those that were taken for one person, no user holds all."""
    largest = max(clusters(play(case)), key=len)
    with_us = {ours_of(case, one) for one in largest}
    story = played(case)
    assert not any(with_us <= some for some in story.held())
    assert len(story.held()) > len(play(case).held())


def junk_ties_nobody(case: Case) -> None:
    """As many people as the system says there were, had it blocked the value."""
    check_people(played(case), case["expect"]["people_if_blocked_values"])


def a_new_key_moves_no_other(case: Case) -> None:
    """Ranks are numbers in the file: declaring one more key changes no other's."""
    registered = [step["keys"] for step in case["steps"] if "keys" in step]
    declared = list(accumulate(registered))
    policies = [
        policy_from({
            "extends": "sensors",
            "keys": [{"key": key_of(one), "rank": n} for n, one in enumerate(keys, 100)],
        })
        for keys in declared
    ]  # fmt: skip
    for (old, keys), (new, _) in pairwise(zip(policies, declared, strict=True)):
        seen = tuple(Identity(key_of(one), "x") for one in keys)
        assert old.effective(seen) == new.effective(seen)
        assert [old.rule(one.key) for one in seen] == [new.rule(one.key) for one in seen]


def what_was_unbound_stays_so(case: Case) -> None:
    """What was unbound does not come back with an old event, be it the same or said anew."""
    story = played(case)
    unbound = [fact for step in story.steps for fact in step.facts if fact.kind is Kind.UNBIND]
    (gone, *_) = unbound[0].identities
    assert story.name_of(gone) is None
    first = story.steps[0].facts
    receipt = story.engine.state(P, first)
    assert receipt.duplicates == len(first)
    assert story.name_of(gone) is None


def a_change_is_kept_as_one(case: Case) -> None:
    """A change that is said (the old value unbound, the new one sent) leaves one user, which
    remembers what it held: nothing is orphaned."""
    rules = rules_of(case)
    facts: list[Fact] = []
    for step in steps_of(case, policy_of(case)):
        for fact in step.facts:
            said = _fact(fact, case)
            facts += [*_unbinds(resolve(facts, rules).graph, said, rules), said]
    story = Story(case, rules, [_step(facts)])
    (user,) = [user for user in story.users() if user.identities]
    held, former = ({one.identity for one in some} for some in (user.identities, user.former))
    assert set(facts[-1].identities) <= held
    assert held | former == {one for fact in facts for one in fact.identities}


def _step(facts: Sequence[Fact]) -> Step:
    raw: dict[str, Any] = {"op": "all"}
    return Step(1, raw, facts[-1].event_id, facts[0].time_ms, tuple(facts), (), None)


def _unbinds(graph: Graph, fact: Fact, rules: Policy) -> list[Fact]:
    """Unbinds of what this fact would replace at the user that it is about."""
    owners = [graph.owner[one] for one in fact.identities if one in graph.owner]
    old = [
        Identity(one.key, value)
        for one in fact.identities
        for owner in owners[:1]
        for value in graph.values(owner, one.key)
        if value != one.value and (rule := rules.rule(one.key)) and rule.values_max == 1
    ]
    return [
        Fact(fact.time_ms - len(old) + n, f"{fact.event_id}-unbind-{n}", Kind.UNBIND, (one,))
        for n, one in enumerate(old)
    ]


MUST_NOT: dict[str, Callable[[Case], None]] = {
    "collapse": nobody_is_made_one,
    "reset": nobody_is_made_one,
    "bad_value": junk_ties_nobody,
    "priority": a_new_key_moves_no_other,
    "unbind": what_was_unbound_stays_so,
    "id_change": a_change_is_kept_as_one,
}
"""By tag: how it shows that a known weakness does not happen."""


def weaknesses(case: Case) -> list[str]:
    """The tags of a case that say what kind of weakness it is."""
    return [tag for tag in case["tags"] if tag in MUST_NOT] if WEAKNESS in case["tags"] else []
