"""The reference page of the peers' cases, from the same rows that the suite is decided by."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from .limits import left_out, unchecked
from .story import Case
from .telling import SYSTEMS, Telling

FILE = Path(__file__).parents[1] / "peer_scenarios.jsonl"


class Peer(NamedTuple):
    """A system on the page: its name, and its words for ours."""

    name: str
    words: str


PEERS: dict[str, Peer] = {
    "adobe_linking_rules": Peer(
        "Adobe, identity graph linking rules",
        "unique namespace: `values_max = 1`, `when_full = renew`; priority: `rank`; last link"
        " wins: `when_taken = move`, `follows`. A removed link is two identities that an event"
        " carried together and that are not one user now. What they leave as a graph of its own"
        " is nobody's here: former identities of the user, told as one where an event carried them"
        " together",
    ),
    "adobe_cja_stitching": Peer(
        "Adobe Customer Journey Analytics, stitching",
        "person id: `$identity_login_id`; persistent id: `$identity_cookie_id`; live: whose the"
        " event was when it came (`idweave past`); replay and device-split: `as_seen`; last-auth:"
        " who holds the row's cookie now; blocked values: `blocked_junk`",
    ),
    "amplitude": Peer(
        "Amplitude",
        "user id: `$identity_login_id`; device id: `$identity_anonymous_id`, `when_taken = move`;"
        " map and unmap: bind and unbind of a `global_user_id`, two user ids by `implied_max` only"
        " so",
    ),
    "apache_unomi": Peer(
        "Apache Unomi",
        "mergeIdentifier: `$identity_email`; profile id: `profile_id`; a merged profile's alias:"
        " the name that leads to the survivor",
    ),
    "mixpanel": Peer(
        "Mixpanel",
        "`$user_id`: `$identity_login_id`; `$device_id`, anonymous id: `$identity_anonymous_id`;"
        " `$identify`: login; `$merge`: bind, which alone joins two users (`implied_max`)",
    ),
    "mparticle": Peer(
        "mParticle IDSync",
        "identity priority: `rank`; unique ids: `values_max = 1`; profiles never merge (`merge ="
        " never`), ids move (`when_taken = move`); log-out: detach of the device; profile link and"
        " isolation: a login says its login ids first by themselves; immutable ids: the other keys"
        " are not `enabled`",
    ),
    "posthog": Peer(
        "PostHog",
        "identified id: `$identity_login_id`, one by `implied_max`; anonymous id:"
        " `$identity_anonymous_id`; `identify`, `alias`: login, and the event itself;"
        " `$merge_dangerously`: bind; illegal ids: `blocked`, `blocked_junk`",
    ),
    "segment_unify": Peer(
        "Segment Unify",
        "limit: `values_max`; priority: `rank`; blocked values: `blocked`, `blocked_junk`;"
        " persistent id: `canonical_id`; delete an identifier: unbind, which `rebind = any` forgets"
        " with the next event, as there",
    ),
    "snowplow_identities": Peer(
        "Snowplow Identities",
        "unique identifier: `values_max = 1`; what two people share: crowded (`conflicts_max = 1`,"
        " `quarantine`), so events with nothing else are nobody's",
    ),
}

INTRO = """
`peer_scenarios.jsonl` among the golden cases holds what other systems document of their own
identity resolution, event by event. Each case runs under the preset that is named after its system,
with the case's own settings (namespaces, priorities, limits, unique ids) on top, on a real engine,
and is held against the documented outcome field by field (`tests/golden/test_peers.py`).
"""

TRY = """```sh
idweave policy show adobe                # the rules, as a file to copy and edit
idweave simulate --policy adobe "CRMID: Tom, ECID: 111" "CRMID: Summer, ECID: 111"
idweave policy try adobe                 # what they would make of your history
```"""

READING = """
A preset takes over what a policy can say: who is one, whose an event is, what is refused. It is no
copy of the other system: names, times and history follow the law here, so nothing is lost by a
late event or a replay, and every decision has its reason. What a table below calls *not expressed* is
decided by rules on operations and settings, not by case, and is listed by the suite as left out.
"""

WEAK = """
Cases that a system documents as its own weakness (a collapse by a shared cookie, a placeholder that
ties everybody, a replay that brings a deleted id back, a change of e-mail that orphans the
history) come out so under its preset. They do not happen under `sensors` with the keys of the case
declared there, each with one value; a second test of the suite shows that for each. Two namespaces
that name a person each are one key of ours then, `$identity_login_id`, with the namespace in the
value, as the SDKs write the `login_id` of `loginWithKey`. A change of an id is said there (the old
value unbound, the new one sent), and then keeps one user with all its history.
"""


def stored() -> list[Case]:
    """The cases of the repository."""
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def summary() -> list[tuple[str, ...]]:
    """A row for each system: its preset, how its words map to ours, and how many cases agree."""
    rows = list[tuple[str, ...]]()
    for system, peer in PEERS.items():
        cases = [case for case in stored() if case["system"] == system]
        presets = sorted({SYSTEMS[system].preset(Telling(case)) for case in cases})
        states = Counter(state(case) for case in cases)
        agree = ", ".join(f"{count} {word}" for word, count in sorted(states.items()))
        names = ", ".join(f"`{name}`" for name in presets)
        rows.append((peer.name, names, peer.words, agree))
    return rows


AGREES, IN_PART, NOT = "agree", "in part", "not expressed"


def state(case: Case) -> str:
    """Whether a case agrees, in part, or cannot be expressed."""
    if left_out(case):
        return NOT
    return IN_PART if unchecked(case) else AGREES


def totals() -> str:
    """How many cases come out how, in a sentence."""
    states = Counter(state(case) for case in stored())
    return (
        f"Of {states.total()} cases {states[AGREES]} agree, {states[IN_PART]} in part, and"
        f" {states[NOT]} cannot be expressed."
    )


def details() -> list[tuple[str, ...]]:
    """A row for each case: what it is, how it comes out, and what is left out of it and why."""
    return [(f"`{case['id']}`", case["title"], state(case), _left(case)) for case in stored()]


def _left(case: Case) -> str:
    """What of a case is not expressed, and why."""
    whole, parts = left_out(case), unchecked(case)
    return whole or "; ".join(f"`{name}`: {reason}" for name, reason in parts.items())
