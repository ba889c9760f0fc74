"""The law (RESOLUTION.md §2 - §6): facts in order, one step each, and users come out.

``resolve(facts, policy)`` is the whole of it; every runner calls the same ``step``.

The first line of each function names the section that it speaks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from .graph import Graph, Mark, Reason, RefusalKey, Seen, User
from .identity import Fact, Identity, Kind, Order
from .policy import KeyRule, Merge, Policy, Rebind, Unbind, WhenCrowded, WhenFull, WhenTaken


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
    if fact.kind in (Kind.UNBIND, Kind.DETACH):
        return _end(graph, fact, policy, identities)
    return _associate(graph, fact, policy, identities)


# -- observe, login, bind ------------------------------------------------------------------------


def _associate(
    graph: Graph, fact: Fact, policy: Policy, identities: tuple[Identity, ...]
) -> Outcome:
    """§4, steps 1 to 5, for a fact that says its identities are one person's."""
    crowded = [identity for identity in identities if identity in graph.crowded]
    present = [identity for identity in identities if identity not in graph.crowded]
    if not present:
        first = next((identity for identity in crowded if identity in graph.owner), None)
        return NOBODY if first is None else Outcome(graph.owner[first], first)
    unbound = [
        identity
        for identity in present
        if identity in graph.marks and not _on_purpose(graph, fact, policy, identity, present)
    ]
    brought = [identity for identity in present if identity not in unbound]
    if not brought:
        brought = [unbound.pop(0)]
    elif fact.kind is not Kind.OBSERVE:
        for identity in brought:
            _unmark(graph, identity)
    home = _home(graph, fact, policy, brought)
    for identity in brought[1:]:
        home = _bring(graph, fact, policy, home, identity, brought)
    for reason, aside in ((Reason.UNBOUND, unbound), (Reason.CROWDED, crowded)):
        for identity in aside:
            if graph.owner.get(identity) != home:
                graph.refuse(home, identity, reason, fact.order)
    return Outcome(home, brought[0])


def _on_purpose(
    graph: Graph, fact: Fact, policy: Policy, identity: Identity, present: list[Identity]
) -> bool:
    """§4, *on purpose*: does this fact mean to bring the unbound identity back?"""
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


def _home(graph: Graph, fact: Fact, policy: Policy, brought: list[Identity]) -> User:
    """§4, step 3: the user that the anchor belongs to, or joins, or that this fact founds."""
    anchor = brought[0]
    owner = graph.owner.get(anchor)
    if owner is not None:
        return owner
    for other in brought[1:]:
        home = graph.owner.get(other)
        if (
            home is not None
            and _admits(graph, policy, home, anchor, brought)
            and not _kept_apart(graph, policy, home, anchor)
        ):
            break
    else:
        home = graph.found(fact.order)
    _join(graph, fact, policy, home, anchor, brought)
    return home


def _bring(
    graph: Graph,
    fact: Fact,
    policy: Policy,
    home: User,
    identity: Identity,
    brought: list[Identity],
) -> User:
    """§4, step 4: one further identity of the fact; returns home, which a merge may change."""
    owner = graph.owner.get(identity)
    if owner == home:
        return home
    if owner is not None and _mergeable(graph, policy, home, owner, fact.kind):
        return graph.merge(home, owner)
    refused = _refusal(graph, fact, policy, home, identity, brought)
    if refused is not None:
        graph.refuse(home, identity, refused, fact.order)
        return home
    if owner is not None:
        _leave(graph, policy, identity, fact.time_ms, keep=())
    _join(graph, fact, policy, home, identity, brought)
    return home


def _refusal(
    graph: Graph,
    fact: Fact,
    policy: Policy,
    home: User,
    identity: Identity,
    brought: list[Identity],
) -> Reason | None:
    """§4, step 4: why this identity may not join home, in the order the law asks; else None."""
    rule = _rule(policy, identity)
    if _kept_apart(graph, policy, home, identity):
        return Reason.APART
    if identity in graph.owner:
        if _crowds(graph, rule, home, identity):
            graph.put(graph.crowded, identity, fact.order)
            if rule.when_crowded is WhenCrowded.QUARANTINE:
                _leave(graph, policy, identity, fact.time_ms, keep=())
            return Reason.CROWDED
        if rule.when_taken is WhenTaken.KEEP:
            return Reason.TAKEN
    if not _admits(graph, policy, home, identity, brought):
        return Reason.FULL
    return None


def _crowds(graph: Graph, rule: KeyRule, home: User, identity: Identity) -> bool:
    """§4: home asks for what another holds. Is it the one too many? Askers that became one
    user count once."""
    if rule.conflicts_max is None:
        return False
    asked = graph.askers.get(identity, frozenset())
    if home not in asked:
        graph.put(graph.askers, identity, asked | {home})
    return len({graph.find(user) for user in graph.askers[identity]}) >= rule.conflicts_max


