"""``track``, ``platforms``: the device side tried from a shell."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Annotated, Any, NamedTuple

import typer

from idweave.core.device.reference import platform_rows
from idweave.core.device.state import identities_sent, ids_of
from idweave.core.policy_file import preset
from idweave.sdk import CallConsumer, FileStorage, HttpConsumer, MemoryStorage, TrackerOptions
from idweave.sdk.tracker import Tracker
from idweave.sdk.words import FORMS, play

from .exits import Exit
from .keys import FORMS as KEY_FORMS
from .keys import sound_text
from .offering import offer
from .output import Output, visible
from .session import Session, make_folder_of

app = typer.Typer()

WITHOUT_SETTINGS = frozenset({"store", "project", "config"})

STORAGE = "data/device.json"
"""Beside the default store: the shell's device is the same one at the next call."""

MEMORY = "memory:"

WAIT_S = 5.0
"""A collector on this machine answers in milliseconds; nobody likes to wait longer at a prompt."""

WAIT_S_MAX = 3600.0
"""An hour: a script may wait for a collector that is being restarted."""

CALLS = {"event": "track", "reset": "reset_anonymous_identity"}
"""Words for calls that would read oddly behind ``idweave track``."""

KEYED = frozenset({"login_with_key", "bind", "unbind"})
"""Calls whose first word is a key of an identity."""

CALL_NAMES = ", ".join(("event", *(name for name in FORMS if name != "track")))


PlatformOption = Annotated[
    str, typer.Option(metavar="NAME", help="Whose SDK to be; `idweave platforms` lists them.")
]
StorageOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="Who the device is; `memory:` forgets it after the call."),
]
WaitOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, max=WAIT_S_MAX, help="How long to try to reach it."),
]


class Aim(NamedTuple):
    """Which device makes the call, and where its records go; ``to`` None: only to the screen."""

    platform: str
    options: TrackerOptions
    storage: str
    to: str | None
    wait_s: float


@offer(app, "track", without=WITHOUT_SETTINGS)
def track(
    session: Session,
    words: Annotated[
        list[str], typer.Argument(metavar="CALL", help=f"A call and its words: {CALL_NAMES}.")
    ],
    *,
    platform: PlatformOption = "web",
    storage: StorageOption = STORAGE,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="The collector; without: only print.")
    ] = None,
    wait: WaitOption = WAIT_S,
    app_id: Annotated[
        str | None, typer.Option(metavar="APPID", help="The WeChat app's, for its OpenIDs.")
    ] = None,
) -> Exit:
    """Be a device: make one call as its SDK would, see the records it sends and who it is then.

    A key is written as the SDK has it, or short: `mobile` is `$identity_mobile`, and so is every
    key of the preset `sensors`. Properties are `name=value`. What the collector does not take
    waits in `FILE.spool` for the next call.

    \b
    Example:
      idweave track event ViewProduct price=3 --platform wechat
      idweave track login amy --to 'http://localhost:8106/sa?project=default'
      idweave track bind mobile 13800000000 --storage amy.json
      idweave track logout --json
    """
    options = TrackerOptions(app_id=None if app_id is None else sound_text(app_id))
    call = call_typed(words)
    rehearse(call, platform, options)
    return make(call, Aim(platform, options, storage, to, wait), session.output)


def rehearse(call: Sequence[str], platform: str, options: TrackerOptions) -> None:
    """Make the call on a device that nobody sees or remembers: what can never be right raises
    here, before anything is kept or sent."""
    with heard():
        play(Tracker(platform, CallConsumer(lambda record: None), options=options), call)


def make(call: Sequence[str], aim: Aim, output: Output) -> Exit:
    """Make the call and show what came of it."""
    with told(output) as said, ExitStack() as stack:
        held = _storage(aim.storage, stack)
        http = None if aim.to is None else _collector(aim.to, aim.storage, stack)

        def take(record: Mapping[str, Any]) -> None:
            show_record(record, output)
            if http is not None:
                http.send(record)

        tracker = Tracker(aim.platform, CallConsumer(take), storage=held, options=aim.options)
        done = play(tracker, call)
        delivered = http is None or http.close(aim.wait_s)
    show_device(tracker, output)
    if not delivered:
        output.warn(_undelivered(aim.storage))
    refused = done is False and any(one.levelno >= logging.WARNING for one in said)
    is_sound = delivered and not refused and not (http and http.refused)
    return Exit.DONE if is_sound else Exit.FAILED


