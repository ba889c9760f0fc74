"""Which policy is in force: the one that a project's graph was made under, whatever the
configuration says today (docs/decisions/0018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from idweave.core.policy import Policy
from idweave.core.policy_file import parse_policy
from idweave.core.policy_text import policy_text, same_rules
from idweave.core.record import Project
from idweave.ports import PolicyRow, Reader, Store

BY_CONFIGURATION = ("configuration", "The configuration named it when the project began.")
"""Author and reason of a policy that nobody applied."""


def row_of(number: int, project: Project, by: tuple[str, str], since_ms: int) -> PolicyRow:
    """A project's policy as a row; ``by``: author and reason."""
    policy = project.policy
    return PolicyRow(number, project.name, policy.name, policy_text(policy), *by, since_ms)


def policy_of(row: PolicyRow) -> Policy:
    """The policy of a row."""
    return parse_policy(row.text, file=f"policy {row.number}")


def in_force(reader: Reader, declared: Mapping[str, Project]) -> dict[str, Project]:
    """The declared projects, each with the policy in force: the last one that the store has for
    it, or where it has none the declared one."""
    found = dict(declared)
    for row in _last(reader.policies(None)):
        project = found.get(row.project)
        if project is not None and row.text != policy_text(project.policy):
            policy = policy_of(row)
            if not same_rules(policy, project.policy):
                found[row.project] = replace(project, policy=policy)
    return found


def projects_in_force(store: Store, declared: Mapping[str, Project]) -> dict[str, Project]:
    """As :func:`in_force`, of a store."""
    with store.reader() as reader:
        return in_force(reader, declared)


def _last(rows: Iterable[PolicyRow]) -> list[PolicyRow]:
    return list({row.project: row for row in rows}.values())
