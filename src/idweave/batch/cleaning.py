"""Values of identity columns as the door takes them: by column of distinct values, not by event.

What a value means is decided in ``core`` alone; here is only which values are plain enough that
nothing has to be asked of it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idweave.core.evidence import BLANKS, NORMALISERS
from idweave.core.identity import Identity
from idweave.core.policy import JUNK_VALUES, KeyRule, Normalise, Policy

from .arrays import Flags

_JUNK = pa.array(sorted(JUNK_VALUES))


def cleaned(values: pa.Array, key: str, policy: Policy) -> pa.Array:
    """What distinct values of a key come to: trimmed, normalised; null where one does not count."""
    rule = policy.rule(key)
    assert rule is not None, f"{key} was mapped and is not declared"
    if not rule.enabled:
        return pa.nulls(len(values), values.type)
    found = _normalised(trimmed(values), rule)
    counts = _counting(found, key, policy)
    return found if counts.all() else pc.if_else(pa.array(counts), found, None)


def trimmed(values: pa.Array) -> pa.Array:
    """Values without blanks around them; null where nothing is left."""
    found = pc.utf8_trim(values, characters=BLANKS)
    is_empty = pc.equal(pc.binary_length(values), 0)
    return pc.if_else(is_empty, None, found) if pc.any(is_empty).as_py() else found


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
