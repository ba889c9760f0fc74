"""Values of identity columns as the door takes them: by column of distinct values, not by event.

What a value means is decided in ``core`` alone; here is only which values are plain enough that
nothing has to be asked of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.evidence import BLANKS, NORMALISERS, VALUE_LENGTH_MAX
from idweave.core.identity import Identity
from idweave.core.policy import JUNK_VALUES, KeyRule, Normalise, Policy

from .said import Flags

_JUNK = pa.array(sorted(JUNK_VALUES))


class Clean(NamedTuple):
    """Values that count; null where one does not. ``bad`` is why a record with it is refused."""

    values: pa.Array
    bad: dict[int, str]


def cleaned(values: pa.Array, key: str, policy: Policy) -> Clean:
    """What distinct values of a key come to: trimmed, normalised, blocked ones left out."""
    rule = policy.rule(key)
    assert rule is not None, f"{key} was mapped and is not declared"
    trimmed = pc.utf8_trim(values, characters=BLANKS)
    is_empty = pc.equal(pc.binary_length(values), 0)
    trimmed = pc.if_else(is_empty, None, trimmed)
    bad = _bad(trimmed)
    trimmed = _normalised(trimmed, rule)
    counts = _counting(trimmed, key, policy) if rule.enabled else np.zeros(len(values), np.bool_)
    counts[list(bad)] = False
    return Clean(pc.if_else(pa.array(counts), trimmed, None), bad)


def _bad(values: pa.Array) -> dict[int, str]:
    is_long = pc.greater(pc.utf8_length(values), VALUE_LENGTH_MAX)
    has_nul = pc.match_substring(values, "\0")
    return dict.fromkeys(_places(is_long), "long") | dict.fromkeys(_places(has_nul), "nul")


def _places(flags: pa.Array) -> list[int]:
    found: list[int] = np.flatnonzero(_flags(flags)).tolist()
    return found


def _flags(flags: pa.Array) -> Flags:
    found: Flags = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _normalised(values: pa.Array, rule: KeyRule) -> pa.Array:
    """Only what is not plain already is given to Python: letters and digits of ASCII stay."""
    if rule.normalise is Normalise.NONE:
        return values
    plain = r"^[0-9]*$" if rule.normalise is Normalise.PHONE else r"^[0-9a-z@._+-]*$"
    odd = np.array(_places(pc.invert(pc.match_substring_regex(values, plain))), np.int64)
    if not len(odd):
        return values
    act = NORMALISERS[rule.normalise]
    changed = [act(value) for value in values.take(pa.array(odd)).to_pylist()]
    mask = np.zeros(len(values), np.bool_)
    mask[odd] = True
    return pc.replace_with_mask(values, pa.array(mask), pa.array(changed, values.type))


def _counting(values: pa.Array, key: str, policy: Policy) -> Flags:
    """Which values are evidence. Those that may be blocked are asked about one by one: listed
    ones, junk, what begins like an empty number, and all that is not ASCII, whose case differs."""
    rule = policy.rule(key)
    counts: Flags = values.is_valid().to_numpy(zero_copy_only=False)
    if rule is None or not (rule.blocked or rule.blocked_junk):
        return counts.copy()
    counts = counts.copy()
    listed = pa.concat_arrays([_JUNK, pa.array(sorted(rule.blocked), pa.string())])
    lower = pc.ascii_lower(values)
    likely = _flags(pc.is_in(lower, listed)) | _flags(pc.match_substring_regex(values, "^[0-]"))
    likely |= ~_flags(pc.string_is_ascii(values)) & counts
    odd = np.flatnonzero(likely & counts)
    asked = values.take(pa.array(odd)).to_pylist()
    counts[odd] = [policy.links(Identity(key, value)) for value in asked]
    return counts
