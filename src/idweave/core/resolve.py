"""The law (RESOLUTION.md §2 - §6): facts in order, one step each, and users come out.

``resolve(facts, policy)`` is the whole of it; every runner calls the same ``step``.

The first line of each function names the section that it speaks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from .graph import Graph, Reason, User
from .identity import Fact, Identity, Kind
from .moving import Scene, admits, follow, go_by, join, kept_apart, leave, mark
from .policy import KeyRule, Merge, Policy, Unbind, WhenCrowded, WhenTaken


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whom one fact's event belongs to, and the identity that decided it (None: nobody)."""

    home: User | None = None
    anchor: Identity | None = None


NOBODY = Outcome()


def step(graph: Graph, fact: Fact, policy: Policy) -> Outcome:
    """§4: apply the next fact, in order. Changes ``graph``; says whom the event belongs to."""
    identities = policy.effective(fact.identities)
    if not identities:
        return NOBODY
    if fact.kind is Kind.RELEASE:
        return _release(graph, identities)
    scene = Scene(graph, fact, policy, identities)
    return _end(scene) if fact.kind in (Kind.UNBIND, Kind.DETACH) else _associate(scene)


# -- observe, login, bind ------------------------------------------------------------------------


class Aside(NamedTuple):
    """§4, steps 1 and 2: the identities that a fact brings, and those that it only carries.
    ``alone``: all were set aside as unbound, and the one brought counts as if seen alone."""

    brought: tuple[Identity, ...]
    unbound: tuple[Identity, ...] = ()
    crowded: tuple[Identity, ...] = ()
    alone: bool = False


def set_aside(graph: Graph, fact: Fact, policy: Policy) -> Aside:
    """§4, steps 1 and 2: which identities of an ``observe``, ``login`` or ``bind`` count, and
    which are set aside. Changes nothing; ``brought`` is empty where all are crowded."""
    return _sort_out(Scene(graph, fact, policy, policy.effective(fact.identities)))


def _sort_out(scene: Scene) -> Aside:
    graph, _, _, identities = scene
    if graph.crowded.keys().isdisjoint(identities) and graph.marks.keys().isdisjoint(identities):
        return Aside(identities)
    crowded = tuple(identity for identity in identities if identity in graph.crowded)
    present = tuple(identity for identity in identities if identity not in graph.crowded)
    scene = scene._replace(brought=present)
    unbound = tuple(
        identity
        for identity in present
        if identity in graph.marks and not _on_purpose(scene, identity)
    )
    if unbound and len(unbound) == len(present):
        return Aside(unbound[:1], unbound[1:], crowded, alone=True)
    brought = tuple(identity for identity in present if identity not in unbound)
    return Aside(brought, unbound, crowded)


def _associate(scene: Scene) -> Outcome:
    """§4, steps 1 to 5, for a fact that says its identities are one person's."""
    graph, fact = scene.graph, scene.fact
    brought, unbound, crowded, alone = _sort_out(scene)
    if not brought:
        first = next((identity for identity in crowded if identity in graph.owner), None)
        return NOBODY if first is None else Outcome(graph.owner[first], first)
    if fact.kind is not Kind.OBSERVE and not alone:
        for identity in brought:
            _unmark(graph, identity)
    if brought is not scene.brought:
        scene = scene._replace(brought=brought)
    home = _home(scene)
    moved = list[tuple[Identity, User]]()
    for identity in brought[1:]:
        owner = graph.owner.get(identity)
        home = _bring(scene, home, identity)
        if owner is not None and graph.find(owner) != home == graph.owner.get(identity):
            moved.append((identity, owner))
    if scene.policy.has_followers:
        follow(scene, home, moved)
        go_by(scene, home)
    for reason, aside in ((Reason.UNBOUND, unbound), (Reason.CROWDED, crowded)):
        for identity in aside:
            if graph.owner.get(identity) != home:
                graph.refuse(home, identity, reason, fact.order)
    return Outcome(home, brought[0])


def _on_purpose(scene: Scene, identity: Identity) -> bool:
    """§4, *on purpose*: does this fact mean to bring the unbound identity back?"""
    graph, fact, policy, present = scene
    if len(present) == 1:
        return True
    if fact.kind is Kind.LOGIN:
        return policy.named_by(fact.distinct_id) == identity
    if fact.kind is not Kind.BIND:
        return False
    if len(present) <= 2:
        return True
    owners = {
        graph.owner.get(other)
        for other in present
        if other != identity and other not in graph.marks
    }
    return len(owners) == 1 and None not in owners


def _unmark(graph: Graph, identity: Identity) -> None:
    """§4, step 2: an identity is no longer unbound, nor are those that left together with it."""
    mark = graph.marks.get(identity)
    if mark is not None:
        for other in mark.together:
            if graph.marks.get(other) == mark:
                graph.drop(graph.marks, other)


def _home(scene: Scene) -> User:
    """§4, step 3: the user that the anchor belongs to, or joins, or that this fact founds."""
    owner, (anchor, *others) = scene.graph.owner, scene.brought
    home = owner.get(anchor)
    if home is not None:
        return home
    for other in others:
        home = owner.get(other)
        if home is not None and admits(scene, home, anchor) and not kept_apart(scene, home, anchor):
            break
    else:
        home = scene.graph.found(scene.fact.order)
    join(scene, home, anchor)
    return home


def _bring(scene: Scene, home: User, identity: Identity) -> User:
    """§4, step 4: one further identity of the fact; returns home, which a merge may change."""
    graph = scene.graph
    owner = graph.owner.get(identity)
    if owner == home:
        return home
    if owner is not None and _mergeable(scene, home, owner):
        return graph.merge(home, owner)
    refused = _refusal(scene, home, identity)
    if refused is not None:
        graph.refuse(home, identity, refused, scene.fact.order)
        return home
    if owner is not None:
        leave(scene, identity)
    join(scene, home, identity)
    return home


