"""A policy as the text of a policy file: complete, so that it means the same for ever.

What a file leaves to a preset that it extends is written out; what is the default is left out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from enum import StrEnum
from hashlib import blake2b

from .policy import KeyRule, Policy
from .policy_file import SWITCHES

DIGEST_BYTES = 8
"""Of a policy's digest: to tell the few policies of a project apart, not to withstand forgery."""

_EMPTY = Policy(())


def policy_text(policy: Policy) -> str:
    """The TOML text that :func:`.policy_file.parse_policy` reads as this very policy."""
    return "\n".join(_lines(policy)) + "\n"


def policy_digest(policy: Policy) -> str:
    """A short name of the rules, whatever the policy is called."""
    text = policy_text(dataclasses.replace(policy, name=""))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def same_rules(one: Policy, other: Policy) -> bool:
    """Whether two policies say the same, whatever they are called."""
    return dataclasses.replace(one, name="") == dataclasses.replace(other, name="")


def _lines(policy: Policy) -> Iterator[str]:
    yield f"name = {_value(policy.name)}"
    for name in SWITCHES:
        value = getattr(policy, name)
        if value is not getattr(_EMPTY, name):
            yield f"{name} = {_value(value)}"
    if policy.apart:
        yield "apart = ["
        for one, other in policy.apart:
            yield f"  [{_value(list(one))}, {_value(list(other))}],"
        yield "]"
    for rule in policy.keys:
        yield ""
        yield "[[keys]]"
        yield from _rule_lines(rule)


def _rule_lines(rule: KeyRule) -> Iterator[str]:
    plain = KeyRule(rule.key)
    yield f"key = {_value(rule.key)}"
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if value != getattr(plain, field.name):
            yield f"{field.name} = {_value(value)}"


def _value(value: object) -> str:
    """A value in TOML: JSON has the same texts, numbers, truths and lists, but for DEL."""
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, StrEnum):
        value = value.value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
