"""Mini programs (VISITOR.md §5, §6). Recorded from the released SDK 4.6.0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .chain import visitor_id
from .handover import Handover
from .life import (
    ClearUserId,
    Event,
    Hide,
    Identify,
    Init,
    Restart,
    Run,
    SetOption,
    SetUserId,
    Show,
    Track,
)
from .options import SETTABLE, read_options
from .profiles import MINI, MINI_PLATFORMS
from .text import cut, is_mini_identity, js_text

USER_ID = "_growing_userId_"
USER_KEY = "_growing_userKey_"
LAST_USER_ID = "_growing_gioId_"
SAVED_ON_HIDE = (MINI.key, USER_ID, USER_KEY, LAST_USER_ID)
"""Written together whenever the mini program goes to the background, even when empty."""


def init(run: Run, op: Init) -> None:
    """The visitor id is drawn and stored at once, under ``forceLogin`` too. Nothing is sent."""
    if run.state.is_running:
        return
    found = visitor_id(run.state.profile, op.hints, run.state.storage, run.draw)
    options = read_options(run.state.profile.family, op.options)
    run.set(storage=found.storage, options=options, is_running=True)


def _session_id(run: Run) -> str:
    """The session as an event asks for it: made when missing, renewed when it sat idle."""
    if not run.state.session_id:
        _new_session(run)
    minutes = run.state.options.session_expires_min
    if minutes is not None:
        expires = run.state.session_expires_at_ms
        if expires is not None and run.now_ms > expires:
            _new_session(run)
        run.set(session_expires_at_ms=run.now_ms + minutes * 60_000)
    return run.state.session_id


def _new_session(run: Run) -> None:
    """Another session; it begins with a VISIT unless it is the first one of the process."""
    previous = run.state.session_id
    run.set(session_id=run.draw())
    minutes = run.state.options.session_expires_min
    if minutes is not None:
        run.set(session_expires_at_ms=run.now_ms + minutes * 60_000)
    if previous:
        _emit(run, "VISIT")


def _emit(run: Run, kind: str, name: str = "") -> None:
    session_id, options = _session_id(run), run.state.options
    if not options.data_collect:
        return
    event = Event(
        kind,
        name,
        device_id=run.read(MINI.key),
        user_id=run.read(USER_ID),
        user_key=run.read(USER_KEY) if options.id_mapping else "",
        session_id=session_id,
        platform=MINI_PLATFORMS[run.state.profile.platform],
        domain=options.app_id,
        data_source_id=options.data_source_id,
    )
    if options.force_login:
        run.set(held=(*run.state.held, event))
    else:
        run.sent.append(event)


def track(run: Run, op: Track) -> None:
    """A custom event; held under ``forceLogin``."""
    _emit(run, "CUSTOM", op.name)


def identify(run: Run, op: Identify) -> None:
    """The first accepted id under ``forceLogin`` becomes the visitor id, of held events too, and
    lets them go. All other calls are ignored."""
    options = run.state.options
    if not options.force_login or not is_mini_identity(op.value):
        return
    openid = cut(js_text(op.value))
    run.write(MINI.key, openid)
    run.sent += [replace(event, device_id=openid) for event in run.state.held]
    run.set(held=(), options=replace(options, force_login=False))


def set_user_id(run: Run, op: SetUserId) -> None:
    """Log in; what ``identify`` would refuse is ignored. Another user begins a session."""
    if not is_mini_identity(op.value):
        return
    last, user_id = run.read(LAST_USER_ID), cut(js_text(op.value))
    run.write_change(USER_ID, user_id)
    run.write_change(LAST_USER_ID, user_id)
    run.write_change(USER_KEY, cut(js_text(op.key)) if run.state.options.id_mapping else "")
    if last and last != user_id:
        _new_session(run)


def clear_user_id(run: Run, op: ClearUserId) -> None:
    """Log out; the last user stays remembered."""
    run.write_change(USER_ID, "")
    run.write_change(USER_KEY, "")


def set_option(run: Run, op: SetOption) -> None:
    """Switch an option; collecting again begins a session."""
    field = SETTABLE[run.state.profile.family].get(op.name)
    if field is None or not isinstance(op.value, bool):
        return
    was_on = run.state.options.data_collect
    changes: dict[str, Any] = {field: op.value}
    run.set(options=replace(run.state.options, **changes))
    if run.state.options.data_collect and not was_on:
        _new_session(run)


def show(run: Run, op: Show) -> None:
    """To the front. The first time in a process is a VISIT; later a session begins after
    ``keepAlive`` minutes, or when another scene brought the user back."""
    run.set(scene=op.scene or run.state.scene)
    state = run.state
    if state.hidden_at_ms is None:
        _emit(run, "VISIT")
        return
    away_ms = run.now_ms - state.hidden_at_ms
    other_scene = state.hidden_scene not in ("", state.scene)
    if away_ms > state.options.keep_alive_min * 60_000 or other_scene:
        _new_session(run)


def hide(run: Run, op: Hide) -> None:
    """To the background: ids are stored once more, APP_CLOSED is sent."""
    run.set(hidden_scene=run.state.scene, hidden_at_ms=run.now_ms)
    for key in SAVED_ON_HIDE:
        run.write(key, run.read(key))
    _emit(run, "APP_CLOSED")


def hand_over(run: Run) -> Handover:
    """What the mini program tells its web view."""
    session_id, options = _session_id(run), run.state.options
    return Handover(
        app_id=options.app_id,
        user_id=run.read(USER_ID),
        platform=MINI_PLATFORMS[run.state.profile.platform],
        project_id=options.project_id,
        session_id=session_id,
        visitor_id=run.read(MINI.key),
        data_collect=js_text(options.data_collect),
        data_source_id=options.data_source_id,
        user_key=run.read(USER_KEY) if options.id_mapping else None,
    )


def restart(run: Run, op: Restart) -> None:
    """The process ends: session and held events are lost."""
    run.set(is_running=False, session_id="", session_expires_at_ms=None, held=())
    run.set(hidden_at_ms=None, scene="", hidden_scene="")
