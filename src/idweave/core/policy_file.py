"""Policy files: TOML in, a :class:`Policy` out, and every mistake named by line, field and fix."""

from __future__ import annotations

import re
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
from .toml_file import (
    Source,
    Table,
    Where,
    choice,
    count,
    flag,
    no_unknown,
    read_toml,
    suggest,
    text_of,
)

OWN_PRESETS = ("sensors", "global-static", "simple-one-to-one", "simple-many-to-one")
PEER_PRESETS = (
    "adobe",
    "adobe-cja",
    "amplitude",
    "mixpanel-original",
    "mixpanel-simplified",
    "mparticle",
    "posthog",
    "segment",
    "snowplow",
    "unomi",
)
"""Named after the systems whose documented rules they follow (docs/reference/peers.md)."""

PRESETS = OWN_PRESETS + PEER_PRESETS

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
COUNTS = {"rank": 0, "values_max": 1, "implied_max": 1, "conflicts_max": 1}
"""Whole-number fields of a key rule and the least value of each."""
FLAGS = ("follows", "enabled", "blocked_junk")
RULE_FIELDS = ("key", *COUNTS, *CHOICES, *FLAGS, "parent", "blocked")
POLICY_FIELDS = ("name", "extends", *SWITCHES, "apart", "keys")

KEY_NAME = re.compile(r"[a-zA-Z_$][a-zA-Z\d_${}]{0,99}\Z")
_EXAMPLE = "`idweave policy show sensors` prints a good example"


def _key_table(place: int) -> Table:
    """The nth ``[[keys]]`` table."""
    return Table("[[keys]]", place)


def preset_text(name: str) -> str:
    """The TOML text of a preset, as people copy and edit it."""
    if name not in PRESETS:
        raise PolicyError(f"There is no preset {name!r}.", fix=suggest(name, PRESETS))
    return (resources.files(__package__) / "presets" / f"{name}.toml").read_text("utf-8")


def preset(name: str) -> Policy:
    """The policy of a preset, one of ``PRESETS``."""
    return parse_policy(preset_text(name), file=f"preset {name}")


def parse_policy(text: str, *, file: str = "policy") -> Policy:
    """A policy from the text of a TOML file; raises :class:`PolicyError` on the first mistake."""
    source = Source(text, file, PolicyError)
    return _policy(read_toml(text, source, example=_EXAMPLE), source)


def policy_from(raw: Mapping[str, Any]) -> Policy:
    """A policy from plain data with the fields of a policy file (as the golden cases have it)."""
    return _policy(raw, Source("", "policy", PolicyError))


def _start(raw: Mapping[str, Any], source: Source) -> Policy:
    """The preset that a policy extends."""
    where = source.at("extends")
    name = text_of(raw, where)
    if name not in PRESETS:
        raise where.error(f"There is no preset {name!r}.", suggest(name, PRESETS))
    return preset(name)


