"""The tracker of a service: it keeps nothing, every call says whom it is about."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from typing import Final, Self

from idweave.core.device import stateless
from idweave.core.device.records import time_of
from idweave.core.device.stateless import Draft, Subject
from idweave.core.errors import WrongProcess, WrongType
from idweave.core.identity import Identity

from .clock import Clock, SystemClock
from .consumers.face import Consumer

Properties = Mapping[str, object]

NONE: Final[Properties] = {}


class ServerTracker:
    """Sends what a service knows of its users, as the released Python SDK would.

    ``…_by_id`` and :meth:`bind` take identities; the others one ``distinct_id``, with
    ``is_login_id`` where it is an account. ``$time``, ``$project`` and ``$token`` among the
    properties are the record's own. Raises InputError for what the collector could not use.
    ``project``: of all records that name none. ``time_free``: events may be older than the
    collector's time window (imports). With ``strict`` (the default) a distinct id must be text or
    a whole number; else its ``str()`` is sent. What the consumer raises (a full disk) is raised
    here too: a migration must stop. Thread-safe; in a forked child every call raises WrongProcess.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        project: str | None = None,
        time_free: bool = False,
        strict: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._consumer = consumer
        self._fields: dict[str, object] = {"time_free": True} if time_free else {}
        if project is not None:
            self._fields["project"] = stateless.name("project", project)
        self._strict = strict
        self._clock = clock or SystemClock()
        self._registered: dict[str, object] = {}
        self._last_ms = 0
        self._process = os.getpid()
        self._lock = threading.Lock()

    # -- by one id ---------------------------------------------------------------------------------

    def track(
        self,
        distinct_id: str | int,
        event: str,
        properties: Properties | None = None,
        *,
        is_login_id: bool = False,
    ) -> None:
        """A user did something."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("track", subject, properties or NONE, event))

    def track_signup(
        self, distinct_id: str | int, original_id: str, properties: Properties | None = None
    ) -> None:
        """The anonymous visitor ``original_id`` is the account ``distinct_id``."""
        subject = self._subject(distinct_id)
        self._send(Draft("track_signup", subject, properties or NONE, "$SignUp", original_id))

    def profile_set(
        self, distinct_id: str | int, properties: Properties, *, is_login_id: bool = False
    ) -> None:
        """These are a user's properties now."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_set", subject, properties))

    def profile_set_once(
        self, distinct_id: str | int, properties: Properties, *, is_login_id: bool = False
    ) -> None:
        """As :meth:`profile_set`, for those not set yet."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_set_once", subject, properties))

    def profile_increment(
        self, distinct_id: str | int, properties: Properties, *, is_login_id: bool = False
    ) -> None:
        """Add to a user's numbers."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_increment", subject, stateless.increments(properties)))

    def profile_append(
        self, distinct_id: str | int, properties: Properties, *, is_login_id: bool = False
    ) -> None:
        """Add texts to a user's lists."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_append", subject, stateless.appended(properties)))

    def profile_unset(
        self, distinct_id: str | int, names: Iterable[str], *, is_login_id: bool = False
    ) -> None:
        """A user has these properties no more."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_unset", subject, stateless.unset(names)))

    def profile_delete(self, distinct_id: str | int, *, is_login_id: bool = False) -> None:
        """Forget a user's properties."""
        subject = self._subject(distinct_id, is_login_id=is_login_id)
        self._send(Draft("profile_delete", subject, NONE))

    # -- by identities -----------------------------------------------------------------------------

    def track_by_id(
        self, event: str, properties: Properties | None = None, *identities: Identity
    ) -> None:
        """The user with these identities did something."""
        subject = stateless.by_identities(identities)
        self._send(Draft("track", subject, properties or NONE, event))

    def bind(self, first: Identity, second: Identity, *more: Identity) -> None:
        """These identities are one user's. Sends ``$BindID``."""
        subject = stateless.by_identities([first, second, *more])
        self._send(Draft("track_id_bind", subject, NONE, "$BindID"))

    def unbind(self, identity: Identity) -> None:
        """This identity is its user's no more. Sends ``$UnbindID``."""
        subject = stateless.by_identities([identity])
        self._send(Draft("track_id_unbind", subject, NONE, "$UnbindID"))

    def profile_set_by_id(self, properties: Properties, *identities: Identity) -> None:
        """These are the user's properties now."""
        self._send(Draft("profile_set", stateless.by_identities(identities), properties))

    def profile_set_once_by_id(self, properties: Properties, *identities: Identity) -> None:
        """As :meth:`profile_set_by_id`, for those not set yet."""
        self._send(Draft("profile_set_once", stateless.by_identities(identities), properties))

    def profile_increment_by_id(self, properties: Properties, *identities: Identity) -> None:
        """Add to the user's numbers."""
        numbers = stateless.increments(properties)
        self._send(Draft("profile_increment", stateless.by_identities(identities), numbers))

    def profile_append_by_id(self, properties: Properties, *identities: Identity) -> None:
        """Add texts to the user's lists."""
        lists = stateless.appended(properties)
        self._send(Draft("profile_append", stateless.by_identities(identities), lists))

    def profile_unset_by_id(self, names: Iterable[str], *identities: Identity) -> None:
        """The user has these properties no more."""
        subject = stateless.by_identities(identities)
        self._send(Draft("profile_unset", subject, stateless.unset(names)))

    def profile_delete_by_id(self, *identities: Identity) -> None:
        """Forget the user's properties."""
        self._send(Draft("profile_delete", stateless.by_identities(identities), NONE))

    # -- things, and properties of all events ------------------------------------------------------

    def item_set(self, item_type: str, item_id: str, properties: Properties | None = None) -> None:
        """A thing has these properties."""
        self._item("item_set", item_type, item_id, properties or NONE)

    def item_delete(
        self, item_type: str, item_id: str, properties: Properties | None = None
    ) -> None:
        """A thing is no more."""
        self._item("item_delete", item_type, item_id, properties or NONE)

    def register(self, properties: Properties) -> None:
        """Put these into every event from now on."""
        with self._lock:
            self._registered |= properties

    def clear_register(self) -> None:
        """Put nothing more into every event."""
        with self._lock:
            self._registered.clear()

    # -- the end -----------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Get out what waits; False when some still does after so many seconds."""
        self._check_process()
        return self._consumer.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Flush and stop."""
        if os.getpid() != self._process:
            return True
        return self._consumer.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- inside ------------------------------------------------------------------------------------

    def _subject(self, distinct_id: object, *, is_login_id: bool = False) -> Subject:
        plain = isinstance(distinct_id, (str, int)) and not isinstance(distinct_id, bool)
        if self._strict and not plain:
            raise WrongType(
                f"A distinct id is text, and this is {distinct_id!r}.", fix="Pass it as a str."
            )
        return stateless.by_distinct_id(distinct_id, is_login_id=bool(is_login_id))

    def _send(self, draft: Draft) -> None:
        self._check_process()
        with self._lock:
            now_ms = time_of(draft.type, self._clock.now_ms(), self._last_ms)
            made = stateless.record(draft, self._registered, now_ms)
            if made["time"] == now_ms:  # else the caller said when
                self._last_ms = now_ms
            self._consumer.send({**self._fields, **made})

    def _item(self, kind: str, item_type: object, item_id: object, given: Properties) -> None:
        self._check_process()
        with self._lock:
            now_ms = self._clock.now_ms()
            made = stateless.item_record(kind, item_type, item_id, given, now_ms=now_ms)
            self._consumer.send({**self._fields, **made})

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise WrongProcess(
                "This tracker belongs to the process that forked this one.",
                fix="Make a tracker after the fork.",
            )