def _mergeable(graph: Graph, policy: Policy, one: User, other: User, kind: Kind) -> bool:
    """§4, *mergeable*: the switch allows it, all values fit, and nobody is kept apart."""
    if policy.merge is Merge.NEVER or (policy.merge is Merge.EXPLICIT and kind is Kind.OBSERVE):
        return False
    held, more = graph.held[one], graph.held[other]
    for key, values in more.items():
        rule = policy.rule(key)
        if values and rule and len(values) + len(held.get(key, ())) > rule.values_max:
            return False
    both = {one, other}
    owner = graph.owner.get
    return not any({owner(left), owner(right)} == both for left, right in policy.apart)


def _kept_apart(graph: Graph, policy: Policy, user: User, identity: Identity) -> bool:
    """§3, ``apart``: does the user hold an identity that never shares a user with this one?"""
    partners = policy.apart_from.get(identity, ())
    return any(graph.owner.get(partner) == user for partner in partners)


def _room(graph: Graph, policy: Policy, home: User, identity: Identity) -> bool:
    """§4, *room*: home holds it already, or fewer than ``values_max`` values of its key."""
    values = graph.values(home, identity.key)
    return identity.value in values or len(values) < _rule(policy, identity).values_max


def _evictable(
    graph: Graph, home: User, identity: Identity, brought: list[Identity]
) -> list[tuple[Order, str]]:
    """§4: the values of the key that this fact does not bring, by when they joined."""
    values = graph.values(home, identity.key).items()
    return [
        (joined, value) for value, joined in values if Identity(identity.key, value) not in brought
    ]


def _admits(
    graph: Graph, policy: Policy, home: User, identity: Identity, brought: list[Identity]
) -> bool:
    """§4, *admits*: there is room, or the key makes room by letting another value leave."""
    if _room(graph, policy, home, identity):
        return True
    replaces = _rule(policy, identity).when_full is WhenFull.REPLACE
    return replaces and bool(_evictable(graph, home, identity, brought))


def _join(
    graph: Graph,
    fact: Fact,
    policy: Policy,
    home: User,
    identity: Identity,
    brought: list[Identity],
) -> None:
    """§4: an identity nobody owns joins home; without room it evicts the one that joined first."""
    if not _room(graph, policy, home, identity):
        _, value = min(_evictable(graph, home, identity, brought))
        evicted = Identity(identity.key, value)
        left = _leave(graph, policy, evicted, fact.time_ms, keep=brought)
        _mark(graph, policy, left, fact.order)
    graph.join(home, identity, fact.order)


# -- leaving -------------------------------------------------------------------------------------


def _leave(
    graph: Graph, policy: Policy, identity: Identity, time_ms: int, keep: Iterable[Identity]
) -> list[Identity]:
    """§4, *leave*: the identity, and its children once no other value of its key is held.
    Returns all that left together, the identity first."""
    user = graph.part(identity, time_ms)
    left = [identity]
    if graph.values(user, identity.key):
        return left
    for child in graph.members(user):
        is_child = _rule(policy, child).parent == identity.key
        if is_child and child not in keep and graph.owner.get(child) == user:
            left += _leave(graph, policy, child, time_ms, keep)
    return left


def _mark(graph: Graph, policy: Policy, left: list[Identity], by: Order) -> None:
    """§1, *unbound*: what left by unbind or eviction needs a purpose to come back."""
    if policy.rebind is Rebind.EXPLICIT:
        mark = Mark(by, tuple(left))
        for identity in left:
            graph.put(graph.marks, identity, mark)


def _end(graph: Graph, fact: Fact, policy: Policy, identities: tuple[Identity, ...]) -> Outcome:
    """§4, unbind and detach: identities leave their owners, if the claimant is the owner."""
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
                left = _leave(graph, policy, identity, fact.time_ms, keep=())
                _mark(graph, policy, left, fact.order)
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


def _rule(policy: Policy, identity: Identity) -> KeyRule:
    rule = policy.rule(identity.key)
    assert rule is not None, f"{identity.key} got past Policy.effective undeclared"
    return rule


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


def refusals(graph: Graph) -> dict[RefusalKey, Seen]:
    """§6: refusals, merges followed: one per home, identity and reason."""
    followed: dict[RefusalKey, Seen] = {}
    for key, seen in graph.refusals.items():
        home = key.home if key.home is None else graph.find(key.home)
        now = key._replace(home=home)
        followed[now] = followed[now] + seen if now in followed else seen
    return followed


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
