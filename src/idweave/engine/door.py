"""The door: a decoded request becomes a delivery, each record checked by its project's rules."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from idweave.core.errors import NotFound
from idweave.core.policy import Policy
from idweave.core.record import (
    Code,
    Project,
    Record,
    Rejection,
    parse_decoded,
    project_of,
    token_of,
)
from idweave.ports import PayloadRow
from idweave.wire import Decoded, read_payload

from .intake import DEFAULT_PROJECT, UNKNOWN_PROJECT, Delivery, Parsed, places_of
from .stating import stated_record


class Sender(NamedTuple):
    """What a request says of all its records: the URL's project and token, and when it came."""

    project: str
    token: str | None
    received_at_ms: int


class Door:
    """Checks what comes in against the declared projects. Pure, and safe in any thread."""

    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects
        self.edition = 0
        """How often a policy was changed since the start. Records that were checked before that
        are checked again before they are believed."""

    def parse(self, decoded: Decoded, received_at_ms: int, *, live: bool = True) -> Delivery:
        """What a request holds. ``live=False`` (imports) leaves the time window unchecked."""
        edition = self.edition  # before any rule is looked at
        named = decoded.project or DEFAULT_PROJECT
        counted = named if named in self._projects else UNKNOWN_PROJECT
        if decoded.rejection is not None:
            items: tuple[Parsed, ...] = ((counted, decoded.rejection),)
            return Delivery(decoded.payload, received_at_ms, items, named, whole=True)
        sender = Sender(named, decoded.token, received_at_ms)
        items = tuple(
            (counted, raw) if isinstance(raw, Rejection) else self._checked(raw, sender, live=live)
            for raw in decoded.records
        )
        return Delivery(
            decoded.payload,
            received_at_ms,
            items,
            named,
            decoded.crc_ok is False,
            edition=edition,
        )

    def renewed(self, delivery: Delivery) -> Delivery:
        """A delivery as today's rules have it. What was rejected stays so until it is retried."""
        if delivery.edition is None or delivery.edition == self.edition:
            return delivery
        edition, records = self.edition, read_payload(delivery.payload)
        said = PayloadRow(0, delivery.project, delivery.received_at_ms, delivery.payload)
        items = tuple(
            self.again(records[nth], said, vouched=True) if isinstance(item, Record) else (of, item)
            for nth, (of, item) in zip(places_of(delivery), delivery.items, strict=True)
        )
        return replace(delivery, items=items, edition=edition)

    def _checked(self, raw: Mapping[str, Any], by: Sender, *, live: bool) -> Parsed:
        """One record: its project, and the record or why it is none."""
        name = project_of(raw, by.project)
        project = self._projects.get(name)
        if project is None:
            return UNKNOWN_PROJECT, _unknown(name)
        if project.token is not None and not _same(project.token, token_of(raw, by.token)):
            return name, _BAD_TOKEN
        return name, parse_decoded(raw, project, by.received_at_ms, live=live)

    def policy(self, project: str) -> Policy:
        """The policy of a declared project. Raises NotFound."""
        return self.project(project).policy

    def project(self, project: str) -> Project:
        """A declared project. Raises NotFound."""
        declared = self._projects.get(project)
        if declared is None:
            known = ", ".join(sorted(self._projects))
            raise NotFound(f"No project {project!r} is declared.", fix=f"There are: {known}.")
        return declared

    def again(
        self, raw: Mapping[str, Any] | Rejection, said: PayloadRow, *, vouched: bool
    ) -> Parsed:
        """A stored record under today's rules. ``vouched``: it passed the door before, or a person
        says that it may; then neither its token nor its age is asked for."""
        if isinstance(raw, Rejection):
            return said.project, raw
        if said.stated:
            return said.project, stated_record(raw)
        if not vouched:
            return self._checked(raw, Sender(said.project, None, said.received_at_ms), live=True)
        name = project_of(raw, said.project)
        project = self._projects.get(name)
        if project is None:
            return UNKNOWN_PROJECT, _unknown(name)
        return name, parse_decoded(raw, project, said.received_at_ms, live=False)


def _unknown(name: str) -> Rejection:
    return Rejection(
        Code.UNKNOWN_PROJECT,
        "project",
        f"There is no project {name[:100]!r}.",
        "Declare it in the configuration, then retry the rejection; or mend the sender's URL.",
    )


_BAD_TOKEN = Rejection(
    Code.BAD_TOKEN,
    "token",
    "The token is missing or not the project's.",
    "Give the sender the project's token, then retry the rejection.",
)


def _same(expected: str, given: str | None) -> bool:
    """Compare in constant time: how long it takes must not tell how much of a guess is right."""
    return hmac.compare_digest(expected.encode(), (given or "").encode("utf-8", "replace"))