def _refusal(scene: Scene, home: User, identity: Identity) -> Reason | None:
    """§4, step 4: why this identity may not join home, in the order the law asks; else None."""
    graph, rule = scene.graph, scene.rule(identity)
    if kept_apart(scene, home, identity):
        return Reason.APART
    if identity in graph.owner:
        if _crowds(graph, rule, home, identity):
            graph.put(graph.crowded, identity, scene.fact.order)
            if rule.when_crowded is WhenCrowded.QUARANTINE:
                leave(scene, identity)
            return Reason.CROWDED
        if rule.when_taken is WhenTaken.KEEP:
            return Reason.TAKEN
    return None if admits(scene, home, identity) else Reason.FULL


def _crowds(graph: Graph, rule: KeyRule, home: User, identity: Identity) -> bool:
    """§4: home asks for what another holds. Is it the one too many? Askers that became one
    user count once."""
    if rule.conflicts_max is None:
        return False
    asked = graph.askers.get(identity, frozenset())
    if home not in asked:
        graph.put(graph.askers, identity, asked | {home})
    return len({graph.find(user) for user in graph.askers[identity]}) >= rule.conflicts_max


class Bar(NamedTuple):
    """§4, *mergeable*: what keeps two users from merging. ``rule`` is ``merge``, ``values_max`` or
    ``implied_max`` of a key (``values``: how many the two hold together), or ``apart`` of a
    pair."""

    rule: str
    key: str = ""
    values: int = 0
    pair: tuple[Identity, ...] = ()


def merge_bar(graph: Graph, kind: Kind, policy: Policy, users: tuple[User, User]) -> Bar | None:
    """§4, *mergeable*: what keeps these users from merging by a fact of this kind; None where the
    switch allows it, all values fit, and nobody is kept apart."""
    if policy.merge is Merge.NEVER:
        return Bar("merge")
    if policy.merge is Merge.EXPLICIT and kind is Kind.OBSERVE:
        return Bar("merge")
    held, more = graph.held[users[0]], graph.held[users[1]]
    for key, values in more.items():
        rule = policy.rule(key)
        others = held.get(key, ())
        together = len(values) + len(others)
        if values and others and rule and together > rule.limit(kind):
            is_full = together > rule.values_max
            return Bar("values_max" if is_full else "implied_max", key, together)
    both, owner = set(users), graph.owner.get
    for pair in policy.apart:
        if {owner(pair[0]), owner(pair[1])} == both:
            return Bar("apart", pair=pair)
    return None


def _mergeable(scene: Scene, one: User, other: User) -> bool:
    """§4, *mergeable*: nothing bars the two from becoming one."""
    return merge_bar(scene.graph, scene.fact.kind, scene.policy, (one, other)) is None


def _end(scene: Scene) -> Outcome:
    """§4, unbind and detach: identities leave their owners, if the claimant is the owner."""
    graph, fact, policy, identities = scene
    is_unbind = fact.kind is Kind.UNBIND
    if is_unbind and policy.unbind is Unbind.IGNORE:
        return NOBODY
    named = policy.named_by(fact.distinct_id) if is_unbind else None
    claimant = graph.owner.get(named) if named else None
    outcome, gone = NOBODY, set[Identity]()
    for identity in identities:
        if identity in gone:
            continue
        owner = graph.owner.get(identity)
        if owner is None:
            graph.refuse(None, identity, Reason.UNKNOWN, fact.order)
        elif claimant is not None and claimant != owner:
            graph.refuse(claimant, identity, Reason.NOT_OWNER, fact.order)
        else:
            if is_unbind:
                left = leave(scene, identity)
                mark(scene, left)
                gone.update(left)
            else:
                graph.part(identity, fact.time_ms)
            outcome = outcome if outcome.home is not None else Outcome(owner, identity)
    return outcome


def _release(graph: Graph, identities: tuple[Identity, ...]) -> Outcome:
    """§8, release: no longer crowded or unbound, nor what left with it; askers are forgotten."""
    for identity in identities:
        _unmark(graph, identity)
        graph.drop(graph.crowded, identity)
        graph.drop(graph.askers, identity)
    return NOBODY


# -- names and the whole -------------------------------------------------------------------------


def first_name(event_id: str) -> int:
    """§5: the name a founding event gives its user, before collisions: 63 bits, positive."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big") >> 1


def names(users: Iterable[User]) -> dict[User, int]:
    """§5: the ``canonical_id`` of each user; on a collision the later founder adds 1 until free."""
    taken: dict[int, User] = {}
    for user in sorted(users):
        name = first_name(user.event_id)
        while name in taken:
            name += 1
        taken[name] = user
    return {user: name for name, user in taken.items()}


@dataclass(frozen=True, slots=True)
class Resolution:
    """What facts come to under a policy: the graph, and whom each event belongs to."""

    graph: Graph
    outcomes: dict[str, Outcome]

    def home(self, event_id: str) -> User | None:
        """Whom an event belongs to now, merges followed."""
        home = self.outcomes[event_id].home
        return None if home is None else self.graph.find(home)


def resolve(facts: Iterable[Fact], policy: Policy) -> Resolution:
    """§2: apply every fact once, in order. Repeats of an ``event_id`` change nothing."""
    graph, outcomes = Graph(), dict[str, Outcome]()
    for fact in sorted(facts, key=lambda fact: fact.order):
        if fact.event_id not in outcomes:
            outcomes[fact.event_id] = step(graph, fact, policy)
    return Resolution(graph, outcomes)
