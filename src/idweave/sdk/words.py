"""A tracker's call as words, the way a command line has them: ``bind $identity_mobile 138``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from idweave.core.errors import InputError

from .tracker import Tracker


class Form(NamedTuple):
    """What a call takes: its words by name, the optional ones after them, and properties."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    properties: bool = False

    def __str__(self) -> str:
        words = [*(f"<{w}>" for w in self.required), *(f"[{w}]" for w in self.optional)]
        return " ".join([*words, *(["[name=value …]"] if self.properties else [])])


FORMS: Final[dict[str, Form]] = {
    "identify": Form(optional=("id",)),
    "login": Form(("id",)),
    "login_with_key": Form(("key", "id")),
    "logout": Form(),
    "bind": Form(("key", "id")),
    "unbind": Form(("key", "id")),
    "bind_openid": Form(("id",)),
    "unbind_openid": Form(("id",)),
    "bind_unionid": Form(("id",)),
    "unbind_unionid": Form(("id",)),
    "reset_anonymous_identity": Form(optional=("id",)),
    "track": Form(("event",), properties=True),
    "profile_set": Form(properties=True),
    "profile_set_once": Form(properties=True),
    "profile_increment": Form(properties=True),
    "profile_append": Form(properties=True),
    "profile_delete": Form(),
    "page_view": Form(properties=True),
    "item_set": Form(("type", "id"), properties=True),
    "item_delete": Form(("type", "id")),
    "register": Form(properties=True),
    "clear_register": Form(),
    "get_identities": Form(),
}
"""The calls that can be made by words. Dashes may stand for the underscores of a name."""


def play(tracker: Tracker, words: Sequence[str]) -> Any:
    """Make the call and return what it returns. Raises InputError for words that make none."""
    if not words:
        raise InputError("No call is named.", fix=f"Name one of: {', '.join(FORMS)}.")
    name = words[0].replace("-", "_")
    form = FORMS.get(name)
    if form is None:
        raise InputError(f"There is no call {words[0]!r}.", fix=f"Use: {', '.join(FORMS)}.")
    count = len(form.required) + len(form.optional)
    given, pairs = list(words[1 : 1 + count]), words[1 + count :]
    if len(given) < len(form.required) or (pairs and not form.properties):
        raise InputError(f"{name} takes other words.", fix=f"Write: {name} {form}.")
    if form.properties:
        return getattr(tracker, name)(*given, dict(map(_property, pairs)))
    return getattr(tracker, name)(*given)


def _property(pair: str) -> tuple[str, object]:
    """``price=3`` is a number, ``vip=true`` a bool, ``tags=["a"]`` a list; the rest is text."""
    name, mark, text = pair.partition("=")
    if not mark or not name:
        raise InputError(f"{pair!r} is no property.", fix="Write name=value.")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
