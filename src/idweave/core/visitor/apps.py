"""Native apps: Android, Apple, HarmonyOS (VISITOR.md §6). Read from the released sources."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .chain import visitor_id
from .life import ClearUserId, Event, Hide, Init, Restart, Run, SetUserId, Show, Track
from .options import read_options
from .text import ID_UNITS_MAX, JS_BLANKS, units


@dataclass(frozen=True, slots=True)
class AppRules:
    """In what native SDKs differ: their storage keys, and whether a blank id counts as a user.
    An empty key is what an SDK keeps in memory alone."""

    user_id: str
    user_key: str
    last_user_id: str
    session_id: str
    blank_switches: bool


APP_RULES = {
    "android": AppRules(
        "LOGIN_USER_ID", "LOGIN_USER_KEY", "LATEST_NON_NULL_USER_ID", "SESSION_ID", True
    ),
    "apple": AppRules(
        "growingio.userdefault.loginUserId", "growingio.userdefault.loginUserKey", "", "", False
    ),
    "harmonyos": AppRules("growing_user_id", "growing_user_key", "", "", True),
}
"""By family. HarmonyOS keeps id and key in one JSON text; here each has its place."""


PLATFORM_SENT = {
    "android": "Android",
    "ios": "iOS",
    "tvos": "tvOS",
    "visionos": "visionOS",
    "watchos": "watchOS",
    "harmonyos": "HarmonyOS",
}
"""Our name of a platform → what its SDK sends as ``platform``."""


def _rules(run: Run) -> AppRules:
    return APP_RULES[run.state.profile.family]


def init(run: Run, op: Init) -> None:
    """A process starts: the last user is the stored one, and a session begins with a VISIT."""
    if run.state.is_running:
        return
    rules = _rules(run)
    found = visitor_id(run.state.profile, op.hints, run.state.storage, run.draw)
    options = read_options(run.state.profile.family, op.options)
    run.set(storage=found.storage, options=options, hints=op.hints, is_running=True)
    run.set(hidden_at_ms=None)
    _remember(run, run.read(rules.user_id))
    _new_session(run)


def _remember(run: Run, user_id: str) -> None:
    run.set(last_user_id=user_id)
    if _rules(run).last_user_id:
        run.write(_rules(run).last_user_id, user_id)


def _new_session(run: Run) -> None:
    session_id = run.draw()
    run.set(session_id=session_id)
    if _rules(run).session_id:
        run.write(_rules(run).session_id, session_id)
    _emit(run, "VISIT")


def _emit(run: Run, kind: str, name: str = "") -> None:
    state, rules = run.state, _rules(run)
    if not state.options.data_collect:
        return
    found = visitor_id(state.profile, state.hints, state.storage, run.draw)
    event = Event(
        kind,
        name,
        device_id=found.value,
        user_id=run.read(rules.user_id),
        user_key=run.read(rules.user_key),
        session_id=state.session_id,
        platform=PLATFORM_SENT[state.profile.platform],
        domain=state.options.app_id,
        data_source_id=state.options.data_source_id,
    )
    run.sent.append(event)


def track(run: Run, op: Track) -> None:
    """A custom event."""
    _emit(run, "CUSTOM", op.name)


def set_user_id(run: Run, op: SetUserId) -> None:
    """Log in. Too long is refused and the old user stays; empty logs out."""
    user_id, key = _text(op.value), _text(op.key)
    key = key if run.state.options.id_mapping else ""
    if max(units(user_id), units(key)) > ID_UNITS_MAX:
        return
    if not user_id:
        clear_user_id(run, ClearUserId())
        return
    rules = _rules(run)
    run.write(rules.user_id, user_id)
    run.write(rules.user_key, key)
    if user_id.strip(JS_BLANKS) or rules.blank_switches:
        last = run.state.last_user_id
        _remember(run, user_id)
        if last and last != user_id:
            _new_session(run)


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise InputError(f"{value!r} is no user id.", fix="Native SDKs take text alone.")


def clear_user_id(run: Run, op: ClearUserId) -> None:
    """Log out: id and key go, the last user stays remembered."""
    run.write(_rules(run).user_id, "")
    run.write(_rules(run).user_key, "")


def hide(run: Run, op: Hide) -> None:
    """To the background: APP_CLOSED, and the clock starts."""
    run.set(hidden_at_ms=run.now_ms)
    _emit(run, "APP_CLOSED")


def show(run: Run, op: Show) -> None:
    """To the front: a new session if it was away for ``sessionInterval`` or longer."""
    hidden = run.state.hidden_at_ms
    interval_ms = run.state.options.session_interval_s * 1000
    run.set(hidden_at_ms=None)
    if hidden is not None and run.now_ms - hidden >= interval_ms:
        _new_session(run)


def restart(run: Run, op: Restart) -> None:
    """The process ends."""
    run.set(is_running=False, session_id="", last_user_id="", hidden_at_ms=None)
