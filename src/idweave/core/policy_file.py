"""Policy files: TOML in, a :class:`Policy` out, and every mistake named by line, field and fix."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from importlib import resources
from typing import Any

from .errors import PolicyError
from .identity import Identity
from .policy import (
    FactsFrom,
    KeyRule,
    Merge,
    Normalise,
    Policy,
    Rebind,
    Unbind,
    WhenCrowded,
    WhenFull,
    WhenTaken,
    template_pattern,
)

PRESETS = ("sensors", "global-static", "simple-one-to-one", "simple-many-to-one")

SWITCHES: dict[str, type[StrEnum]] = {
    "merge": Merge,
    "rebind": Rebind,
    "unbind": Unbind,
    "facts_from": FactsFrom,
}
CHOICES: dict[str, type[StrEnum]] = {
    "when_full": WhenFull,
    "when_taken": WhenTaken,
    "when_crowded": WhenCrowded,
    "normalise": Normalise,
}
COUNTS = {"rank": 0, "values_max": 1, "conflicts_max": 1}
"""Whole-number fields of a key rule and the least value of each."""
FLAGS = ("enabled", "blocked_junk")
RULE_FIELDS = ("key", *COUNTS, *CHOICES, *FLAGS, "parent", "blocked")
POLICY_FIELDS = ("name", "extends", *SWITCHES, "apart", "keys")

KEY_NAME = re.compile(r"[a-zA-Z_$][a-zA-Z\d_${}]{0,99}\Z")


class _Source:
    """A policy's text, only to say on which line something stands."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.splitlines()
        self.file = file

    def line_of(self, field: str, table: int | None) -> int:
        """The 1-based line of ``field`` in the nth ``[[keys]]`` table, or at the top."""
        seen, header = -1, 0
        for number, line in enumerate(self.lines, 1):
            if line.strip().startswith("[[keys]]"):
                seen, header = seen + 1, number if seen + 1 == table else header
            wanted = seen == (-1 if table is None else table)
            if wanted and re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", line):
                return number
        return header

    def error(self, problem: str, field: str, table: int | None, fix: str) -> PolicyError:
        line = self.line_of(field, table)
        return PolicyError(problem, field=field, line=line, file=self.file, fix=fix)


def preset_text(name: str) -> str:
    """The TOML text of a preset, as people copy and edit it."""
    if name not in PRESETS:
        raise PolicyError(f"There is no preset {name!r}.", fix=_suggest(name, PRESETS))
    return (resources.files(__package__) / "presets" / f"{name}.toml").read_text("utf-8")


def preset(name: str) -> Policy:
    """The policy of a preset: ``sensors``, ``global-static``, ``simple-one-to-one`` or
    ``simple-many-to-one``."""
    return parse_policy(preset_text(name), file=f"preset {name}")


