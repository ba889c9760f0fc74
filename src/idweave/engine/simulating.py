"""A few typed events under a policy, step by step: the same rules, without a store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from idweave.core.errors import InputError
from idweave.core.evidence import identities_of
from idweave.core.graph import Graph
from idweave.core.identity import KIND_OF_TYPE, Fact, Identity, Kind
from idweave.core.policy import Policy
from idweave.core.rejection import Rejection
from idweave.core.resolve import names, resolve
from idweave.core.trace import Decision, trace

from .explained import MoveAnswer

STEPS_MAX = 200
"""Events of one simulation: each step folds those before it again, and people read them all."""

KINDS = {kind.word: kind for kind in Kind} | KIND_OF_TYPE
"""What an event may be: the kinds of facts, and the types of records."""

FORM = "Write `KEY: value, KEY: value`, with a kind before it if it is no observe; or JSON."


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """A user after a step."""

    canonical_id: str
    identities: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SimulatedStep:
    """One event, what it did, whom it belongs to, and everybody after it."""

    number: int
    kind: str
    text: str
    canonical_id: str | None
    moves: tuple[MoveAnswer, ...]
    users: tuple[SimulatedUser, ...]


def fact_typed(line: str, number: int, policy: Policy) -> Fact:
    """The fact of a typed event: ``mobile: 138, login_id: alice``, with its kind before it if it is
    no observe (``login login_id: alice, mp_id: d1``), or a JSON object with ``identities`` and, if
    need be, ``kind``, ``distinct_id`` and ``time``. Without a time it happens at its number; a
    login or unbind without ``distinct_id`` names its first identity (an unbind: nobody)."""
    given = _json(line) if line.lstrip().startswith("{") else _line(line)
    kind = KINDS.get(str(given.get("kind", "observe")))
    pairs = given.get("identities")
    if kind is None or not isinstance(pairs, dict) or not pairs:
        raise InputError(f"Event {number} cannot be read: {line.strip()[:100]!r}.", fix=FORM)
    found = identities_of([(_full(key, policy), value) for key, value in pairs.items()], policy)
    if isinstance(found, Rejection):
        raise InputError(f"Event {number}: {found.reason}", fix=found.fix)
    distinct_id = given.get("distinct_id")
    if distinct_id is None and kind is Kind.LOGIN:
        distinct_id = f"{found[0].key}+{found[0].value}"
    time = given.get("time", number)
    if not isinstance(time, int) or not isinstance(distinct_id, str | None):
        raise InputError(f"Event {number}: `time` is a whole number.", fix=FORM)
    return Fact(time, f"{number:04}", kind, found, distinct_id)


def _json(line: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        given = {}
    return given if isinstance(given, dict) else {}


def _line(line: str) -> dict[str, Any]:
    """The one-line form as the object that it stands for."""
    kind, rest = "observe", line.strip()
    first, _, after = rest.partition(" ")
    if first in KINDS and ":" not in first:
        kind, rest = first, after
    pairs = [part.partition(":") for part in rest.split(",")]
    if not all(colon and key.strip() for key, colon, _ in pairs):
        return {}
    return {"kind": kind, "identities": {key.strip(): text.strip() for key, _, text in pairs}}


def _full(key: str, policy: Policy) -> str:
    """A declared key, written with or without what all keys of the catalogue begin with."""
    forms = (key, f"${key}", f"$identity_{key}")
    return next((form for form in forms if policy.rule(form) is not None), key)


def simulate(lines: Sequence[str], policy: Policy) -> list[SimulatedStep]:
    """What typed events come to, one after the other in the order of the law."""
    if len(lines) > STEPS_MAX:
        fix = "Import them instead: `idweave import`."
        raise InputError(f"A simulation takes at most {STEPS_MAX} events.", fix=fix)
    facts = [fact_typed(line, number, policy) for number, line in enumerate(lines, 1)]
    told = trace(facts, policy)
    in_order = [done.fact for done in told.decisions]
    return [
        _step(done, resolve(in_order[: place + 1], policy).graph)
        for place, done in enumerate(told.decisions)
    ]


def _step(done: Decision, graph: Graph) -> SimulatedStep:
    called = {user: str(name) for user, name in names(graph.held).items()}
    home = done.outcome.home
    moves = [MoveAnswer("left", called[one.user], None, *one.identity) for one in done.left]
    moves += [MoveAnswer("joined", called[one.user], None, *one.identity) for one in done.joined]
    moves += [MoveAnswer("merged", called[of], called[into]) for of, into in done.merged]
    for user, identity, reason in done.refused:
        name = None if user is None else called[user]
        moves.append(MoveAnswer("refused", name, None, *identity, reason.value))
    moves += [MoveAnswer("crowded", None, None, *one) for one in done.crowded]
    moves += [MoveAnswer("unbound", None, None, *one) for one in done.unbound]
    return SimulatedStep(
        int(done.fact.event_id),
        done.fact.kind.word,
        ", ".join(map(str, done.fact.identities)),
        None if home is None else called[graph.find(home)],
        tuple(moves),
        tuple(
            SimulatedUser(called[user], tuple(_plain(one) for one in graph.members(user)))
            for user in graph.users()
        ),
    )


def _plain(identity: Identity) -> tuple[str, str]:
    return identity.key, identity.value
