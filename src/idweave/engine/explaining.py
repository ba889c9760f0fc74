"""The part of the engine's face that explains."""

from __future__ import annotations

from collections.abc import Mapping

from idweave.core.errors import NotFound
from idweave.core.identity import Identity
from idweave.core.policy import Policy
from idweave.core.record import Project
from idweave.ports import Store

from . import why
from .answers import DecisionPage, SeparationAnswer, WhyAnswer
from .reading import canonical_number
from .telling import Story, seen_groups

PAGE_MAX = 1000
"""Rows of one answer. Pages bound the memory of an answer, not what can be asked."""


class Explaining:
    """Answers to why, why not, how, and what if it were not so."""

    projects: Mapping[str, Project]
    _store: Store

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
        """The rules of a declared project. Raises NotFound."""
        declared = self.projects.get(project)
        if declared is None:
            known = ", ".join(sorted(self.projects))
            raise NotFound(f"No project {project!r} is declared.", fix=f"There are: {known}.")
        return declared.policy
