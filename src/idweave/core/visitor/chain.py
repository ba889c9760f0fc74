"""The visitor id of a device: a profile's chain applied to hints and storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError
from ..evidence import BLANKS
from ..identity import Identity
from .profiles import Hints, Link, Profile, Slot, profile
from .stores import BY_NAME, Place, Storage, Stored, kind_of, read
from .text import js_text

GIO_DEVICE_KEY = "$identity_gio_device_id"
"""The key under which a GrowingIO visitor id enters the user graph (PROTOCOL.md §5)."""

RANDOM = "random"
"""The source of an id that no link yielded."""

Draw = str | Callable[[], str]
"""A fresh random UUID, or what makes one; the core itself has no chance."""


@dataclass(frozen=True, slots=True)
class VisitorId:
    """A visitor id, the source it came from (a link's name or ``random``), and the storage to keep.

    ``storage`` is the one given, with what the SDK would have written.
    """

    value: str
    source: str
    storage: Storage


def visitor_id(which: Profile | str, hints: Hints, storage: Storage, random: Draw) -> VisitorId:
    """The visitor id that a released SDK would have on this device.

    ``which`` is a profile or its name, ``storage`` what the device kept so far (empty on a fresh
    install) and ``random`` a fresh UUID or a callable that makes one, asked only when no source
    yields an id. A stored id always wins over a better source that appears later.
    Raises ``InputError`` for a name that no profile has.
    """
    rules = profile(which) if isinstance(which, str) else which
    for link in rules.chain:
        text = _read(link, hints, storage)
        if not text:
            continue
        if link.accepted(text):
            value = link.transform(text)
            slot = (link.keeps or rules.keeps) if link.kept else None
            return VisitorId(value, link.source, _written(storage, slot, value))
        if link.ends:
            break
    value = rules.random(random if isinstance(random, str) else random())
    return VisitorId(value, RANDOM, _written(storage, rules.keeps, value))


def _read(link: Link, hints: Hints, storage: Storage) -> str:
    if not all(map(hints.is_on, link.needs)) or (link.unless and hints.is_on(link.unless)):
        return ""
    return read(storage, link.slot.key) if link.slot else hints.text(link.hint)


def _written(storage: Storage, slot: Slot | None, value: str) -> Storage:
    return {**storage, Place("", slot.key): Stored(value)} if slot else storage


def after(which: Profile | str, condition: str, storage: Storage) -> Storage:
    """What is left of a device's storage after a condition (``CONDITIONS``), such as ``reinstall``.

    Raises ``InputError`` for a condition that does not exist or cannot happen to the platform.
    """
    rules = profile(which) if isinstance(which, str) else which
    row = BY_NAME.get(condition)
    if row is None or rules.family not in row.families:
        known = ", ".join(row.name for row in BY_NAME.values() if rules.family in row.families)
        raise InputError(
            f"{condition!r} is nothing that happens to {rules.name}.", fix=f"Take one of: {known}."
        )
    kinds = {slot.key: slot.kind for slot in rules.slots}
    return {
        place: entry
        for place, entry in storage.items()
        if kind_of(place, kinds, rules.family) not in row.empties
    }


def visitor_identity(value: object) -> Identity:
    """The identity that a GrowingIO visitor id is in the user graph.

    ``value`` may be what a client sent: the web SDK sends a stored id ``true`` as a boolean.
    Blanks around it go, as they do at the door.
    Raises ``InputError`` when it names nobody.
    """
    text = js_text(value).strip(BLANKS)
    if not text:
        raise InputError(f"{value!r} is no visitor id.", fix="Give the deviceId as it was sent.")
    return Identity(GIO_DEVICE_KEY, text)