def call_typed(words: Sequence[str]) -> list[str]:
    """The words of the SDK's call that typed ones mean."""
    first, *rest = map(sound_text, words)
    name = CALLS.get(first.replace("-", "_"), first.replace("-", "_"))
    if name in KEYED and rest:
        rest[0] = _declared(rest[0])
    return [name, *rest]


def _declared(key: str) -> str:
    """The key of the preset that a typed one is short for, else the key itself."""
    policy = preset("sensors")
    meant = (form.format(key) for form in KEY_FORMS)
    return next((full for full in meant if policy.rule(full) is not None), key)


def _storage(path: str, stack: ExitStack) -> FileStorage | MemoryStorage:
    if path == MEMORY:
        return MemoryStorage()
    make_folder_of(path)
    return stack.enter_context(closing(FileStorage(path)))


def _collector(url: str, storage: str, stack: ExitStack) -> HttpConsumer:
    http = HttpConsumer(url, spool=None if storage == MEMORY else f"{storage}.spool")
    stack.callback(http.close, 0.0)  # after an error; a second close does nothing
    return http


def _undelivered(storage: str) -> str:
    """What becomes of records that no collector took in time."""
    if storage == MEMORY:
        return "the collector did not take it in time, and it is lost with this device"
    folder = visible(f"{storage}.spool")
    return f"the collector did not take it in time; it waits in {folder} for the next call's --to"


# -- what is shown ---------------------------------------------------------------------------------


class _Ear(logging.Handler):
    """Keeps what the SDK logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)


@contextmanager
def heard() -> Iterator[list[logging.LogRecord]]:
    """What the SDK logs meanwhile, instead of wherever it would have gone."""
    log, ear = logging.getLogger("idweave.sdk"), _Ear()
    level, propagates = log.level, log.propagate
    log.addHandler(ear)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        yield ear.heard
    finally:
        log.removeHandler(ear)
        log.setLevel(level)
        log.propagate = propagates


@contextmanager
def told(output: Output) -> Iterator[list[logging.LogRecord]]:
    """As :func:`heard`, and at the end it is said, each thing once: warnings and remarks."""
    with heard() as said:
        try:
            yield said
        finally:
            for text, level in {one.getMessage(): one.levelno for one in said}.items():
                (output.warn if level >= logging.WARNING else output.note)(visible(text))


def show_record(record: Mapping[str, Any], output: Output) -> None:
    """A record as it is sent."""
    if output.json:
        output.line({"sent": record})
        return
    for line in json.dumps(record, ensure_ascii=False, indent=2).splitlines():
        output.say(visible(line))


def show_device(tracker: Tracker, output: Output) -> None:
    """Who the device is now."""
    ids = ids_of(tracker.platform, tracker.state)
    held = identities_sent(tracker.platform, tracker.state)
    if output.json:
        name = tracker.platform.name
        output.line({"device": {"platform": name, **ids._asdict(), "identities": held}})
        return
    output.say()
    rows = [(name, "-" if value is None else value) for name, value in ids._asdict().items()]
    output.table(("id", "value"), rows, title=f"Who a {tracker.platform.title} record is about")
    if held is not None:
        output.say()
        output.table(("key", "value"), held.items(), title=f"Identities ({len(held)})")


@offer(app, "platforms", without=WITHOUT_SETTINGS)
def platforms(session: Session) -> None:
    """The platforms that a tracker can be: which SDK each follows, and where it keeps its ids.

    \b
    Example:
      idweave platforms
      idweave platforms --json
    """
    rows, output = platform_rows(), session.output
    if output.json:
        output.document(rows)
        return
    shown = ("platform", "for", "sdk", "$lib", "id_mapping", "device_key", "storage_key")
    titles = ("platform", "for", "SDK", "$lib", "ID-Mapping", "device key", "storage key")
    cells = [tuple(row[name] or "-" for name in shown) for row in rows]
    output.table(titles, cells, right=("ID-Mapping",))
