"""Web pages (VISITOR.md §4, §6). Recorded from the released SDK 4.3.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .browser import cookie_domain, covers, has_cookies, host_of, local_scope
from .handover import LOCAL_KEY, Handover, dump, load, read_url, without_parameters
from .life import (
    ClearUserId,
    Event,
    Identify,
    Init,
    Restart,
    Run,
    SetOption,
    SetUserId,
    Track,
)
from .options import SETTABLE, Options, read_options
from .profiles import COOKIE, COOKIE_2
from .stores import LOCAL_SCOPE, Place
from .text import cut, is_identity, is_web_login, js_text

COLLECTING = frozenset({"true", "TRUE"})
"""What ``giodatacollect`` must be for the page to collect."""


DAY_MS = 86_400_000
COOKIE_DAYS = 400
"""How long the SDK asks browsers to keep its cookies; they keep none longer."""

LOCAL_STORAGE_DAYS = 3 * 365
"""How long the SDK believes what it wrote to local storage: about three years."""


def _key(run: Run, name: str) -> str:
    return f"{run.state.options.project_id}_gdp_{name}"


def _is_in_cookies(run: Run) -> bool:
    return run.state.options.storage_type != "localstorage" and has_cookies(run.state.url)


def _scope(run: Run) -> str:
    """Where this page writes."""
    if not _is_in_cookies(run):
        return local_scope(run.state.url)
    return cookie_domain(host_of(run.state.url), run.state.options.cookie_domain)


def _get(run: Run, key: str) -> str:
    """What this page reads: its own local storage, or the first cookie that its host may see."""
    if not _is_in_cookies(run):
        return run.read(key, local_scope(run.state.url))
    host = host_of(run.state.url)
    for place in run.state.storage:
        is_cookie = not place.scope.startswith(LOCAL_SCOPE)
        if place.key == key and is_cookie and covers(place.scope, host):
            text = run.read(key, place.scope)
            if text:
                return text
    return ""


def _put(run: Run, key: str, text: str, *, until_ms: int | None = None) -> None:
    """Write where this page writes, for the usual time from the last midnight (UTC) on."""
    days = COOKIE_DAYS if _is_in_cookies(run) else LOCAL_STORAGE_DAYS
    usual_ms = run.now_ms - run.now_ms % DAY_MS + days * DAY_MS
    run.write(key, text, _scope(run), until_ms=usual_ms if until_ms is None else until_ms)


def stored_visitor(run: Run) -> str:
    """The visitor id in this page's storage, or empty."""
    return _get(run, COOKIE.key)


def _visitor(run: Run) -> str:
    """The visitor id, drawn anew when storage lost it, while the page is open too."""
    stored = _get(run, COOKIE.key)
    if not stored:
        stored = run.draw()
        _put(run, COOKIE.key, stored)
    return stored


def _session(run: Run) -> str:
    stored = _get(run, _key(run, "session_id"))
    return stored or _set_session(run, "")


def _set_session(run: Run, session_id: str) -> str:
    """Store a session, drawn when empty, for its idle time. Another one than before begins with
    VISIT and PAGE, and what was held is lost."""
    key = _key(run, "session_id")
    chosen = session_id or run.draw()
    previous = _get(run, key) or run.state.session_id
    _put(run, key, chosen, until_ms=_session_end_ms(run))
    if previous != chosen:
        _put(run, _key(run, "session_id_sent"), "")
        if run.state.is_started:
            run.set(held=())
            _emit(run, "VISIT")
            _page(run)
    run.set(session_id=chosen)
    return chosen


def _session_end_ms(run: Run) -> int | None:
    """When the session ends if nothing more is sent. A page that was handed over keeps its own."""
    minutes = run.state.options.session_expires_min
    if minutes is None or run.state.is_handed_over:
        return None
    return run.now_ms + int(minutes * 60_000)


def init(run: Run, op: Init) -> None:
    """The page starts the SDK: upgrade and hand-over first, then VISIT and PAGE."""
    if run.state.is_running:
        return
    url, options = op.url or run.state.url, read_options(run.state.profile.family, op.options)
    run.set(url=url, options=options, is_running=True)
    _upgrade(run)
    _take_over(run)
    if not run.state.is_handed_over and _session(run) != _get(run, _key(run, "session_id_sent")):
        _emit(run, "VISIT")
    _page(run)
    run.set(is_started=True)


def _take_over(run: Run) -> None:
    """Believe a mini program's parameters, from the URL or kept from the page's last load."""
    scope = local_scope(run.state.url)
    given = read_url(run.state.url)
    if given:
        run.write(LOCAL_KEY, dump(given), scope)
    handover = given or load(run.read(LOCAL_KEY, scope))
    options = run.state.options
    if handover is None or not handover.is_for(options.project_id, options.app_id):
        return
    run.set(
        options=_handed_options(run, handover),
        is_handed_over=True,
        is_locked=handover.data_collect is not None,
    )
    _put(run, COOKIE.key, handover.visitor_id or "")
    _set_session(run, handover.session_id or "")
    _put_user(run, handover.user_id or "")
    _put(run, _key(run, "user_key"), handover.user_key or "")


