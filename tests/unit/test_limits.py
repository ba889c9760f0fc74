"""``when_full = "renew"``, ``implied_max`` and ``follows``: who puts a value out, who brings more
together, and what goes along.

The rows read as the golden cases do: facts in the order of the law, and what they come to. Each
is also resolved in every order of arrival, by the engine and by columns.
"""

from __future__ import annotations

from itertools import islice, permutations
from typing import Any, NamedTuple

import pytest

from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.policy_file import policy_from
from idweave.core.record import Project
from idweave.core.resolve import resolve
from idweave.engine.engine import Engine
from idweave.stores import open_store
from tests.golden.batches import of_tables, tables_of, worked_out
from tests.golden.outcomes import of_engine, of_resolution

NOBODY = "-"


def rule(key: str, rank: int, **fields: Any) -> dict[str, Any]:
    return {"key": key, "rank": rank, **fields}


RENEW = policy_from({
    "rebind": "any",
    "keys": [
        rule("person", 1, when_full="renew", when_taken="move"),
        rule("phone", 2, when_full="renew", when_taken="move"),
        rule("cookie", 3, values_max=9, when_taken="move"),
    ],
})  # fmt: skip
IMPLIED = policy_from({
    "keys": [
        rule("account", 1, values_max=3, implied_max=1),
        rule("device", 2, values_max=9),
    ],
})  # fmt: skip
FOLLOWS = policy_from({
    "rebind": "any",
    "apart": [[["person", "eve"], ["login", "x"]]],
    "keys": [
        rule("person", 1, when_full="renew", when_taken="move", follows=True),
        rule("login", 2, values_max=9, when_taken="move", follows=True),
        rule("phone", 2, when_full="renew", when_taken="move", follows=True),
        rule("cookie", 3, values_max=9, when_taken="move", follows=True),
        rule("tab", 4, values_max=9, when_taken="move"),
    ],
})  # fmt: skip


class Case(NamedTuple):
    """Facts (kind and identities, as text), users by what they hold, refusals (identity, why)."""

    says: str
    policy: Policy
    facts: tuple[str, ...]
    users: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


CASES = (
    Case(
        "renew: a known person's new phone puts the old one out",
        RENEW,
        ("person=tom phone=1", "person=tom phone=2"),
        ("person=tom phone=2",),
    ),
    Case(
        "renew: a phone that is another's moves, and puts out what the person had",
        RENEW,
        ("person=tom phone=1", "person=ann phone=2", "person=ann phone=1"),
        ("person=tom", "person=ann phone=1"),
    ),
    Case(
        "renew: nobody enters a user by putting its value out",
        RENEW,
        ("person=tom cookie=1", "person=ann cookie=1"),
        ("person=tom", "cookie=1 person=ann"),
    ),
    Case(
        "renew: a weaker anchor does not enter either; the cookie follows it",
        RENEW,
        ("person=tom phone=1 cookie=1", "phone=2 cookie=1"),
        ("person=tom phone=1", "cookie=1 phone=2"),
    ),
    Case(
        "renew: a new anchor that there is room for lets the fact's other values renew",
        RENEW,
        ("cookie=1 phone=1", "person=tom phone=2 cookie=1"),
        ("cookie=1 person=tom phone=2",),
    ),
    Case(
        "renew: of two values in one fact the second is refused, as nothing but the first could go",
        RENEW,
        ("person=tom phone=1 phone=2",),
        ("person=tom phone=1",),
        (("phone=2", "full"),),
    ),
    Case(
        "implied: an observe does not bring two accounts together",
        IMPLIED,
        ("account=a device=1", "account=b device=1"),
        ("account=a device=1", "account=b"),
        (("device=1", "taken"),),
    ),
    Case(
        "implied: nor does a login, and not within one fact",
        IMPLIED,
        ("login account=a account=b",),
        ("account=a",),
        (("account=b", "full"),),
    ),
    Case(
        "implied: a bind does, up to values_max",
        IMPLIED,
        ("account=a", "account=b", "bind account=a account=b"),
        ("account=a account=b",),
    ),
    Case(
        "implied: a bind does no more than values_max",
        IMPLIED,
        ("bind account=a account=b account=c", "bind account=c account=d"),
        ("account=a account=b account=c",),
        (("account=d", "full"),),
    ),
    Case(
        "implied: who has more by a bind still takes in what has none, whichever of the two asks",
        IMPLIED,
        ("bind account=a account=b", "account=a device=1", "device=2", "device=2 device=1"),
        ("account=a account=b device=1 device=2",),
    ),
    Case(
        "implied: and repeats what the bind brought together",
        IMPLIED,
        ("bind account=a account=b", "account=a account=b device=1"),
        ("account=a account=b device=1",),
    ),
    Case(
        "implied: what a later bind allows does not reach back",
        IMPLIED,
        ("account=a device=1", "account=b device=1", "bind account=a account=b"),
        ("account=a account=b device=1",),
        (("device=1", "taken"),),
    ),
    Case(
        "follows: what came by a login moves with it, and what came by that",
        FOLLOWS,
        (
            "person=tom login=a",
            "login=b cookie=1",
            "cookie=1 login=a",
            "cookie=1 cookie=2",
            "login=b cookie=1",
            "person=ann login=b",
        ),
        ("login=a person=tom", "cookie=1 cookie=2 login=b person=ann"),
    ),
    Case(
        "follows: what was seen with somebody stronger stays there",
        FOLLOWS,
        ("person=tom login=a cookie=1", "login=a cookie=1", "person=ann login=a"),
        ("cookie=1 person=tom", "login=a person=ann"),
    ),
    Case(
        "follows: of two equally strong the later one counts",
        FOLLOWS,
        (
            "person=tom login=a",
            "person=tom login=b",
            "login=b cookie=1",
            "login=a cookie=1",
            "person=ann login=b",
        ),
        ("cookie=1 login=a person=tom", "login=b person=ann"),
    ),
    Case(
        "follows: a key that does not say so stays",
        FOLLOWS,
        ("person=tom cookie=1", "cookie=1 tab=1", "person=ann cookie=1"),
        ("person=tom tab=1", "cookie=1 person=ann"),
    ),
    Case(
        "follows: without room it stays where it is",
        FOLLOWS,
        ("person=tom cookie=1", "phone=1 cookie=1", "person=ann phone=2", "person=ann cookie=1"),
        ("person=tom phone=1", "cookie=1 person=ann phone=2"),
    ),
    Case(
        "follows: nor does it go where it is kept apart from somebody",
        FOLLOWS,
        ("person=tom cookie=1", "login=x cookie=2", "cookie=1 cookie=2", "person=eve cookie=2"),
        ("cookie=1 login=x person=tom", "cookie=2 person=eve"),
    ),
    Case(
        "follows: what came by a value that is put out leaves with it",
        FOLLOWS,
        ("person=tom phone=1", "phone=1 cookie=1", "person=tom phone=2"),
        ("person=tom phone=2",),
    ),
    Case(
        "follows: an unbind takes nothing along",
        FOLLOWS,
        ("person=tom phone=1", "phone=1 cookie=1", "unbind phone=1"),
        ("cookie=1 person=tom",),
    ),
)

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)


