"""Facts without records, as operators and syncs state them: kept in payloads as records are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from idweave.core.identity import KIND_OF_TYPE, Fact, Identity, Kind
from idweave.core.record import Record
from idweave.ports import OperatorRow

FACT_TYPES = {
    Kind.OBSERVE: "track",
    Kind.LOGIN: "track_signup",
    Kind.BIND: "track_id_bind",
    Kind.UNBIND: "track_id_unbind",
    Kind.DETACH: "detach",
    Kind.RELEASE: "release",
}
"""The type of record that a fact without one is shown as."""


def record_of(fact: Fact) -> Record:
    """The record that stands for a fact."""
    return Record(fact.event_id, FACT_TYPES[fact.kind], fact.time_ms, True, fact)


def stated_payload(facts: Iterable[Fact]) -> bytes:
    """Facts as a payload: gzip of a JSON array, one object a fact."""
    rows = list(map(_row, facts))
    return gzip.compress(json.dumps(rows, ensure_ascii=False).encode(), 6, mtime=0)


def _row(fact: Fact) -> dict[str, Any]:
    return {
        "type": FACT_TYPES[fact.kind],
        "time": fact.time_ms,
        "event_id": fact.event_id,
        "identities": [list(identity) for identity in fact.identities],
        "distinct_id": fact.distinct_id,
    }


def stated_record(raw: Mapping[str, Any]) -> Record:
    """The record of one object of such a payload."""
    identities = tuple(Identity(key, value) for key, value in raw["identities"])
    kind = KIND_OF_TYPE[raw["type"]]
    fact = Fact(raw["time"], raw["event_id"], kind, identities, raw["distinct_id"])
    return Record(fact.event_id, raw["type"], fact.time_ms, True, fact)


def operator_payload(row: OperatorRow, fact: Fact) -> bytes:
    """What an operator states of the log, as a payload: the fact, who said it and why."""
    said = _row(fact) | {"type": row.kind, "author": row.author, "reason": row.reason}
    return gzip.compress(json.dumps([said], ensure_ascii=False).encode(), 6, mtime=0)
