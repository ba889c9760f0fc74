"""The part of the engine's face for operators: state, preview, list, take back."""

from __future__ import annotations

import threading
from dataclasses import replace

from idweave.core.errors import Conflict, StoreError
from idweave.core.graph import User
from idweave.core.identity import Fact
from idweave.core.record import Record
from idweave.ports import Clock, OperatorRow, Reader, Store

from .differing import difference_of
from .door import Door
from .erased import Erasing, ErasureAnswer
from .erasing import Eraser
from .following import Following
from .intake import Delivery, Intake
from .operated import IdentityText, OperatorAnswer, OperatorFact
from .operators import Plan, Planner, Statement
from .retelling import Occasion, retell
from .stating import operator_payload
from .suppressing import KEY_BYTES, Chance, Guard
from .telling import stored_name


class Operating(Following):
    """Operator facts (RESOLUTION.md §8): each is an exact law, and each can be taken back."""

    clock: Clock
    _store: Store
    _door: Door
    _intake: Intake
    _guard: Guard
    _chance: Chance
    _writing: threading.Lock

    def operate(self, project: str, said: Statement, *, dry_run: bool = False) -> OperatorAnswer:
        """State an operator fact, or with ``dry_run`` say what that would change. Raises NotFound
        for what is not known, Conflict for what contradicts or the rules refuse, and InputError;
        then nothing is changed."""
        with self._writing:
            with self._store.reader() as reader:
                plan = self._planner(reader, project).stated(said, self.clock())
                self._check_erased(project, plan)
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

    def erase(self, project: str, said: Erasing, *, dry_run: bool = False) -> ErasureAnswer:
        """Erase a person or identities physically, or with ``dry_run`` say what would go. What is
        left is as if it had never been seen. Raises NotFound and InputError, and then nothing is
        changed. Takes as long as reading and writing the whole store; nobody else writes then."""
        self._door.policy(project)
        with self._writing:
            with self._store.reader() as reader:
                remembered = reader.erased()
                if not remembered.key:
                    remembered = replace(remembered, key=self._chance(KEY_BYTES))
                eraser = Eraser(
                    reader,
                    self._door.project(project),
                    self._door,
                    intake=self._intake,
                    remembered=remembered,
                )
                answer, changes = eraser.plan(said, self.clock(), dry_run=dry_run)
            if dry_run:
                return answer
            self._store.commit(changes)
            self._intake.renew(project)
            self._guard.renew()
            self._tell_listeners()
            try:
                self._store.scrub()
            except StoreError:  # it is erased; its bytes go when the store is opened next
                return answer
        return replace(answer, is_scrubbed=True)

    def operators(self, project: str, *, removed: bool = False) -> list[OperatorFact]:
        """What operators stated, oldest first; with ``removed`` also what was taken back."""
        self._door.policy(project)
        with self._store.reader() as reader:
            rows = reader.operators(project)
        return [operator_fact(row) for row in rows if removed or row.removed_ms is None]

    def _check_erased(self, project: str, plan: Plan) -> None:
        if plan.fact is not None and self._guard.keeps_out(project, plan.fact):
            fix = "Name a time after the erasure; `idweave operator list` shows when that was."
            raise Conflict("It is about somebody who was erased.", fix=fix)

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
        first = self._intake.beginning(project)
        occasion = Occasion(at_ms, row.operator_id, event, first=first)
        changes = retell(
            self._intake, project, plan.told, plan.rules, sides=plan.sides, occasion=occasion
        )
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
        dict(row.counts) or None,
    )


def _answer(reader: Reader, plan: Plan, *, dry_run: bool) -> OperatorAnswer:
    def name(user: User) -> str:
        return str(stored_name(reader, plan.row.project, user))

    return OperatorAnswer(operator_fact(plan.row), dry_run, difference_of(plan.changes, name))