def _handed_options(run: Run, handover: Handover) -> Options:
    options = run.state.options
    collect = handover.data_collect
    return replace(
        options,
        data_collect=options.data_collect if collect is None else collect in COLLECTING,
        platform=options.platform if handover.platform is None else handover.platform,
        data_source_id=(
            options.data_source_id if handover.data_source_id is None else handover.data_source_id
        ),
    )


def _upgrade(run: Run) -> None:
    """Take the ids of a 2.x SDK over when there is no 4.x id, and remove them."""
    old = _get(run, COOKIE_2.key)
    if _get(run, COOKIE.key) or not old:
        return
    _put(run, COOKIE.key, old)
    user_key = f"{run.state.options.project_id}_gr_cs1"
    user_id = _get(run, user_key) or _get(run, _key(run, "cs1"))
    if user_id:
        _put_user(run, user_id)
    for key in (COOKIE_2.key, user_key):
        _remove(run, key)


def _remove(run: Run, key: str) -> None:
    left = {p: v for p, v in run.state.storage.items() if p != Place(_scope(run), key)}
    run.set(storage=left)


def _put_user(run: Run, user_id: str) -> None:
    _put(run, _key(run, "cs1"), user_id)
    if user_id:
        _put(run, _key(run, "gio_id"), user_id)


def _page(run: Run) -> None:
    if run.state.options.track_page:
        _emit(run, "PAGE")


def _emit(run: Run, kind: str, name: str = "") -> None:
    device_id, session_id = _visitor(run), _session(run)
    options = run.state.options
    if not options.data_collect:
        return
    event = Event(
        kind,
        name,
        device_id=device_id,
        user_id=_get(run, _key(run, "cs1")),
        user_key=_get(run, _key(run, "user_key")) if options.id_mapping else "",
        session_id=session_id,
        platform=options.platform,
        domain=options.app_id if run.state.is_handed_over else host_of(run.state.url),
        data_source_id=options.data_source_id,
    )
    waiting = (*run.state.held, event)
    run.set(held=waiting if options.force_login else ())
    if not options.force_login:
        _send(run, *waiting)


def _send(run: Run, *events: Event) -> None:
    """Events leave in the order they came: what a sent one causes waits behind those before it,
    and all of it leaves before the sent one is done."""
    run.queue.extend(events)
    while run.queue:
        _sent(run, run.queue.pop(0))


def _sent(run: Run, event: Event) -> None:
    """One event left: its session lives on. A VISIT is noted, the ids it carried are stored again
    for their cookies to live on, and so its user counts as the last one."""
    run.sent.append(event)
    if _session(run) == event.session_id:
        _set_session(run, event.session_id)
    if event.type == "VISIT":
        _put(run, _key(run, "session_id_sent"), event.session_id)
        _put(run, COOKIE.key, event.device_id)
        if event.user_id and event.user_id == _get(run, _key(run, "cs1")):
            _put_user(run, event.user_id)
        if event.user_key:
            _put(run, _key(run, "user_key"), event.user_key)


def track(run: Run, op: Track) -> None:
    """A custom event; held under ``forceLogin``."""
    _emit(run, "CUSTOM", op.name)


def identify(run: Run, op: Identify) -> None:
    """Under ``forceLogin`` an accepted id becomes the visitor id, of held events too, lets them go
    and switches ``forceLogin`` off. Otherwise nothing happens."""
    options = run.state.options
    if not options.force_login or not is_identity(op.value):
        return
    chosen = cut(js_text(op.value))
    _put(run, COOKIE.key, chosen)
    released = [replace(event, device_id=chosen) for event in run.state.held]
    run.set(held=(), options=replace(options, force_login=False))
    _send(run, *released)


def set_user_id(run: Run, op: SetUserId) -> None:
    """Log in; what reads as blank logs out. Another user begins a session with VISIT and PAGE.
    A page that was handed over keeps the mini program's user."""
    if run.state.is_handed_over:
        return
    if not is_web_login(op.value):
        clear_user_id(run, ClearUserId())
        return
    last, user_id = _get(run, _key(run, "gio_id")), cut(js_text(op.value))
    _put(run, _key(run, "user_key"), cut(js_text(op.key)))
    _put_user(run, user_id)
    if last and last != user_id:
        _set_session(run, "")


def clear_user_id(run: Run, op: ClearUserId) -> None:
    """Log out: id and key are emptied, the last user stays remembered."""
    if run.state.is_handed_over:
        return
    _put_user(run, "")
    _put(run, _key(run, "user_key"), "")


def set_option(run: Run, op: SetOption) -> None:
    """Switch ``forceLogin`` or ``dataCollect``; collecting again begins a session."""
    field = SETTABLE[run.state.profile.family].get(op.name)
    if field is None or not isinstance(op.value, bool) or run.state.is_locked:
        return
    was_on = run.state.options.data_collect
    changes: dict[str, Any] = {field: op.value}
    run.set(options=replace(run.state.options, **changes))
    if run.state.options.data_collect and not was_on:
        _set_session(run, "")


def restart(run: Run, op: Restart) -> None:
    """The page is left or loaded again: its memory and what it held are lost."""
    run.set(url=op.url or without_parameters(run.state.url), is_running=False, is_started=False)
    run.set(is_handed_over=False, is_locked=False, session_id="", held=())
