"""What a policy of ours cannot express: by system, operation and setting, each with the reason.

Nothing here names a case. A whole case that falls under a row is left out, and listed; a field that
does is not compared, and listed, while the other fields of the case are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from .story import Case
from .telling import ZEROS


class Limit(NamedTuple):
    """One thing that cannot be expressed. ``field``: a pattern of the expected fields that it
    concerns, empty for the whole case; ``holds``: whether a case asks for it."""

    system: str
    field: str
    holds: Callable[[Case], bool]
    reason: str


def _does(*ops: str) -> Callable[[Case], bool]:
    return lambda case: any(step["op"] in ops for step in case["steps"])


def _always(case: Case) -> bool:
    return True


def _is_uuid4(value: str) -> bool:
    try:
        return UUID(value).version == 4 and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _identifies_no_uuid4(case: Case) -> bool:
    steps = (step for step in case["steps"] if step["op"] == "$identify")
    return any(not _is_uuid4(step["anon"]) for step in steps)


def _profiles_share(case: Case) -> bool:
    """Whether an identity is of two profiles."""
    held = Counter(
        tuple(pair)
        for step in case["steps"]
        if step["op"] == "profiles"
        for name, pairs in step.items()
        if name != "op"
        for pair in pairs
    )
    return any(count > 1 for count in held.values())


def _opens_by_device(case: Case) -> bool:
    """Whether a call without a login id carries what a profile with one holds."""
    login = set(case["config"].get("login_ids", ()))
    known: set[tuple[str, str]] = set()
    for step in case["steps"]:
        for name, value in step.items():
            pairs = {tuple(pair) for pair in value} if isinstance(value, list) else set()
            has_login = any(word in login for word, _ in pairs)
            if step["op"] == "identify" and pairs & known and not has_login:
                return True
            if has_login and name != "op":
                known |= {pair for pair in pairs if pair[0] not in login}
            if step["op"] == "logout":
                known -= pairs
    return False


def _blocks_patterns(case: Case) -> bool:
    rows = case["config"].get("blocked", ())
    return any(row.get("regex", ZEROS) != ZEROS for row in rows)


def _limits_in_time(case: Case) -> bool:
    rows = case["config"].get("identifiers", ())
    return any(str(row.get("frequency", "ever")).lower() != "ever" for row in rows)


def _isolates(case: Case) -> bool:
    return "isolation" in case["policy"]


LIMITS = (
    Limit(
        "adobe_cja_stitching",
        "",
        _does("privacy_delete"),
        "deleting a person is an operator's erasure and no rule: of a user it takes the anonymous rows"
        " too, so none goes to another person, and none is left to fall back to the cookie",
    ),
    Limit(
        "amplitude",
        "direction",
        _does("map"),
        "a mapping here makes one user of two; it has no direction",
    ),
    Limit(
        "amplitude",
        "properties_merged",
        _does("map"),
        "properties follow the events of a user; what is one user has one profile",
    ),
    Limit(
        "mixpanel",
        "",
        _identifies_no_uuid4,
        "a policy blocks values, it does not ask for a form of them",
    ),
    Limit(
        "mparticle",
        "",
        _profiles_share,
        "an identity has one owner; here no two users hold the same one",
    ),
    Limit(
        "mparticle",
        "",
        _opens_by_device,
        "whoever owns an identity owns an event that carries it alone; no key needs another beside"
        " it",
    ),
    Limit(
        "mparticle",
        "final",
        _isolates,
        "a device that belongs to the anonymous and to the known profile has two owners; here it"
        " stays with the anonymous one",
    ),
    Limit(
        "posthog",
        "persons.properties",
        _always,
        "merging properties is not part of resolution: a profile is folded from its records in the"
        " order of time",
    ),
    Limit(
        "segment_unify",
        "",
        _does("merge_times"),
        "a policy bounds the values of a key and who asks for them, not how often users merged",
    ),
    Limit(
        "segment_unify",
        "",
        _limits_in_time,
        "`values_max` counts what a user holds now, not what it came by in a week or a month",
    ),
    Limit(
        "segment_unify",
        "",
        _blocks_patterns,
        "blocked values are listed, or junk by the built-in test; patterns cannot be declared",
    ),
    Limit(
        "segment_unify",
        r"t\d+_error",
        _does("unbind"),
        "any identity may be unbound; a user that holds none stays, empty, under its name",
    ),
)


def fields_of(case: Case) -> list[str]:
    """The expected fields of a case; properties of persons count as one of their own."""
    names = list(case["expect"])
    if any("properties" in one for one in case["expect"].get("persons", ())):
        names.append("persons.properties")
    return names


def left_out(case: Case) -> str | None:
    """Why a whole case cannot be expressed; None where it can."""
    found = (
        limit.reason
        for limit in LIMITS
        if limit.system == case["system"] and not limit.field and limit.holds(case)
    )
    return next(found, None)


def unchecked(case: Case) -> dict[str, str]:
    """The fields of a case that are not compared, each with the reason."""
    return {
        name: limit.reason
        for name in fields_of(case)
        for limit in LIMITS
        if limit.system == case["system"]
        and limit.field
        and re.fullmatch(limit.field, name)
        and limit.holds(case)
    }
