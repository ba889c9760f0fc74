"""How identities join users, leave them, and go along with others (RESOLUTION.md §4): the moves
that ``resolve`` makes for one fact.

The first line of each function names the section that it speaks for.
"""

from __future__ import annotations

from typing import NamedTuple

from .graph import Graph, Mark, User
from .identity import Fact, Identity, Order
from .policy import KeyRule, Policy, Rebind, WhenFull


class Scene(NamedTuple):
    """One fact at work. ``brought``: its identities that count, in order, less those set aside."""

    graph: Graph
    fact: Fact
    policy: Policy
    brought: tuple[Identity, ...]

    def rule(self, identity: Identity) -> KeyRule:
        rule = self.policy.rule(identity.key)
        assert rule is not None, f"{identity.key} got past Policy.effective undeclared"
        return rule


# -- joining ---------------------------------------------------------------------------------------


def kept_apart(scene: Scene, user: User, identity: Identity) -> bool:
    """§3, ``apart``: does the user hold an identity that never shares a user with this one?"""
    partners = scene.policy.apart_from.get(identity, ())
    return any(scene.graph.owner.get(partner) == user for partner in partners)


def room(scene: Scene, home: User, identity: Identity) -> bool:
    """§4, *room*: home holds it already, or fewer values of its key than this fact may bring
    together."""
    values = scene.graph.values(home, identity.key)
    limit = scene.rule(identity).limit(scene.fact.kind)
    return identity.value in values or len(values) < limit


def _evictable(scene: Scene, home: User, identity: Identity) -> list[tuple[Order, str]]:
    """§4: the values of the key that this fact does not bring, by when they joined."""
    values = scene.graph.values(home, identity.key).items()
    return [
        (joined, value)
        for value, joined in values
        if Identity(identity.key, value) not in scene.brought
    ]


def admits(scene: Scene, home: User, identity: Identity) -> bool:
    """§4, *admits*: there is room, or the key makes room by letting another value leave."""
    if room(scene, home, identity):
        return True
    when_full = scene.rule(identity).when_full
    if when_full is WhenFull.RENEW:
        replaces = scene.graph.owner.get(scene.brought[0]) == home
    else:
        replaces = when_full is WhenFull.REPLACE
    return replaces and bool(_evictable(scene, home, identity))


def join(scene: Scene, home: User, identity: Identity) -> None:
    """§4: an identity nobody owns joins home; without room it evicts the one that joined first."""
    if not room(scene, home, identity):
        _, value = min(_evictable(scene, home, identity))
        mark(scene, evict(scene, Identity(identity.key, value)))
    scene.graph.join(home, identity, scene.fact.order)


# -- leaving -------------------------------------------------------------------------------------


def leave(scene: Scene, identity: Identity, *, keep: tuple[Identity, ...] = ()) -> list[Identity]:
    """§4, *leave*: the identity, and its children once no other value of its key is held.
    Returns all that left together, the identity first."""
    graph = scene.graph
    user = graph.part(identity, scene.fact.time_ms)
    left = [identity]
    if graph.values(user, identity.key):
        return left
    for child in graph.members(user):
        is_child = scene.rule(child).parent == identity.key
        if is_child and child not in keep and graph.owner.get(child) == user:
            left += leave(scene, child, keep=keep)
    return left


def mark(scene: Scene, left: list[Identity]) -> None:
    """§1, *unbound*: what left by unbind or eviction needs a purpose to come back."""
    if scene.policy.rebind is Rebind.EXPLICIT:
        mark = Mark(scene.fact.order, tuple(left))
        for identity in left:
            scene.graph.put(scene.graph.marks, identity, mark)


# -- going along ---------------------------------------------------------------------------------


def go_by(scene: Scene, home: User) -> None:
    """§4, *goes by*: each identity that home holds now and whose key follows goes by the strongest
    other one of this fact, unless it goes by one that home holds and that has a stronger rank."""
    graph = scene.graph
    here = [identity for identity in scene.brought if graph.owner.get(identity) == home]
    for identity in here:
        mate = next((other for other in here if other != identity), None)
        if mate is None or not scene.rule(identity).follows:
            continue
        before = graph.mates.get(identity)
        if before == mate:
            continue
        at_home = before if before is not None and graph.owner.get(before) == home else None
        if at_home is None or scene.rule(mate).rank <= scene.rule(at_home).rank:
            graph.put(graph.mates, identity, mate)


def _followers(scene: Scene, user: User, identity: Identity) -> list[Identity]:
    """§4: what goes by an identity, of those that a user holds and this fact does not bring, in
    order. Crowded ones go nowhere."""
    graph = scene.graph
    found = (
        other
        for other in graph.members(user)
        if graph.mates.get(other) == identity
        and other not in scene.brought
        and other not in graph.crowded
    )
    return sorted(found, key=lambda other: (scene.rule(other).rank, other))


def follow(scene: Scene, home: User, moved: list[tuple[Identity, User]]) -> None:
    """§4: what moved to home is followed by what goes by it, as far as home has room for that and
    holds nothing that it is kept apart from; and so on. ``moved``: from whom."""
    graph = scene.graph
    for identity, user in moved:
        for other in _followers(scene, user, identity):
            goes = room(scene, home, other) and not kept_apart(scene, home, other)
            if goes and graph.owner.get(other) == user:
                leave(scene, other)
                graph.join(home, other, scene.fact.order)
                moved.append((other, user))


def evict(scene: Scene, identity: Identity) -> list[Identity]:
    """§4: an identity leaves to make room; so do its children, what goes by it, and so on, less
    what the fact brings. Returns all that left together, the identity first."""
    graph = scene.graph
    user = graph.owner[identity]
    left = leave(scene, identity, keep=scene.brought)
    for other in _followers(scene, user, identity) if scene.policy.has_followers else ():
        if graph.owner.get(other) == user:
            left += evict(scene, other)
    return left
