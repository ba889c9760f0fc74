"""The part of the engine's face for operators: state, preview, list, take back."""

from __future__ import annotations

import threading

from idweave.core.graph import User
from idweave.core.identity import Fact
from idweave.core.record import Record
from idweave.ports import Clock, OperatorRow, Reader, Store

from .differing import difference_of
from .door import Door
from .following import Following
from .intake import Delivery, Intake
from .operated import IdentityText, OperatorAnswer, OperatorFact
from .operators import Plan, Planner, Statement
from .retelling import Occasion, retell
from .stating import operator_payload
from .telling import stored_name


class Operating(Following):
    """Operator facts (RESOLUTION.md §8): each is an exact law, and each can be taken back."""

    clock: Clock
    _store: Store
    _door: Door
    _intake: Intake
    _writing: threading.Lock

    def operate(self, project: str, said: Statement, *, dry_run: bool = False) -> OperatorAnswer:
        """State an operator fact, or with ``dry_run`` say what that would change. Raises NotFound
        for what is not known, Conflict for what contradicts or the rules refuse, and InputError;
        then nothing is changed."""
        with self._writing:
            with self._store.reader() as reader:
                plan = self._planner(reader, project).stated(said, self.clock())
                answer = _answer(reader, plan, dry_run=dry_run)
            if not dry_run:
                self._carry_out(plan)
        return answer

    def take_back(
        self, project: str, operator_id: int, by: tuple[str, str], *, dry_run: bool = False
    ) -> OperatorAnswer:
        """Remove an operator fact, as if it had never been stated; ``by``: author and reason."""
        with self._writing:
            with self._store.reader() as reader:
                plan = self._planner(reader, project).removed(operator_id, by, self.clock())
                answer = _answer(reader, plan, dry_run=dry_run)
            if not dry_run:
                self._carry_out(plan)
        return answer

    def operators(self, project: str, *, removed: bool = False) -> list[OperatorFact]:
        """What operators stated, oldest first; with ``removed`` also what was taken back."""
        self._door.policy(project)
        with self._store.reader() as reader:
            rows = reader.operators(project)
        return [operator_fact(row) for row in rows if removed or row.removed_ms is None]

    def _planner(self, reader: Reader, project: str) -> Planner:
        return Planner(reader, project, reader.operators(None), self._door)

    def _carry_out(self, plan: Plan) -> None:
        """Write a plan, in one transaction."""
        project = plan.row.project
        if plan.fact is not None:
            self._intake.accept([_delivery(plan.row, plan.fact)], operators=[plan.row])
            self._tell_listeners()
            return
        row = plan.row
        at_ms = row.stated_ms if row.removed_ms is None else row.removed_ms
        event = f"{row.time_ms}-{row.event_id}" if row.event_id else ""
        occasion = Occasion(at_ms, row.operator_id, event)
        changes = retell(self._intake, project, plan.told, plan.rules, occasion=occasion)
        changes.operators.append(plan.row)
        self._store.commit(changes)
        self._intake.renew(project)
        self._tell_listeners()


def _delivery(row: OperatorRow, fact: Fact) -> Delivery:
    record = Record(fact.event_id, row.kind, fact.time_ms, True, fact)
    payload = operator_payload(row, fact)
    return Delivery(payload, row.stated_ms, ((row.project, record),), row.project, stated=True)


def operator_fact(row: OperatorRow) -> OperatorFact:
    """A row as an answer."""
    return OperatorFact(
        str(row.operator_id),
        row.project,
        row.kind,
        tuple(IdentityText(*identity) for identity in row.identities),
        f"{row.time_ms}-{row.event_id}" if row.event_id else None,
        row.time_ms,
        row.author,
        row.reason,
        row.stated_ms,
        row.removed_ms,
        row.removed_by or None,
        row.removed_because or None,
    )


def _answer(reader: Reader, plan: Plan, *, dry_run: bool) -> OperatorAnswer:
    def name(user: User) -> str:
        return str(stored_name(reader, plan.row.project, user))

    return OperatorAnswer(operator_fact(plan.row), dry_run, difference_of(plan.changes, name))
