"""Pairs of ids as records of the wire protocol, and where they go.

Both sinks take the same record, so a fact has one event id however it reached the graph, and
sending it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from idweave.core.identity import Fact, Identity, Kind
from idweave.engine.answers import Receipt
from idweave.engine.intake import Delivery
from idweave.wire import Decoded, decode, encode_data_list

from .errcodes import Action
from .errors import PlatformError, Refused
from .ports import Clock, Delivered, Request, Transport, TransportFailed, WireRecord
from .secret import Secret
from .sending import FORM_TYPE
from .state import Alarm

RECORDS_PER_DELIVERY = 1000
"""Facts of one request: 100 kB compressed, a fifth of what the collector takes."""

EVENT = "$UnionIdSeen"
LIBRARY = "idweave-unionid"


def pair_record(
    identities: Sequence[Identity], seen_from_ms: int, origin: str = "platform"
) -> WireRecord:
    """The record that binds identities that the platform says are one person, from then on.
    The strongest comes first. ``origin``: ``platform``, ``login`` or ``migration``."""
    first = identities[0]
    return {
        "type": "track_id_bind",
        "event": EVENT,
        "distinct_id": f"{first.key}+{first.value}",
        "time": seen_from_ms,
        "time_free": True,
        "identities": dict(identities),
        "properties": {"$lib": LIBRARY, "origin": origin},
        "_track_id": _number("pair", *map(str, identities), str(seen_from_ms)),
    }


def rebind_facts(alarm: Alarm, keys: tuple[str, str], now_ms: int) -> tuple[Fact, Fact]:
    """What repairs a union id that changed: the old one leaves its user and nothing else does,
    then the openid is bound to the new one. ``keys``: of union id and openid."""
    union_key, openid_key = keys
    old = Identity(union_key, alarm.old_unionid)
    pair = (Identity(union_key, alarm.new_unionid), Identity(openid_key, alarm.openid))
    # one per person and not per account: the same old id leaves once
    ended = _digest("rebind", str(old), alarm.new_unionid, str(now_ms))
    begun = _digest("rebound", *map(str, pair), str(now_ms))
    return (
        Fact(now_ms, ended, Kind.DETACH, (old,)),
        Fact(now_ms, begun, Kind.BIND, pair, f"{union_key}+{alarm.new_unionid}"),
    )


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _number(*parts: str) -> int:
    """A positive number that the same parts always give, as the SDKs' `_track_id` is one."""
    digest = blake2b("\0".join(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


# -- sinks -----------------------------------------------------------------------------------------


class Accepts(Protocol):
    """What a sink needs of the engine."""

    def parse(self, decoded: Decoded, received_at_ms: int, *, live: bool = True) -> Delivery:
        """Check a decoded request."""
        ...

    def accept(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Make deliveries durable."""
        ...


class EngineSink:
    """Straight into a store that no server has open, by the same door."""

    def __init__(self, engine: Accepts, project: str, clock: Clock) -> None:
        self._engine = engine
        self._query = f"project={project}"
        self._clock = clock

    def put(self, records: Sequence[WireRecord]) -> Delivered:
        """See :class:`idweave.unionid.ports.Sink`. Raises StoreError when it could not be kept."""
        decoded = decode(encode_data_list(records), self._query)
        delivery = self._engine.parse(decoded, self._clock(), live=False)
        receipt = self._engine.accept([delivery])[0]
        return Delivered(len(records), receipt.duplicates, receipt.rejected)


class CollectorSink:
    """To a running collector, as any SDK sends; it answers 200 once everything is durable."""

    def __init__(self, transport: Transport, url: str, token: Secret | None = None) -> None:
        self._transport = transport
        self._url = url
        self._token = token

    def put(self, records: Sequence[WireRecord]) -> Delivered:
        """See :class:`idweave.unionid.ports.Sink`. Raises PlatformError when it did not take
        them."""
        marked = [_with_token(record, self._token) for record in records]
        request = Request("POST", self._url, encode_data_list(marked), FORM_TYPE)
        try:
            reply = self._transport.send(request)
        except TransportFailed as failed:
            raise _collector_error(Action.UNREACHABLE, str(failed)) from None
        if reply.status != 200:
            meaning = f"the collector answered HTTP {reply.status} and did not take the facts"
            raise _collector_error(Action.RETRY, meaning)
        return Delivered(len(records))


class CountingSink:
    """Takes records and keeps nothing: for runs that only fill the state file."""

    def put(self, records: Sequence[WireRecord]) -> Delivered:
        """See :class:`idweave.unionid.ports.Sink`."""
        return Delivered(len(records), 0, 0)


def _with_token(record: WireRecord, token: Secret | None) -> Mapping[str, Any]:
    return record if token is None else {**record, "token": token.reveal()}


def _collector_error(action: Action, meaning: str) -> PlatformError:
    return PlatformError.saying(Refused(action, meaning, endpoint="collector"))


def deliveries(records: Sequence[WireRecord]) -> Iterator[Sequence[WireRecord]]:
    """The records in requests of a bounded size."""
    for start in range(0, len(records), RECORDS_PER_DELIVERY):
        yield records[start : start + RECORDS_PER_DELIVERY]
