"""Identities as people type them: shells eat ``$``, and nobody wants to type a full key."""

from __future__ import annotations

from difflib import get_close_matches

from idweave.core.errors import InputError
from idweave.core.evidence import identities_of
from idweave.core.identity import Identity
from idweave.core.policy import Policy, template_pattern
from idweave.core.rejection import Rejection

PREFIX = "$identity_"
FORMS = ("{}", "${}", PREFIX + "{}")
"""What a typed key may stand for, in this order."""


def full_key(typed: str, policy: Policy) -> str:
    """The declared key that a typed one means: itself, itself behind ``$`` or ``$identity_``, or
    the only declared key that contains it. Raises InputError with what it may have been."""
    sound_text(typed)
    for form in FORMS:
        if policy.rule(form.format(typed)) is not None:
            return form.format(typed)
    literal = [rule.key for rule in policy.keys if template_pattern(rule.key) is None]
    like = [key for key in literal if typed and typed.lower() in key.lower()]
    if len(like) == 1:
        return like[0]
    if like:
        names = ", ".join(short(key) for key in like)
        raise InputError(f"{typed!r} may be several keys.", fix=f"Write one of: {names}.")
    near = get_close_matches(typed, [short(key) for key in literal], n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    fix = f"{meant}`idweave policy show --table` lists the keys."
    raise InputError(f"The project's policy declares no key {typed!r}.", fix=fix)


def short(key: str) -> str:
    """A key without the part that all keys of the catalogue share."""
    return key.removeprefix(PREFIX)


def sound_text(word: str) -> str:
    """A word as it was typed; raises InputError where its bytes are no UTF-8, as nothing is."""
    try:
        word.encode()
    except UnicodeEncodeError:
        fix = "Type it in UTF-8, which is how everything is stored."
        raise InputError(f"{word[:50]!r} is not UTF-8 text.", fix=fix) from None
    return word


def identity_typed(key: str, value: str, policy: Policy) -> Identity:
    """The identity that a typed key and value mean, as it is stored: trimmed and normalised."""
    found = identities_of([(full_key(key, policy), sound_text(value))], policy)
    if isinstance(found, Rejection):
        raise InputError(found.reason, fix=found.fix)
    return found[0]
