"""GrowingIO visitor ids: what the released SDKs do, as tables and pure functions.

``visitor_id(profile, hints, storage, random)`` answers the simple question. ``fresh`` and ``step``
run the whole life: init, identify, log in and out, sessions, events. ``after`` and ``change`` say
what survives a reinstall and its like, ``attribute`` what the server makes of devices and logins.
Nothing here has a clock or chance of its own: times and fresh UUIDs are arguments.
"""

from __future__ import annotations

from .attribution import Attribution, Seen, Window, attribute, gids
from .chain import GIO_DEVICE_KEY, VisitorId, after, visitor_id, visitor_identity
from .changes import Change, ChangeRow, change, change_rows, sources
from .encoding import cookie_pair, cookie_value, gioenc, gioenc_decode, xor_body
from .handover import Handover, handover_query
from .life import (
    ClearUserId,
    Event,
    Happen,
    Hide,
    Identify,
    Init,
    Op,
    Restart,
    SetOption,
    SetUserId,
    Show,
    State,
    Track,
)
from .lifecycle import LIVING, Step, fresh, hand_over, step, stored_visitor_id
from .options import Options, read_options
from .profiles import HINTS, MINI_PLATFORMS, PROFILES, Hints, Profile, hints_from, profile
from .reference import render_reference
from .stores import CONDITIONS, Condition, Place, Storage, Stored, stored
from .text import is_identity, is_mini_identity, is_valid_u, name_uuid

__all__ = [
    "CONDITIONS",
    "GIO_DEVICE_KEY",
    "HINTS",
    "LIVING",
    "MINI_PLATFORMS",
    "PROFILES",
    "Attribution",
    "Change",
    "ChangeRow",
    "ClearUserId",
    "Condition",
    "Event",
    "Handover",
    "Happen",
    "Hide",
    "Hints",
    "Identify",
    "Init",
    "Op",
    "Options",
    "Place",
    "Profile",
    "Restart",
    "Seen",
    "SetOption",
    "SetUserId",
    "Show",
    "State",
    "Step",
    "Storage",
    "Stored",
    "Track",
    "VisitorId",
    "Window",
    "after",
    "attribute",
    "change",
    "change_rows",
    "cookie_pair",
    "cookie_value",
    "fresh",
    "gids",
    "gioenc",
    "gioenc_decode",
    "hand_over",
    "handover_query",
    "hints_from",
    "is_identity",
    "is_mini_identity",
    "is_valid_u",
    "name_uuid",
    "profile",
    "read_options",
    "render_reference",
    "sources",
    "step",
    "stored",
    "stored_visitor_id",
    "visitor_id",
    "visitor_identity",
    "xor_body",
]
