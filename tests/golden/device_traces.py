"""Compares recorded traces of the released SDKs with what our trackers do.

Which traces count, which are left out and where we differ on purpose is computed from the trace
itself, never from its name: the same rules hold for any folder of vectors of these builds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from idweave.core.device import PLATFORMS
from idweave.core.device.state import DeviceState, LoginRecord
from idweave.core.device.values import ABSENT
from idweave.core.errors import UnsupportedCall

from .device_player import Device, Step, Trace, decoded, name_of, said_state

# -- which traces count ----------------------------------------------------------------------------

ASYNCHRONOUS = {
    "@sync": "calls in one tick, before the start-up queue has run",
    "@net": "the host's network fails and the SDK's own retry runs",
    "@page": "the host's page life cycle",
    "@app": "the host's app life cycle",
    "@goto": "another page of another host",
    "@switch_sdk_version": "an older build ran before",
    "@setPara": "settings changed in between",
    "disableSDK": "the SDK switched off",
    "enableDataCollect": "the compliance switch",
}


def left_out(trace: Trace) -> str | None:
    """Why a trace is not compared; None if it is."""
    if trace.get("js_only"):
        return "depends on what JavaScript objects are"
    row = PLATFORMS.get(name_of(trace))
    if row is None or row.version != trace["version"]:
        return f"{trace['sdk']} {trace['version']} is not a current build"
    calls = [step["call"] for step in trace["steps"]]
    for start, reason in ASYNCHRONOUS.items():
        exact = not start.startswith("@") or start in ("@sync", "@net", "@goto", "@setPara")
        used = [c for c in calls if (c == start if exact else c.startswith(start))]
        if used:
            return f"{used[0]}: {reason}"
    if trace["steps"][0]["call"] != "@init":
        return f"{calls[0]} comes before @init: the start-up queue"
    return None


# -- where we differ on purpose --------------------------------------------------------------------

INIT_DIES = "init-dies"
NO_DISTINCT_ID = "unbind-empties-distinct-id"
WITHOUT_ID = "id2-without-id"


def causes(trace: Trace) -> list[str | None]:
    """The named deviation each step runs into, by what was recorded (docs/decisions/0010)."""
    found: list[str | None] = []
    before: Mapping[str, Any] | None = None
    for step in trace["steps"]:
        found.append(_cause(trace, step, before))
        before = step["state_after"]
    return found


def _cause(trace: Trace, step: Step, before: Mapping[str, Any] | None) -> str | None:
    if step["call"] in ("@init", "@restart") and "threw" in step:
        return INIT_DIES
    if trace["idm"] == 2 and step["call"] == "login" and not is_id(first_argument(step)):
        return WITHOUT_ID
    empties = is_possible(trace, before) and not is_possible(trace, step["state_after"])
    if not empties:
        return None
    return WITHOUT_ID if trace["idm"] == 2 else NO_DISTINCT_ID


def deviations(trace: Trace) -> list[str]:
    return sorted({found for found in causes(trace) if found is not None})


def first_argument(step: Step) -> Any:
    return decoded(step["args"][0]) if step["args"] else ABSENT


def is_id(value: Any) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value)
    return isinstance(value, str) and value != ""


def is_possible(trace: Trace, state: Mapping[str, Any] | None) -> bool:
    """Whether a recorded state is one that our device can be in."""
    if state is None or not is_id(state["raw_distinct_id"]):
        return False
    return trace["idm"] == 2 or state["history_login_id"] is not None


def state_of(recorded: Mapping[str, Any]) -> DeviceState:
    """The recorded state as one of ours, to go on from after a deviation."""
    history = recorded["history_login_id"]
    return DeviceState(
        recorded["raw_distinct_id"],
        recorded["first_id"],
        recorded["identities"],
        None if history is None else LoginRecord(history["name"], history["value"]),
        openid=recorded.get("openid"),
        props=recorded.get("props"),
        shadow_distinct_id=recorded.get("mem_distinct_id"),
        shadow_first_id=recorded.get("mem_first_id"),
    )


# -- comparing -------------------------------------------------------------------------------------

WHO = (
    "type",
    "event",
    "distinct_id",
    "identities",
    "anonymous_id",
    "login_id",
    "original_id",
    "item_type",
    "item_id",
)


def plain_date(value: Any) -> Any:
    """Times differ in how many digits a millisecond has; compared is when it was."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,3}", value):
        whole, _, ms = value.partition(".")
        return f"{whole}.{int(ms):03}"
    return value