def parse_policy(text: str, *, file: str = "policy") -> Policy:
    """A policy from the text of a TOML file; raises :class:`PolicyError` on the first mistake."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise PolicyError(
            f"This is not TOML: {error}.",
            file=file,
            line=int(place.group(1)) if place else len(text.splitlines()),
            fix="Mend the syntax there; `idweave policy show sensors` prints a good example.",
        ) from None
    return _policy(raw, _Source(text, file))


def policy_from(raw: Mapping[str, Any]) -> Policy:
    """A policy from plain data with the fields of a policy file (as the golden cases have it)."""
    return _policy(raw, _Source("", "policy"))


def _policy(raw: Mapping[str, Any], source: _Source) -> Policy:
    _no_unknown(raw, POLICY_FIELDS, source, None)
    start = preset(_text(raw, "extends", source, None)) if "extends" in raw else Policy(())
    switches: dict[str, Any] = {
        field: _choice(raw[field], field, kinds, source, None)
        for field, kinds in SWITCHES.items()
        if field in raw
    }
    if "name" in raw:
        switches["name"] = _text(raw, "name", source, None)
    tables = raw.get("keys", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        fix = "Write each key as a [[keys]] table."
        raise source.error("Key rules must be tables.", "keys", None, fix)
    own = [_rule(table, place, source) for place, table in enumerate(tables)]
    policy = replace(start, keys=_extended(start.keys, own, source), **switches)
    policy = replace(policy, apart=start.apart + _apart(raw, source))
    return _checked(policy, source)


def _extended(start: tuple[KeyRule, ...], own: list[KeyRule], source: _Source) -> Any:
    named: dict[str, KeyRule] = {}
    for place, rule in enumerate(own):
        if rule.key in named:
            fix = "Keep one of the two tables."
            raise source.error(f"{rule.key} is declared twice.", "key", place, fix)
        named[rule.key] = rule
    return tuple(rule for rule in start if rule.key not in named) + tuple(own)


def _rule(raw: Mapping[str, Any], table: int, source: _Source) -> KeyRule:
    _no_unknown(raw, RULE_FIELDS, source, table)
    key = _text(raw, "key", source, table)
    if not KEY_NAME.match(re.sub(r"\{(appid|corpid)\}", "x", key)) or "{}" in key:
        fix = "Letters, digits, _ and $, not a digit first, at most 100; {appid} or {corpid} once."
        raise source.error(f"{key!r} cannot be a key.", "key", table, fix)
    fields: dict[str, Any] = {"key": key}
    for field, least in COUNTS.items():
        if raw.get(field) is not None:
            fields[field] = _count(raw[field], field, least, source, table)
    for field, kinds in CHOICES.items():
        if field in raw:
            fields[field] = _choice(raw[field], field, kinds, source, table)
    for field in FLAGS:
        if field in raw:
            fields[field] = _flag(raw[field], field, source, table)
    if raw.get("parent") is not None:
        fields["parent"] = _text(raw, "parent", source, table)
    if "blocked" in raw:
        fields["blocked"] = _blocked(raw["blocked"], source, table)
    return KeyRule(**fields)


def _checked(policy: Policy, source: _Source) -> Policy:
    """Checks that need the whole policy: parents exist and do not run in a circle."""
    declared = [rule.key for rule in policy.keys]
    for rule in policy.keys:
        table = next((n for n, k in enumerate(_own_keys(source)) if k == rule.key), None)
        trail, parent = [rule.key], rule.parent
        while parent is not None:
            if parent in trail:
                fix = "A key cannot be its own ancestor: remove one `parent`."
                raise source.error(f"{' → '.join([*trail, parent])}.", "parent", table, fix)
            above = _declared(policy, parent)
            if above is None:
                fix = f"Declare it with a [[keys]] table. {_suggest(parent, declared)}"
                raise source.error(f"{parent} is not a declared key.", "parent", table, fix)
            trail.append(parent)
            parent = above.parent
    return policy


def _declared(policy: Policy, key: str) -> KeyRule | None:
    for rule in policy.keys:
        if rule.key == key:
            return rule
    return policy.rule(key) if template_pattern(key) is None else None


def _own_keys(source: _Source) -> list[str]:
    found = (re.match(r"\s*key\s*=\s*[\"'](.*?)[\"']", line) for line in source.lines)
    return [match.group(1) for match in found if match]


def _no_unknown(
    raw: Mapping[str, Any], known: tuple[str, ...], source: _Source, table: int | None
) -> None:
    for field in raw:
        if field not in known:
            raise source.error("There is no such field.", field, table, _suggest(field, known))


def _text(raw: Mapping[str, Any], field: str, source: _Source, table: int | None) -> str:
    value = raw.get(field)
    if isinstance(value, str) and value:
        return value
    if field not in raw:
        raise source.error("It is missing.", field, table, f'Add `{field} = "…"`.')
    raise source.error(f"It must be text, not {value!r}.", field, table, "Put it in quotes.")


def _count(value: Any, field: str, least: int, source: _Source, table: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    fix = f"Write a whole number, {least} or more."
    raise source.error(f"{value!r} is not one.", field, table, fix)


def _flag(value: Any, field: str, source: _Source, table: int) -> bool:
    if isinstance(value, bool):
        return value
    raise source.error(f"{value!r} is neither.", field, table, "Write true or false.")


def _choice(
    value: Any, field: str, kinds: type[StrEnum], source: _Source, table: int | None
) -> StrEnum:
    try:
        return kinds(value)
    except ValueError:
        words = [kind.value for kind in kinds]
        fix = f"Use one of: {', '.join(words)}. {_suggest(str(value), words)}".strip()
        raise source.error(f"{value!r} is not a value of it.", field, table, fix) from None


def _blocked(value: Any, source: _Source, table: int) -> frozenset[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(item.casefold() for item in value)
    fix = 'Write a list of texts, such as ["0", "null"].'
    raise source.error("It must be a list of texts.", "blocked", table, fix)


def _apart(raw: Mapping[str, Any], source: _Source) -> tuple[tuple[Identity, Identity], ...]:
    pairs = []
    for pair in raw.get("apart", []):
        try:
            (key, value), (other_key, other_value) = pair
        except (TypeError, ValueError):
            fix = 'Write [["key", "value"], ["key", "value"]].'
            raise source.error(f"{pair!r} is no pair.", "apart", None, fix) from None
        parts = (key, value, other_key, other_value)
        if not all(isinstance(part, str) for part in parts) or parts[:2] == parts[2:]:
            fix = "Name two different identities, in text."
            raise source.error(f"{pair!r} is no pair.", "apart", None, fix)
        pairs.append((Identity(key, value), Identity(other_key, other_value)))
    return tuple(pairs)


def _suggest(word: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}."
