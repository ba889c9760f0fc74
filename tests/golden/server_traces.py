"""Replays recorded traces of the released Python SDK on our server tracker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from idweave.core.errors import InputError
from idweave.core.identity import Identity
from idweave.sdk import CallConsumer, ServerTracker

from .device_player import BEIJING, TraceClock
from .device_traces import WHO, plain_date

Trace = dict[str, Any]
Step = dict[str, Any]


def decoded(value: Any) -> Any:
    """An argument as the service gave it."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$identity" in value:
        return Identity(*map(decoded, value["$identity"]))
    match value.get("$py"):
        case None:
            return {name: decoded(item) for name, item in value.items()}
        case "repeat":
            return value["v"][0] * value["v"][1]
        case "datetime":
            return datetime(*value["v"]).replace(tzinfo=BEIJING)  # noqa: DTZ001
        case "date":
            return date(*value["v"])
        case other:
            raise AssertionError(f"no such value: {other}")


def with_flag(name: str, before: int) -> Callable[..., Any]:
    """A call whose ``is_login_id`` is by place in the released SDK and by name in ours."""

    def play(tracker: ServerTracker, *args: Any) -> Any:
        flag = {"is_login_id": args[before]} if len(args) > before else {}
        return getattr(tracker, name)(*args[:before], **flag)

    return play


FLAGGED = {
    "track": 3,
    "profile_set": 2,
    "profile_set_once": 2,
    "profile_increment": 2,
    "profile_append": 2,
    "profile_unset": 2,
    "profile_delete": 1,
}
RENAMED = {
    "register_super_properties": "register",
    "clear_super_properties": "clear_register",
}


def call(tracker: ServerTracker, name: str, args: list[Any]) -> Any:
    if name in FLAGGED:
        return with_flag(name, FLAGGED[name])(tracker, *args)
    return getattr(tracker, RENAMED.get(name, name))(*args)


def essence(record: dict[str, Any]) -> dict[str, Any]:
    said = {name: record[name] for name in (*WHO, "project", "token") if name in record}
    props = record["properties"] or {}
    said["properties"] = {k: plain_date(v) for k, v in props.items()}
    return said


THREW: dict[str, type[Exception]] = {
    "SensorsAnalyticsIllegalDataException": InputError,
    "TypeError": TypeError,
    "ValueError": InputError,
    "AttributeError": InputError,
}


def replayed(trace: Trace) -> Iterator[str]:
    """Play a trace; yields how each step differs that does."""
    records: list[dict[str, Any]] = []
    consumer = CallConsumer(lambda record: records.append(dict(record)))
    options = trace["init_options"]
    tracker = ServerTracker(
        consumer,
        project=options.get("project_name"),
        time_free=bool(options.get("enable_time_free")),
        strict=False,
        clock=TraceClock(),
    )
    for number, step in enumerate(trace["steps"]):
        records.clear()
        where = f"{number} {step['call']}"
        threw = step.get("threw")
        kind = THREW[threw.partition(":")[0]] if threw else None
        try:
            returned = call(tracker, step["call"], decoded(step["args"]))
        except (InputError, TypeError) as error:
            if kind is None or not isinstance(error, kind):
                yield f"{where}: raised {error!r}, recorded {threw}"
            continue
        if kind is not None:
            yield f"{where}: nothing was raised, recorded {threw}"
        if returned != step["returned"]:
            yield f"{where}: returned {returned!r}, recorded {step['returned']!r}"
        yield from (f"{where}: {text}" for text in differences(records, step["events"]))


def differences(ours: list[dict[str, Any]], events: list[dict[str, Any]]) -> Iterator[str]:
    if list(map(essence, ours)) != list(map(essence, events)):
        yield f"{list(map(essence, ours))}, recorded {list(map(essence, events))}"
    for made, event in zip(ours, events, strict=False):
        if isinstance(event["time"], int) and made["time"] != event["time"]:
            yield f"time {made['time']}, recorded {event['time']}"
