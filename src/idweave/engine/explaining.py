"""The part of the engine's face that explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from idweave.core.difference import together
from idweave.core.identity import Identity
from idweave.core.policy import Policy
from idweave.core.record import Project
from idweave.ports import Store

from . import past, why
from .differing import difference_of
from .door import Door
from .explained import DecisionPage, SeparationAnswer, WhyAnswer
from .guarding import Guard, GuardReport, newest_ms
from .operated import DifferenceAnswer
from .past import Instant, PastEvent, PastIdentity, PastUser, View
from .reading import canonical_number
from .ruling import rules_of
from .telling import Story, all_groups, deciding_groups, groups_of, seen, stored_name
from .whatif import Trial, WhatIf

PAGE_MAX = 1000
"""Rows of one answer. Pages bound the memory of an answer, not what can be asked."""


class Explaining:
    """Answers to why, why not, how, and what if it were not so."""

    projects: Mapping[str, Project]
    _store: Store
    _door: Door

    def why(self, project: str, one: Identity, other: Identity) -> WhyAnswer:
        """The shortest chain of events that makes two identities one user; where they are not,
        what kept them from it: rule, holder, since when, how often, and what would allow it."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            groups = deciding_groups(reader, project, seen(reader, project, one, other))
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
            groups = groups_of(reader, project, seen(reader, project, one, other))
            return why.separate(Story(reader, project, policy, groups), (one, other))

    def past_lookup(self, project: str, identity: Identity, at: Instant) -> PastIdentity:
        """Who held an identity at an instant, and what else that user held. Raises NotFound where
        it had not been seen yet."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            groups = groups_of(reader, project, seen(reader, project, identity))
            return past.Past(View(reader, project, policy), groups, at).identity(identity)

    def past_user(self, project: str, canonical_id: str, at: Instant) -> PastUser:
        """A user as it was at an instant, by a name that led to it then."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            name, groups = past.groups_of_name(reader, project, canonical_id)
            return past.Past(View(reader, project, policy), groups, at).named(name)

    def past_event(self, project: str, event: str, at: Instant) -> PastEvent:
        """Whose an event was, as seen from an instant."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            event_id, groups = past.groups_of_event(reader, project, event)
            return past.Past(View(reader, project, policy), groups, at).event(event_id)

    def past_users(self, project: str, at: Instant) -> Iterator[PastUser]:
        """Everybody as they were at an instant, group by group."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            for groups in all_groups(reader, project):
                then = past.Past(View(reader, project, policy), groups, at)
                yield from (then.user(user) for user in then.graph.users())

    def past_difference(self, project: str, between: tuple[Instant, Instant]) -> DifferenceAnswer:
        """What differs between two instants, in the whole project."""
        policy = self._policy(project)
        past.check_order(between)
        with self._store.reader() as reader:
            found = together(past.differences(View(reader, project, policy), between))
            return difference_of(found, lambda user: str(stored_name(reader, project, user)))

    def what_if(self, project: str, policy: Policy, upto: Instant) -> WhatIf:
        """What the real history of a project, up to an instant, comes to under another policy:
        the difference, and its largest changes explained. Nothing is written."""
        self._policy(project)
        declared = self.projects[project]
        with self._store.reader() as reader:
            return Trial(reader, declared, replace(declared, policy=policy), upto).run()

    def guard(self, project: str) -> GuardReport:
        """What looks like many people taken for one, with the numbers and what to do."""
        policy = self._policy(project)
        with self._store.reader() as reader:
            return Guard(project, policy).report(reader, newest_ms(reader, project))

    def _policy(self, project: str) -> Policy:
        """The rules in force in a declared project. Raises NotFound."""
        policy = self._door.policy(project)
        with self._store.reader() as reader:
            return rules_of(policy, reader, project).policy
