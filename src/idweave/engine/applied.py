"""Which policies held, and what applying one changed: frozen values, every id as text."""

from __future__ import annotations

from dataclasses import dataclass

from .operated import DifferenceAnswer


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy that is or was in force. ``number`` is None for one that the configuration names
    and that nothing was received under yet; ``until_ms`` is None for the one in force."""

    number: str | None
    project: str
    name: str
    digest: str
    author: str
    reason: str
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """The policy in force, as the text of a policy file. ``configured`` says whether the
    configuration names these rules, too."""

    policy: PolicyInForce
    text: str
    configured: bool


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """The policies of a project, the one in force last."""

    policies: tuple[PolicyInForce, ...]


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """A policy that was applied. ``changed`` is false where it was in force already: then nothing
    was written. ``groups`` of all groups of facts ``told_again`` were told again; the others are
    the same under both policies."""

    policy: PolicyInForce
    changed: bool
    configured: bool
    groups: int
    told_again: int
    changes: DifferenceAnswer
