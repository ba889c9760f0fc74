"""The part of the engine's face for policies: which is in force, apply another, go back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from idweave.core.difference import Difference, together
from idweave.core.errors import Conflict, InputError, NotFound
from idweave.core.policy import Policy
from idweave.core.policy_text import policy_digest, policy_text, same_rules
from idweave.core.record import Project
from idweave.ports import Changes, Clock, PolicyRow, Reader, Store

from .applied import AppliedPolicy, PolicyAnswer, PolicyHistory, PolicyInForce
from .differing import difference_of
from .door import Door
from .following import Following
from .inforce import BY_CONFIGURATION, policy_of, row_of
from .intake import Intake
from .operators import check_text
from .switching import Switch, Tell, silent
from .telling import stored_name


@dataclass(frozen=True, slots=True)
class _Applied:
    """What applying a policy comes to: its row, and what it changes."""

    row: PolicyRow
    found: Difference
    groups: int
    told_again: int


class Applying(Following):
    """Policies of projects (docs/decisions/0018): one is in force, and all history was told under
    it."""

    declared: Mapping[str, Project]
    projects: Mapping[str, Project]
    clock: Clock
    _store: Store
    _door: Door
    _intake: Intake
    _projects: dict[str, Project]
    _writing: threading.Lock

    def policy(self, project: str, number: int | None = None) -> PolicyAnswer:
        """The policy in force in a project, or the one of this number."""
        self._door.policy(project)
        with self._store.reader() as reader:
            history = policies_of(reader, self.projects[project])
            rows = {row.number: row for row in reader.policies(project)}
        if number is not None and number not in rows:
            raise _no_policy(project, number)
        shown = history[-1] if number is None else history[list(rows).index(number)]
        policy = self.projects[project].policy if number is None else policy_of(rows[number])
        return PolicyAnswer(shown, policy_text(policy), self._is_configured(project, policy))

    def policy_in_force(self, project: str) -> Policy:
        """The rules of a declared project. Raises NotFound."""
        return self._door.policy(project)

    def policies(self, project: str) -> PolicyHistory:
        """Which policies held in a project: since when, by whom, why; the one in force last."""
        self._door.policy(project)
        with self._store.reader() as reader:
            return PolicyHistory(tuple(policies_of(reader, self.projects[project])))

    def unapplied(self) -> list[str]:
        """The projects whose configuration names other rules than those in force, by name."""
        pairs = ((name, one.policy) for name, one in sorted(self.projects.items()))
        return [name for name, policy in pairs if not self._is_configured(name, policy)]

    def apply_policy(
        self, project: str, policy: Policy, by: tuple[str, str], *, tell: Tell = silent
    ) -> AppliedPolicy:
        """Put a policy in force, history included, in one commit; ``by``: author and reason.
        Raises NotFound for an unknown project, and Conflict for a policy under which stored
        events would not be believed; then nothing is changed."""
        check_text(*by)
        self._door.policy(project)
        with self._writing:
            return self._apply(project, policy, by, tell)

    def policy_back(
        self,
        project: str,
        by: tuple[str, str],
        *,
        number: int | None = None,
        tell: Tell = silent,
    ) -> AppliedPolicy:
        """Put the policy in force again that was so before the one that is, or the one of this
        number."""
        check_text(*by)
        self._door.policy(project)
        with self._writing:
            policy = self.policy_before(project, number)
            return self._apply(project, policy, by, tell)

    def policy_before(self, project: str, number: int | None = None) -> Policy:
        """The policy that was in force before the one that is, or the one of this number."""
        self._door.policy(project)
        with self._store.reader() as reader:
            rows = reader.policies(project)
        if number is not None:
            found = [row for row in rows if row.number == number]
            if not found:
                raise _no_policy(project, number)
            return policy_of(found[0])
        if len(rows) < 2:
            fix = "`idweave policy apply` puts another in force."
            raise Conflict(f"No other policy was ever in force in {project!r}.", fix=fix)
        return policy_of(rows[-2])

    # -- applying -------------------------------------------------------------------------------

    def _apply(
        self, project: str, policy: Policy, by: tuple[str, str], tell: Tell
    ) -> AppliedPolicy:
        before = self.projects[project]
        after = replace(before, policy=policy)
        _check_bare_key(before, policy)
        with self._store.reader() as reader:
            if same_rules(before.policy, policy):
                return self._unchanged(reader, before)
            done = self._switch(reader, before, after, (by, tell))
            answer = self._answer(reader, after, done)
        self._projects[project] = after  # first the rules, then that there are others
        self._door.edition += 1
        self._intake.renew(project)
        self._tell_listeners()
        return answer

    def _switch(
        self, reader: Reader, before: Project, after: Project, how: tuple[tuple[str, str], Tell]
    ) -> _Applied:
        """Write it all, in one transaction."""
        by, tell = how
        switch, now_ms = Switch(reader, before, after, self._intake), self.clock()
        switch.look(tell)
        last = Changes()
        self._intake.begin(before.name, now_ms, last)
        row = row_of(self._intake.next_policy(), after, (by[0].strip(), by[1].strip()), now_ms)

        def parts() -> Iterator[Changes]:
            yield from switch.changes(now_ms, tell)
            yield last

        last.policies.append(row)
        self._store.commit(parts())
        self._intake.committed(last)
        return _Applied(row, together(switch.differences), switch.groups, switch.told_again)

    def _answer(self, reader: Reader, project: Project, done: _Applied) -> AppliedPolicy:
        name = project.name
        changes = difference_of(done.found, lambda user: str(stored_name(reader, name, user)))
        configured = self._is_configured(name, project.policy)
        shown = _shown(done.row, None)
        return AppliedPolicy(shown, True, configured, done.groups, done.told_again, changes)

    def _unchanged(self, reader: Reader, project: Project) -> AppliedPolicy:
        shown = policies_of(reader, project)[-1]
        configured = self._is_configured(project.name, project.policy)
        nothing = difference_of(Difference(), str)
        return AppliedPolicy(shown, False, configured, len(reader.groups(project.name)), 0, nothing)

    def _is_configured(self, project: str, policy: Policy) -> bool:
        return same_rules(self.declared[project].policy, policy)


def policies_of(reader: Reader, project: Project) -> list[PolicyInForce]:
    """The policies that held in a project, the one in force last."""
    rows = reader.policies(project.name)
    if not rows:
        said = (project.policy.name, policy_digest(project.policy), *BY_CONFIGURATION)
        return [PolicyInForce(None, project.name, *said, None, None)]
    ends = [row.since_ms for row in rows[1:]]
    return [_shown(row, end) for row, end in zip(rows, [*ends, None], strict=True)]


def _shown(row: PolicyRow, until_ms: int | None) -> PolicyInForce:
    return PolicyInForce(
        str(row.number),
        row.project,
        row.name,
        policy_digest(policy_of(row)),
        row.author,
        row.reason,
        row.since_ms,
        until_ms,
    )


def _no_policy(project: str, number: int) -> NotFound:
    fix = "`idweave policy history` lists them."
    return NotFound(f"There is no policy {number} in project {project!r}.", fix=fix)


def _check_bare_key(project: Project, policy: Policy) -> None:
    """What a bare ``distinct_id`` is, the project's settings say: a key that must stay declared."""
    key = project.bare_distinct_id
    if project.policy.rule(key) is not None and policy.rule(key) is None:
        problem = f"The policy declares no key {key}, which bare distinct_ids of {project.name} are"
        fix = "Declare it, or set the project's `bare_distinct_id`. Nothing was changed."
        raise InputError(f"{problem}.", fix=fix)
