"""One device: its state, kept in the storage after every change, and its records, sent."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from idweave.core.device import persistence, properties, start
from idweave.core.device.platforms import PLATFORMS, Form, Platform, platforms_with
from idweave.core.device.records import Stamp, is_good_type, item_draft, record_of, time_of
from idweave.core.device.state import NOTHING, DeviceState, Draft, Ids, Outcome, ids_of, who
from idweave.core.device.values import NEVER_RIGHT, NO_CHANGE, Refusal, RefusalCode
from idweave.core.errors import (
    ConfigError,
    InputError,
    StoreError,
    UnsupportedCall,
    WrongProcess,
    WrongType,
)

from .clock import Chance, Clock, SystemChance, SystemClock, timezone_offset, visit_at
from .consumers.face import Consumer
from .storage import DeviceStorage, MemoryStorage

log = logging.getLogger("idweave.sdk")

Properties = Mapping[str, object]

NO_PROPERTIES: Final[Properties] = NOTHING


@dataclass(frozen=True, slots=True)
class TrackerOptions:
    """What an app may say of itself.

    ``app_id``: the WeChat app's, which is in the key of its OpenIDs. ``identify_id``: the anonymous
    id of a first start (``sa-sdk-mini``). ``sdk_id``: keeps two trackers of one storage apart.
    ``host``: web only, keeps the visitor to this host instead of its whole domain. ``disguised``:
    the released SDKs' ``encrypt_storage``. ``presets``: properties of every event, such as
    ``$app_version``. ``strict``: what can never be right is raised, not just logged.
    """

    app_id: str | None = None
    identify_id: str | None = None
    sdk_id: str = ""
    host: str | None = None
    disguised: bool = False
    presets: Properties = field(default_factory=lambda: NO_PROPERTIES)
    strict: bool = True


class Device:
    """What every call of a tracker goes through: the platform's rule, the storage, the consumer."""

    def __init__(
        self,
        platform: str,
        consumer: Consumer,
        *,
        storage: DeviceStorage | None = None,
        options: TrackerOptions | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
    ) -> None:
        self._platform = device_platform(platform)
        self._consumer = consumer
        self._storage = storage if storage is not None else MemoryStorage()
        self._options = options or TrackerOptions()
        self._clock = clock or SystemClock()
        self._chance = chance or SystemChance()
        self._session: dict[str, object] = {}
        self._last_ms = 0
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._closed = False
        self._key = storage_key(self._platform, self._options)
        self._started_ms = self._clock.now_ms()
        self._stored = self._storage.read(self._key)
        stored = persistence.decode(self._stored)
        self._is_first_visit = stored is None
        outcome = self._begin(stored)
        self._state = outcome.state
        self._finish(outcome)

    def _begin(self, stored: dict[str, Any] | None) -> Outcome:
        options = start.Options(self._options.app_id, self._options.identify_id)
        if stored is None:
            visit = visit_at(self._clock, self._started_ms)
            return start.first_start(self._platform, visit, self._chance.new_id, options)
        return start.resume(self._platform, stored, self._chance.new_id, options)

    @property
    def platform(self) -> Platform:
        """The row of the platform table this tracker follows."""
        return self._platform

    @property
    def state(self) -> DeviceState:
        """What the device remembers: a value, for support and for tests."""
        self._check_process()
        with self._lock:
            return self._state

    # -- the end -----------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Get out what waits; False when some still does after so many seconds."""
        self._check_process()
        return self._consumer.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Flush and stop. The storage stays yours to close."""
        with self._lock:
            if self._closed or os.getpid() != self._process:
                return True
            self._closed = True
        return self._consumer.close(timeout_s)

    def _require(self, call: str) -> None:
        self._check_process()
        if call not in self._platform.calls:
            having = tuple(name for name in platforms_with(call) if name != "python")
            raise UnsupportedCall(
                f"{call} does not exist on {self._platform.name}.",
                platforms=having,
                fix=f"These platforms have it: {', '.join(having) or 'none'}.",
            )

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise WrongProcess(
                "This tracker belongs to the process that forked this one.",
                fix="Make a tracker after the fork, with a storage of its own.",
            )

    def _ids(self) -> Ids:
        self._check_process()
        with self._lock:
            return ids_of(self._platform, self._state)

    def _do(self, call: str, rule: Callable[[Platform, DeviceState], Outcome]) -> bool:
        self._require(call)
        with self._lock:
            outcome = rule(self._platform, self._state)
            refusal = outcome.refusal
            if refusal is None:
                self._finish(outcome)
                return True
        return self._refuse(call, refusal)

    def _refuse(self, call: str, refusal: Refusal) -> bool:
        if self._options.strict and refusal.code in NEVER_RIGHT:
            kind = WrongType if refusal.code is RefusalCode.BAD_TYPE else InputError
            raise kind(f"{call}: {refusal.reason}", fix=refusal.fix)
        log.log(
            logging.DEBUG if refusal.code in NO_CHANGE else logging.WARNING,
            "%s did nothing (%s): %s",
            call,
            refusal.code,
            refusal,
        )
        return False

    def _finish(self, outcome: Outcome, extra: Properties = NO_PROPERTIES) -> None:
        """Send, then keep the state. A kill in between repeats a record, which the collector knows;
        the other way round a login or an unbind could be lost for good."""
        try:
            for draft in outcome.drafts:
                self._send(draft, extra)
        finally:
            self._state = outcome.state
            self._save()

    def _save(self) -> None:
        value = persistence.encode(self._platform, self._state, disguised=self._options.disguised)
        if value == self._stored:
            return
        try:
            self._storage.write(self._key, value)
            self._stored = value
        except StoreError as error:
            log.warning("the visitor's ids live in memory only: %s", error)

    def _keep(self, change: Callable[[Properties], Properties]) -> None:
        """Change the registered properties."""
        with self._lock:
            kept = properties.cleaned(change(self._state.props or {}), self._platform.rules)
            self._finish(Outcome(replace(self._state, props=kept)))

    def _draft(self, kind: str, event: object = None) -> Draft:
        return Draft(kind, who(self._platform, self._state), event)

    def _given(self, given: object) -> Properties:
        """The app's properties; what is no mapping is told, and none."""
        if given is None or isinstance(given, Mapping):
            return given or NO_PROPERTIES
        self._object(f"Properties are a mapping of names to values, not {given!r}.", given)
        return NO_PROPERTIES

    def _profile(self, kind: str, properties_given: object) -> None:
        self._require(kind)
        given = self._given(properties_given)
        with self._lock:
            shaped = properties.SHAPES[kind](given, self._platform.rules)
            if shaped is None:
                self._object(f"{kind} takes numbers only.", given)
                return
            self._send(self._draft(kind), shaped)

    def _item(self, kind: str, item_type: object, item_id: object, given: object) -> None:
        self._require(kind)
        if not is_good_type(item_type):
            self._object(f"{item_type!r} is no name of a type.", item_type)
        with self._lock:
            self._send(item_draft(kind, item_type, item_id), self._given(given))

    def _object(self, reason: str, what: object) -> None:
        """Tell the app of what the released SDK lets pass."""
        if self._options.strict:
            kind = InputError if isinstance(what, (str, float)) else WrongType
            raise kind(reason, fix="See docs/reference/platforms.md.")
        log.warning("%s", reason)

    def _send(self, draft: Draft, given: Properties = NO_PROPERTIES) -> None:
        if self._closed:
            log.warning("%s came after close() and is not sent", draft.event or draft.type)
            return
        now_ms = self._time_ms(draft.type, given.get("$time"))
        shaped = properties.cleaned(
            {k: v for k, v in given.items() if not (k == "$time" and isinstance(v, datetime))},
            self._platform.rules,
        )
        if draft.event is not None or draft.type == "track":
            shaped = {**self._presets(now_ms), **shaped}
        stamp = Stamp(now_ms, self._chance.track_id())
        self._deliver(record_of(self._platform, draft, shaped, stamp))

    def _deliver(self, record: dict[str, Any]) -> None:
        """A consumer that cannot take it must not end the app, but the app's log must say so."""
        try:
            self._consumer.send(record)
        except StoreError as error:
            log.error("a record is lost: %s", error)

    def _time_ms(self, kind: str, given: object) -> int:
        rising = self._platform.rules.rising_time
        if isinstance(given, datetime):
            said_ms = int(given.timestamp() * 1000)
            if not rising:
                return said_ms
        else:
            said_ms = time_of(kind, self._clock.now_ms(), self._last_ms)
        self._last_ms = max(said_ms, self._last_ms + 1) if rising else said_ms
        return self._last_ms

    def _presets(self, now_ms: int) -> dict[str, object]:
        given = {**self._options.presets, **self._session, **(self._state.props or {})}
        return {
            "$lib": self._platform.lib,
            "$lib_version": self._platform.version,
            "$timezone_offset": timezone_offset(self._clock, now_ms),
            **properties.cleaned(given, self._platform.rules),
        }


def device_platform(name: str) -> Platform:
    """The row of a platform with a device; ConfigError, naming all, for another name."""
    row = PLATFORMS.get(name)
    if row is None or row.form is Form.NONE:
        known = ", ".join(n for n, r in PLATFORMS.items() if r.form is not Form.NONE)
        hint = " For servers there is ServerTracker." if row is not None else ""
        raise ConfigError(f"There is no device platform {name!r}.{hint}", fix=f"Use: {known}.")
    return row


def storage_key(platform: Platform, options: TrackerOptions) -> str:
    """Where the released SDK would keep this visitor."""
    if platform.form is Form.COOKIE and options.host is not None:
        return f"sa_jssdk_2015_{options.sdk_id}{options.host.replace('.', '_')}"
    return platform.storage_key + options.sdk_id
