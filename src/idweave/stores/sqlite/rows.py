"""Columns of tables as the rows of :mod:`idweave.ports`."""

from __future__ import annotations

import json
from typing import Any

from idweave.core.identity import Identity
from idweave.ports import OperatorRow, PayloadRow, UserRow

from .codec import order_of

USER = "name, founder_ms, founder_kind, founder_event, founder_set, merged_into, gone"
"""The columns that :func:`user_of` takes."""


def user_of(row: tuple[Any, ...]) -> UserRow:
    """The columns of ``USER`` as a row."""
    name, time_ms, kind, event, founder_set, merged_into, gone = row
    return UserRow(name, order_of(time_ms, kind, event), founder_set, merged_into, bool(gone))


def payload_of(row: tuple[Any, ...]) -> PayloadRow:
    """A row of the table of payloads."""
    payload_id, project, received_at_ms, body, stated = row
    return PayloadRow(payload_id, project, received_at_ms, body, stated=bool(stated))


def operator_of(row: tuple[Any, ...]) -> OperatorRow:
    """A row of the table of operator facts."""
    number, project, kind, said, *rest = row
    identities = tuple(Identity(key, value) for key, value in json.loads(said))
    rest[-1] = tuple((name, count) for name, count in json.loads(rest[-1]))
    return OperatorRow(number, project, kind, identities, *rest)
