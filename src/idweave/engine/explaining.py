"""The part of the engine's face that explains."""

from __future__ import annotations

from idweave.core.identity import Identity
from idweave.core.policy import Policy
from idweave.ports import Store

from . import why
from .door import Door
from .explained import DecisionPage, SeparationAnswer, WhyAnswer
from .reading import canonical_number
from .ruling import rules_of
from .telling import Story, seen_groups

PAGE_MAX = 1000
"""Rows of one answer. Pages bound the memory of an answer, not what can be asked."""


class Explaining:
    """Answers to why, why not, how, and what if it were not so."""

    _store: Store
    _door: Door

    def why(self, project: str, one: Identity, other: Identity) -> WhyAnswer:
        """The shortest chain of events that makes two identities one user; where they are not,
        what kept them from it: rule, holder, since when, how often, and what would allow it."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            groups = seen_groups(reader, project, one, other)
            return why.why(Story(reader, project, policy, groups), (one, other))

    def decisions(
        self, project: str, canonical_id: str, *, offset: int = 0, limit: int = 100
    ) -> DecisionPage:
        """How a user was made: the decisions that changed it, in order."""
        policy, number = self._policy(project), canonical_number(canonical_id)
        with self._store.reader() as reader:
            groups = why.groups_of_user(reader, project, number)
            story = Story(reader, project, policy, groups)
            return why.decisions_of(reader, story, number, (offset, min(limit, PAGE_MAX)))

    def separation(self, project: str, one: Identity, other: Identity) -> SeparationAnswer:
        """The fewest events whose retraction parts two identities of one user."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            groups = seen_groups(reader, project, one, other)
            return why.separate(Story(reader, project, policy, groups), (one, other))

    def _policy(self, project: str) -> Policy:
        """The rules in force in a declared project. Raises NotFound."""
        policy = self._door.policy(project)
        with self._store.reader() as reader:
            return rules_of(policy, reader, project).policy