def identity(text: str) -> Identity:
    key, _, value = text.partition("=")
    return Identity(key, value)


def facts_of(case: Case) -> list[Fact]:
    """The facts, a millisecond apart."""
    facts = []
    for time, text in enumerate(case.facts):
        words = text.split()
        kind = Kind.OBSERVE if "=" in words[0] else Kind[words.pop(0).upper()]
        facts.append(Fact(time, f"e{time}", kind, tuple(map(identity, words))))
    return facts


@each
def test_a_fact_does_what_the_row_says(case: Case) -> None:
    graph = resolve(facts_of(case), case.policy).graph
    held = [" ".join(map(str, graph.members(user))) for user in graph.users()]
    refused = [(str(key.identity), key.reason.value) for key in graph.refusals]
    assert (tuple(held), tuple(refused)) == (case.users, case.refused)


@each
def test_every_order_of_arrival_comes_to_the_same(case: Case) -> None:
    right = of_resolution(resolve(facts_of(case), case.policy))
    every = 1 if len(case.facts) < 5 else 11
    for facts in islice(permutations(facts_of(case)), 0, None, every):
        engine = Engine(open_store("memory:"), {"p": Project("p", case.policy)}, clock=lambda: 0)
        for fact in facts:
            engine.state("p", [fact])
        assert of_engine(engine, "p") == right
        assert of_tables(tables_of(worked_out(facts, case.policy))) == right


def test_what_only_a_bind_holds_together_is_parted_by_retracting_it() -> None:
    facts = facts_of(next(case for case in CASES if case.says.startswith("implied: and repeats")))
    engine = Engine(open_store("memory:"), {"p": Project("p", IMPLIED)}, clock=lambda: 0)
    engine.state("p", facts)
    found = engine.separation("p", identity("account=a"), identity("account=b"))
    assert (found.count, found.events[0].event_id) == (1, "e0")


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (("account=a", "account=b", "account=a account=b"), "only a bind brings together more"),
        (("login account=a account=b",), "implied_max = 1 of account"),
        (("bind account=a account=b account=c", "bind account=c account=d"), "values_max = 3"),
    ],
)
def test_why_not_names_the_limit_that_was_met(facts: tuple[str, ...], rule: str) -> None:
    engine = Engine(open_store("memory:"), {"p": Project("p", IMPLIED)}, clock=lambda: 0)
    engine.state("p", facts_of(Case("", IMPLIED, facts, ())))
    one, other = (identity(word) for word in facts[-1].split()[-2:])
    (gap,) = engine.why("p", one, other).gaps
    assert rule in gap.refused[0].rule