def essence(record: Mapping[str, Any], *, compact: bool) -> dict[str, Any]:
    """What of a record is compared: who it is about, its kind, and the app's own properties."""
    said = {name: record[name] for name in WHO if name in record}
    if compact:
        return said
    props = record.get("properties") or {}
    said["properties"] = {k: plain_date(v) for k, v in props.items() if not k.startswith("$")}
    return said


def in_order(records: list[dict[str, Any]], *, ordered: bool) -> list[dict[str, Any]]:
    key = lambda record: json.dumps(record, sort_keys=True)  # noqa: E731
    return records if ordered else sorted(records, key=key)


def unsupported(step: Step) -> bool:
    threw = str(step.get("threw", ""))
    return threw == "API_NOT_PRESENT" or threw.startswith("TypeError")


def differences(device: Device, step: Step, returned: Any) -> Iterator[str]:
    """What differs between a recorded step and ours, one sentence each."""
    trace = device.trace
    compact = bool(trace.get("compact"))
    ordered = trace["platform"] != "web"
    want = in_order([essence(e, compact=compact) for e in step["events"]], ordered=ordered)
    ours = in_order([essence(r, compact=compact) for r in device.records], ordered=ordered)
    if want != ours:
        yield f"events {ours}, recorded {want}"
    if step["call"] != "getPresetProperties" and returned != step["returned"]:
        yield f"returned {returned!r}, recorded {step['returned']!r}"
    if step["state_after"] is not None:
        state, recorded = device.state(), said_state(step["state_after"])
        off = {
            name: (state.get(name), recorded.get(name))
            for name in state.keys() | recorded.keys()
            if state.get(name, "-") != recorded.get(name, "-")
        }
        if off:
            yield f"state (ours, recorded) {off}"
    cookie = (step["state_after"] or {}).get("cookie_name")
    if cookie is not None and cookie not in device.storage.values:
        yield f"stored under {sorted(device.storage.values)}, recorded {cookie}"


def replayed(trace: Trace) -> Iterator[tuple[int, str]]:
    """Play a trace; yields the number of each step that differs, and how."""
    device = Device(trace)
    in_step = True
    for number, (step, cause) in enumerate(zip(trace["steps"], causes(trace), strict=True)):
        try:
            before = device.tracker.state if number else None
            returned = device.play(step)
        except UnsupportedCall as error:
            if in_step and not unsupported(step):
                yield number, f"{step['call']} is refused: {error}"
            continue
        if not in_step and cause is None:
            yield from ((number, text) for text in sane(device))
        elif cause is not None:
            yield from ((number, text) for text in INSTEAD[cause](device, step, before))
        elif unsupported(step):
            yield number, f"{step['call']} is not refused"
        else:
            found = list(differences(device, step, returned))
            yield from ((number, f"{step['call']}: {text}") for text in found)
        in_step = in_step and cause is None
        if not in_step and is_possible(trace, step["state_after"]):
            device.resume(state_of(step["state_after"]))
            in_step = True


def sane(device: Device) -> Iterator[str]:
    """What holds while the recorded SDK is where ours cannot be."""
    for record in device.records:
        if not record["type"].startswith("item") and not is_id(record.get("distinct_id")):
            yield f"a record about nobody: {record}"


def instead_of_dying(device: Device, step: Step, before: Any) -> Iterator[str]:
    state = device.tracker.state
    if not state.distinct_id or not state.identities:
        yield f"the device did not start: {state}"
    recorded = step["state_after"]
    first = recorded["first_id"] if recorded and step["call"] == "@init" else None
    if first and (device.tracker.login_id is None or state.first_id != first):
        yield "the login is lost"


def instead_of_nobody(device: Device, step: Step, before: Any) -> Iterator[str]:
    if not before.distinct_id or device.tracker.state.distinct_id != before.distinct_id:
        yield f"the distinct id changed from {before.distinct_id!r}"
    ours = [(record["type"], record["identities"]) for record in device.records]
    if ours != [(event["type"], event["identities"]) for event in step["events"]]:
        yield f"the unbind was not sent: {device.records}"
    yield from sane(device)


def instead_of_no_id(device: Device, step: Step, before: Any) -> Iterator[str]:
    if device.records or device.tracker.refusal is None or device.tracker.state != before:
        yield f"{step['call']}({step['args']}) was not refused: {device.records}"


INSTEAD: dict[str, Callable[[Device, Step, Any], Iterator[str]]] = {
    INIT_DIES: instead_of_dying,
    NO_DISTINCT_ID: instead_of_nobody,
    WITHOUT_ID: instead_of_no_id,
}
"""What ours does in place of each deviation, asserted."""