def _policy(raw: Mapping[str, Any], source: Source) -> Policy:
    no_unknown(raw, POLICY_FIELDS, source, None)
    start = _start(raw, source) if "extends" in raw else Policy(())
    switches: dict[str, Any] = {
        field: choice(raw[field], kinds, source.at(field))
        for field, kinds in SWITCHES.items()
        if field in raw
    }
    if "name" in raw:
        switches["name"] = text_of(raw, source.at("name"))
    tables = raw.get("keys", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        fix = "Write each key as a [[keys]] table."
        raise source.at("keys").error("Key rules must be tables.", fix)
    own = [_rule(table, _key_table(place), source) for place, table in enumerate(tables)]
    policy = replace(start, keys=_extended(start.keys, own, source), **switches)
    policy = replace(policy, apart=start.apart + _apart(raw, source))
    return _checked(policy, source)


def _extended(start: tuple[KeyRule, ...], own: list[KeyRule], source: Source) -> Any:
    named: dict[str, KeyRule] = {}
    for place, rule in enumerate(own):
        if rule.key in named:
            fix = "Keep one of the two tables."
            raise source.at("key", _key_table(place)).error(f"{rule.key} is declared twice.", fix)
        named[rule.key] = rule
    return tuple(rule for rule in start if rule.key not in named) + tuple(own)


def _rule(raw: Mapping[str, Any], table: Table, source: Source) -> KeyRule:
    no_unknown(raw, RULE_FIELDS, source, table)
    key = text_of(raw, source.at("key", table))
    if not KEY_NAME.match(re.sub(r"\{(appid|corpid)\}", "x", key)) or "{}" in key:
        fix = "Letters, digits, _ and $, not a digit first, at most 100; {appid} or {corpid} once."
        raise source.at("key", table).error(f"{key!r} cannot be a key.", fix)
    fields: dict[str, Any] = {"key": key}
    for field, least in COUNTS.items():
        if raw.get(field) is not None:
            fields[field] = count(raw[field], least, source.at(field, table))
    for field, kinds in CHOICES.items():
        if field in raw:
            fields[field] = choice(raw[field], kinds, source.at(field, table))
    for field in FLAGS:
        if field in raw:
            fields[field] = flag(raw[field], source.at(field, table))
    if raw.get("parent") is not None:
        fields["parent"] = text_of(raw, source.at("parent", table))
    if "blocked" in raw:
        fields["blocked"] = _blocked(raw["blocked"], source.at("blocked", table))
    return _sound(KeyRule(**fields), source, table)


def _sound(rule: KeyRule, source: Source, table: Table) -> KeyRule:
    """The rule, if its limits go together."""
    if rule.implied_max is not None and rule.implied_max > rule.values_max:
        says = f"{rule.implied_max} is more than values_max = {rule.values_max}."
        raise source.at("implied_max", table).error(says, "Raise `values_max`, or lower this.")
    return rule


def _checked(policy: Policy, source: Source) -> Policy:
    """Checks that need the whole policy: parents exist and do not run in a circle."""
    declared = [rule.key for rule in policy.keys]
    for rule in policy.keys:
        own = (_key_table(n) for n, key in enumerate(_own_keys(source)) if key == rule.key)
        table = next(own, None)
        trail, parent = [rule.key], rule.parent
        while parent is not None:
            if parent in trail:
                fix = "A key cannot be its own ancestor: remove one `parent`."
                raise source.at("parent", table).error(f"{' → '.join([*trail, parent])}.", fix)
            above = _declared(policy, parent)
            if above is None:
                fix = f"Declare it with a [[keys]] table. {suggest(parent, declared)}"
                raise source.at("parent", table).error(f"{parent} is not a declared key.", fix)
            trail.append(parent)
            parent = above.parent
    return policy


def _declared(policy: Policy, key: str) -> KeyRule | None:
    for rule in policy.keys:
        if rule.key == key:
            return rule
    return policy.rule(key) if template_pattern(key) is None else None


def _own_keys(source: Source) -> list[str]:
    found = (re.match(r"\s*key\s*=\s*[\"'](.*?)[\"']", line) for line in source.lines)
    return [match.group(1) for match in found if match]


def _blocked(value: Any, where: Where) -> frozenset[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(item.casefold() for item in value)
    raise where.error("It must be a list of texts.", 'Write such as ["0", "null"].')


def _apart(raw: Mapping[str, Any], source: Source) -> tuple[tuple[Identity, Identity], ...]:
    pairs, where = [], source.at("apart")
    for pair in raw.get("apart", []):
        try:
            (key, value), (other_key, other_value) = pair
        except (TypeError, ValueError):
            fix = 'Write [["key", "value"], ["key", "value"]].'
            raise where.error(f"{pair!r} is no pair.", fix) from None
        parts = (key, value, other_key, other_value)
        if not all(isinstance(part, str) for part in parts) or parts[:2] == parts[2:]:
            fix = "Name two different identities, in text."
            raise where.error(f"{pair!r} is no pair.", fix)
        pairs.append((Identity(key, value), Identity(other_key, other_value)))
    return tuple(pairs)
