"""Where the values of erased identities stand in texts and records, and records without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from idweave.core.evidence import identities_of
from idweave.core.identity import ANONYMOUS_KEY, LOGIN_KEY, Identity
from idweave.core.policy import Policy
from idweave.core.record import Project, id_text

ANYWHERE_LENGTH_MIN = 6
"""Characters from which on a value is found inside longer words, too. Shorter ones (``a``, ``42``)
are parts of many words that have nothing to do with anybody."""

GONE = object()
"""What is left of a text that was nothing but an erased value."""


class Mentions:
    """Finds these identities' values, whatever they stand in."""

    def __init__(self, identities: Iterable[Identity], texts: Iterable[str] = ()) -> None:
        named = sorted(identities)
        values = {*(identity.value for identity in named), *texts}
        self._whole = {*values, *(f"{key}+{value}" for key, value in named)} - {""}
        patterns = [
            _pattern(text) for text in sorted(self._whole, key=lambda one: (-len(one), one))
        ]
        self._inside = re.compile("|".join(patterns)) if patterns else None
        self._forms = sorted({form for value in values if value for form in _forms(value)})

    def may_be_in(self, content: bytes) -> bool:
        """Whether the bytes of a payload may mention one: quick, and right where it says no."""
        lower = content.lower()
        return any(form in lower for form in self._forms)

    def are_in(self, text: str) -> bool:
        """Whether a text mentions one."""
        return self._inside is not None and self._inside.search(text) is not None

    def are_in_record(self, raw: object) -> bool:
        """Whether anything in a record mentions one."""
        if isinstance(raw, Mapping):
            return any(self.are_in_record(one) for pair in raw.items() for one in pair)
        if isinstance(raw, list | tuple):
            return any(map(self.are_in_record, raw))
        text = raw if isinstance(raw, str) else id_text(raw)
        return text is not None and self.are_in(text)

    def taken_out(self, text: str) -> str:
        """A text without them."""
        return text if self._inside is None else self._inside.sub("…", text)

    def without(self, raw: Any) -> Any:
        """A JSON value without them; GONE where nothing else was in it."""
        if isinstance(raw, Mapping):
            kept = {name: self.without(one) for name, one in raw.items() if not self._is(name)}
            return {name: one for name, one in kept.items() if one is not GONE}
        if isinstance(raw, list):
            return [one for one in map(self.without, raw) if one is not GONE]
        if isinstance(raw, str):
            return GONE if self._is(raw) else self.taken_out(raw)
        return GONE if self._is(id_text(raw)) else raw

    def _is(self, text: str | None) -> bool:
        return text is not None and text.strip() in self._whole


def _pattern(value: str) -> str:
    exact = re.escape(value)
    return exact if len(value) >= ANYWHERE_LENGTH_MIN else rf"(?<!\w){exact}(?!\w)"


def _forms(value: str) -> tuple[bytes, bytes]:
    """A value as JSON may have it, in lower case: as it is, and with everything escaped."""
    lower = value.lower()
    plain = json.dumps(lower, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    return plain, json.dumps(value)[1:-1].lower().encode()


def record_without(
    raw: Mapping[str, Any], gone: Iterable[Identity], left: Identity, policy: Policy
) -> dict[str, Any]:
    """A record as if some identities had not been seen with it. ``left`` is the strongest that
    stays: what names an erased one names that instead, where a record must name somebody."""
    gone = set(gone)
    sent = raw.get("identities")
    pairs = sent.items() if isinstance(sent, Mapping) else ()
    removed = {key: value for key, value in pairs if _is_one_of(key, value, gone, policy)}
    texts = [text for text in map(id_text, removed.values()) if text]
    mentions = Mentions(gone, texts)
    rest = {name: value for name, value in raw.items() if name != "identities"}
    kept: dict[str, Any] = mentions.without(rest)
    if pairs:
        kept["identities"] = {key: value for key, value in pairs if key not in removed}
    for name in ("distinct_id", "original_id"):
        if name in raw and name not in kept:
            kept[name] = f"{left.key}+{left.value}"
    return kept


def _is_one_of(key: str, value: object, some: set[Identity], policy: Policy) -> bool:
    found = identities_of([(key, value)], policy)
    return isinstance(found, tuple) and found[0] in some


def sent_identities(raw: Mapping[str, Any], project: Project) -> set[Identity]:
    """Every identity that a record may be about: for records that are not believed."""
    sent = raw.get("identities")
    pairs: list[tuple[str, Any]] = list(sent.items()) if isinstance(sent, Mapping) else []
    for name in ("distinct_id", "login_id", "anonymous_id", "original_id"):
        text = id_text(raw.get(name))
        if text:
            bare = (LOGIN_KEY, ANONYMOUS_KEY, project.bare_distinct_id)
            key, plus, value = text.partition("+")
            pairs += [*((one, text) for one in bare), *([(key, value)] if plus else [])]
    found = (identities_of([pair], project.policy) for pair in pairs)
    return {identity for one in found if isinstance(one, tuple) for identity in one}
