"""What each system's cases say, as presets, key rules and facts. A row per system and operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from idweave.core.evidence import is_reserved
from idweave.core.identity import Identity, Kind
from idweave.core.policy import Policy
from idweave.core.policy_file import policy_from, preset

from .story import T0, Case, Making, Pair, Said, Step, Story, Told, date_ms, times

Keys = list[dict[str, Any]]

LOGIN, ANONYMOUS = "$identity_login_id", "$identity_anonymous_id"
EMAIL, COOKIE = "$identity_email", "$identity_cookie_id"
WORDS = {"user_id": LOGIN, "anonymous_id": ANONYMOUS, "device_id": ANONYMOUS, "email": EMAIL}
"""Their words for keys of ours; all others keep their names."""

MANY = 1000
"""Values of a key that has no limit over there."""


def key_of(word: str) -> str:
    """Their name of an identifier as a key of ours."""
    name = WORDS.get(word) or re.sub(r"[^A-Za-z0-9_$]", "_", word)
    return f"$identity_{name}" if name[0] != "$" and is_reserved(name) else name


def paired(pairs: Sequence[Sequence[str]]) -> list[Pair]:
    """Identifiers with our keys."""
    return [(key_of(word), value) for word, value in pairs]


@dataclass
class Telling:
    """A case while it is told. ``before``: the steps that were told so far."""

    case: Case
    before: list[Told] = field(default_factory=list)
    device: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The case's own settings."""
        return dict(self.case["config"])

    @property
    def steps(self) -> list[Case]:
        """What happens in it."""
        return list(self.case["steps"])

    def words(self) -> list[str]:
        """Every identifier's name that a step carries, in order."""
        carried = (pair[0] for step in self.steps for pair in step.get("ids", ()) if len(pair) == 2)
        return list(dict.fromkeys(carried))


Op = Callable[[Telling, Case], Told]


def observe(told: Telling, step: Case) -> Told:
    """Identities seen together."""
    return Told([Said(Kind.OBSERVE, paired(step["ids"]))])


def nothing(told: Telling, step: Case) -> Told:
    """Something that only the sender's side knows of; its next ids tell."""
    return Told()


def ask(told: Telling, step: Case) -> Told:
    """A look-up; it states nothing."""
    return Told(asked=paired(step["ids"]))


# -- Adobe -----------------------------------------------------------------------------------------


def adobe_keys(told: Telling) -> Keys:
    """A unique namespace renews its one value; all else moves to who links it last."""
    known = {rule.key for rule in preset("adobe").keys}
    named = {one["key"]: one for one in told.config.get("namespaces", ())}
    extra = [word for word in told.words() if word not in named and key_of(word) not in known]
    rows = [(word, one["priority"], one.get("unique", False)) for word, one in named.items()]
    rows += [(word, 1000, False) for word in extra]
    return [
        {
            "key": key_of(word),
            "rank": rank,
            "values_max": 1 if unique else 50,
            "when_full": "renew" if unique else "replace",
            "when_taken": "move",
            "follows": True,
        }
        for word, rank, unique in rows
    ]


def cja_row(told: Telling, step: Case) -> Told:
    """A row of a data set: its cookie, and its person if it names one."""
    person = [(LOGIN, step["person"])] if step.get("person") else []
    return Told([Said(Kind.OBSERVE, [*person, (COOKIE, step["cookie"])])])


# -- Amplitude and Mixpanel ------------------------------------------------------------------------


def device_event(told: Telling, step: Case) -> Told:
    """An event with a device id, a user id, or both."""
    told.device = step.get("device_id") or told.device
    words = ("user_id", "device_id")
    return Told([Said(Kind.OBSERVE, paired([(w, step[w]) for w in words if step.get(w)]))])


def amplitude_map(told: Telling, step: Case) -> Told:
    """A user id becomes one of a global user's."""
    pairs = [("global_user_id", step["global_user_id"]), (LOGIN, step["user_id"])]
    return Told([Said(Kind.BIND, pairs)])


def amplitude_unmap(told: Telling, step: Case) -> Told:
    """And is not any more."""
    return Told([Said(Kind.UNBIND, [(LOGIN, step["user_id"])])])


def mixpanel_identify(told: Telling, step: Case) -> Told:
    """A login on a device: the one named, or the one in hand."""
    device = step.get("anon") or told.device
    user = (LOGIN, step.get("user") or step["user_id"])
    pairs = [user, (ANONYMOUS, device)] if device else [user]
    return Told([Said(Kind.LOGIN, pairs, user)])


def mixpanel_merge(told: Telling, step: Case) -> Told:
    """A bind of ids, whatever they are."""
    ids = step.get("ids") or step["users"]
    anonymous = {one.get("anon") or one.get("device_id") for one in told.steps}
    keys = [ANONYMOUS if one in anonymous else LOGIN for one in ids]
    return Told([Said(Kind.BIND, list(zip(keys, ids, strict=True)))])


def mixpanel_preset(told: Telling) -> str:
    """The original API has calls of its own; the simplified one links by events alone."""
    is_own = any(step["op"][0] == "$" or step["op"] == "identify" for step in told.steps)
    words = f"{told.case['policy']} {told.case['title']}".lower()
    return "mixpanel-original" if is_own or "original" in words else "mixpanel-simplified"


# -- mParticle -------------------------------------------------------------------------------------


def is_strategy(told: Telling, word: str) -> bool:
    """Whether the case is about this profile strategy."""
    return word in told.case["policy"]


def mparticle_keys(told: Telling) -> Keys:
    """Keys by priority. With immutable ids only these find anybody; the rest is not resolved."""
    config = told.config
    given = told.words() + [
        pair[0]
        for step in told.steps
        for name, pairs in step.items()
        if name != "ids" and isinstance(pairs, list)
        for pair in pairs
    ]
    order = list(dict.fromkeys([*config.get("priority", ()), *given]))
    immutable = config.get("immutable_ids")
    unique = config.get("unique_ids", config.get("login_ids", ()))
    taken = "keep" if is_strategy(told, "isolation") else "move"
    return [
        {
            "key": key_of(word),
            "rank": rank,
            "values_max": 1 if word in unique else MANY,
            "when_taken": taken if word not in unique else "move",
            "enabled": immutable is None or word in immutable,
        }
        for rank, word in enumerate(order)
    ]


def mparticle_login(told: Telling, step: Case) -> Told:
    """A login. Where it makes a profile of its own, its login ids come first by themselves."""
    pairs, login = paired(step["ids"]), told.config.get("login_ids", ())
    own = [(key_of(word), value) for word, value in step["ids"] if word in login]
    first = is_strategy(told, "link") or is_strategy(told, "isolation")
    alone = [Said(Kind.OBSERVE, own)] if first and own else []
    return Told([*alone, Said(Kind.LOGIN, pairs, own[0] if own else None)])


def mparticle_logout(told: Telling, step: Case) -> Told:
    """The device leaves the known profile, and is an anonymous one's. With isolation it never
    joined one."""
    pairs = paired(step["ids"])
    leaves = [] if is_strategy(told, "isolation") else [Said(Kind.DETACH, pairs)]
    return Told([*leaves, Said(Kind.OBSERVE, pairs)])


def mparticle_modify(told: Telling, step: Case) -> Told:
    """An identity of the current profile is replaced."""
    key = key_of(step["identity"])
    said = next(told.said[-1] for told in reversed(told.before) if told.said)
    current = [pair for pair in said.pairs if pair[0] != key][:1]
    unbound = Said(Kind.UNBIND, [(key, step["old"])])
    return Told([unbound, Said(Kind.BIND, [*current, (key, step["new"])])])


def mparticle_profiles(told: Telling, step: Case) -> Told:
    """Profiles that exist already."""
    profiles = (ids for name, ids in step.items() if name not in ("op", "t", "id"))
    return Told([Said(Kind.BIND, paired(ids)) for ids in profiles])


# -- PostHog ---------------------------------------------------------------------------------------


def posthog_anonymous(told: Telling) -> set[str]:
    """The ids that are nobody's account: what first comes up as the anonymous side of a call, and
    people who exist, are not identified, and are no call's own side."""
    people = told.config.get("preexisting_persons", ())
    found = {one: False for person in people if person.get("is_identified") for one in person["ids"]}
    for step in told.steps:
        for word in ("anon_distinct_id", "alias"):
            found.setdefault(str(step.get(word)), True)
        found.setdefault(str(step.get("distinct_id")), False)
    for person in people:
        for one in person["ids"]:
            found.setdefault(one, True)
    return {one for one, is_anonymous in found.items() if is_anonymous}


def posthog_pairs(told: Telling, ids: Sequence[str]) -> list[Pair]:
    """Distinct ids by what they are."""
    anonymous = posthog_anonymous(told)
    return [(ANONYMOUS if one in anonymous else LOGIN, one) for one in ids]


def posthog_call(told: Telling, step: Case) -> Told:
    """``identify`` and ``alias``: a login that names two sides, and the event, which is the own
    side's whatever became of that."""
    sides = (step.get(word) for word in ("distinct_id", "anon_distinct_id", "alias"))
    own, *other = posthog_pairs(told, [side for side in sides if side is not None])
    login = [Said(Kind.LOGIN, [own, *other], own)] if other else []
    return Told([*login, Said(Kind.OBSERVE, [own])])


def posthog_merge(told: Telling, step: Case) -> Told:
    """Persons made one whatever they are; a handle names somebody, however stale it is."""
    sides = [step[w] for w in ("distinct_id", "alias", "source", "target") if w in step]
    named = {one.get("name"): one["ids"][0] for one in told.config.get("preexisting_persons", ())}
    plain = [re.sub(r"\(.*\)$", "", side) for side in sides]
    return Told([Said(Kind.BIND, posthog_pairs(told, [named.get(one, one) for one in plain]))])


def posthog_capture(told: Telling, step: Case) -> Told:
    """An event of one person."""
    return Told([Said(Kind.OBSERVE, posthog_pairs(told, [step["distinct_id"]]))])


# -- Segment, Snowplow, Unomi ----------------------------------------------------------------------

ZEROS = "^[0-]*$"
"""The one pattern among Segment's default blocked values; ``blocked_junk`` covers it."""


SEGMENT_BLOCKED = ("-1", "null", "anonymous")
SEGMENT_LIMIT = 5
"""What is over there by default: values that name nobody, and values of an identifier."""


def segment_keys(told: Telling) -> Keys:
    """Limits and priorities; what is not configured is kept with the event and ignored."""
    config = told.config
    exact = (one["exact"] for one in config.get("blocked", ()) if "exact" in one)
    blocked = [*SEGMENT_BLOCKED, *exact]
    registered = [word for step in told.steps for word in step.get("keys", ())]
    rows: Keys = [
        _identifier(one["key"], one.get("priority", place), one.get("limit"))
        for place, one in enumerate(config.get("identifiers", ()), 1)
    ]
    if not rows and (registered or config.get("blocked")):
        rows = _by_default(registered)
    on = [row | {"blocked_junk": True, "blocked": blocked} for row in rows]
    off = [{"key": key, "enabled": False} for key in _beside(told, rows)] if rows else []
    return [*on, *off]


def _identifier(word: str, rank: int, limit: int | None = None) -> dict[str, Any]:
    values_max = limit or (1 if word == "user_id" else SEGMENT_LIMIT)
    return {"key": key_of(word), "rank": rank, "values_max": values_max}


def _by_default(registered: Sequence[str]) -> Keys:
    """The preset's identifiers and what was registered beside them, in the order that is implied
    there: ``user_id``, ``email``, all others by name."""
    theirs = {key: word for word, key in WORDS.items() if word != "device_id"}
    known = [theirs.get(rule.key, rule.key) for rule in preset("segment").keys]
    words = {key_of(word): word for word in [*known, *registered]}.values()
    ordered = sorted(words, key=lambda word: (word != "user_id", word != "email", word))
    return [_identifier(word, rank) for rank, word in enumerate(ordered, 1)]


def _beside(told: Telling, rows: Keys) -> list[str]:
    """Keys that are not configured, in events that carry one that is."""
    named = {row["key"] for row in rows}
    carried = ({key_of(word) for word, _ in step["ids"]} for step in told.steps if "ids" in step)
    return sorted({key for keys in carried if keys & named for key in keys - named})


def segment_unbind(told: Telling, step: Case) -> Told:
    """An identifier is deleted."""
    return Told([Said(Kind.UNBIND, paired(step["ids"]))])


def segment_replay(told: Telling, step: Case) -> Told:
    """Old events come again, as new ones."""
    places = [place for place, one in enumerate(told.steps) if one.get("t") in step["of"]]
    return Told([said for place in places for said in told.before[place].said])


def snowplow_keys(told: Telling) -> Keys:
    """A unique identifier has one value; any other is nobody's once two people share it."""
    unique = told.config.get("unique", ())
    shared = {"values_max": MANY, "conflicts_max": 1, "when_crowded": "quarantine"}
    return [
        {"key": key_of(word), "rank": 0 if word in unique else 10}
        | ({} if word in unique else shared)
        for word in dict.fromkeys([*unique, *told.words()])
    ]


def unomi_profile(told: Telling, step: Case) -> Told:
    """A profile; its merge identifier, if it has one, says who it is."""
    one = [(EMAIL, step["merge_identifier"])] if step.get("merge_identifier") else []
    return Told([Said(Kind.OBSERVE, [*one, ("profile_id", step["id"])])])


def unomi_merge(told: Telling, step: Case) -> Told:
    """The profile's own property becomes its merge identifier."""
    wanted = (one for one in told.steps if one["op"] == "profile" and one["id"] == step["profile"])
    pairs = [(EMAIL, next(wanted)[told.config["merge_property"]]), ("profile_id", step["profile"])]
    return Told([Said(Kind.LOGIN, pairs, pairs[0])])


def unomi_login(told: Telling, step: Case) -> Told:
    """Somebody logs in, in the browser of a profile."""
    user = (EMAIL, step[told.config["merge_property"]])
    return Told([Said(Kind.LOGIN, [user, ("profile_id", step["session_profile"])], user)])


# -- all of them -----------------------------------------------------------------------------------


def no_keys(told: Telling) -> Keys:
    """The preset has all keys."""
    return []


@dataclass(frozen=True)
class System:
    """One system: the preset of a case, what its settings add to it, and its operations.
    ``lists_lone``: whether a case lists identities that are alone."""

    preset: Callable[[Telling], str]
    ops: Mapping[str, Op]
    keys: Callable[[Telling], Keys] = no_keys
    lists_lone: bool = True


def always(name: str) -> Callable[[Telling], str]:
    """One preset for all cases."""
    return lambda told: name


SYSTEMS: dict[str, System] = {
    "adobe_linking_rules": System(
        always("adobe"), {"event": observe, "anon_event": observe}, adobe_keys
    ),
    "adobe_cja_stitching": System(always("adobe-cja"), {"event": cja_row}),
    "amplitude": System(
        always("amplitude"),
        {"event": device_event, "map": amplitude_map, "unmap": amplitude_unmap},
    ),
    "apache_unomi": System(
        always("unomi"),
        {"profile": unomi_profile, "merge_event": unomi_merge, "login_event": unomi_login},
    ),
    "mixpanel": System(
        mixpanel_preset,
        {
            "event": device_event,
            "merge_users": mixpanel_merge,
            "$merge": mixpanel_merge,
            "identify": mixpanel_identify,
            "$identify": mixpanel_identify,
            "reset": nothing,
            "logout": nothing,
            "signup_click_reset": nothing,
        },
        lists_lone=False,
    ),
    "mparticle": System(
        always("mparticle"),
        {
            "identify": observe,
            "feed": observe,
            "login": mparticle_login,
            "logout": mparticle_logout,
            "modify": mparticle_modify,
            "profiles": mparticle_profiles,
            "lookup": ask,
            "search": ask,
        },
        mparticle_keys,
    ),
    "posthog": System(
        always("posthog"),
        {
            "identify": posthog_call,
            "alias": posthog_call,
            "merge": posthog_merge,
            "merge_dangerously": posthog_merge,
            "capture": posthog_capture,
        },
        lists_lone=False,
    ),
    "segment_unify": System(
        always("segment"),
        {
            "event": observe,
            "reset": nothing,
            "register": nothing,
            "unbind": segment_unbind,
            "replay": segment_replay,
        },
        segment_keys,
    ),
    "snowplow_identities": System(always("snowplow"), {"event": observe}, snowplow_keys),
}


def policy_of(case: Case) -> Policy:
    """The preset of the case's system, with what the case sets."""
    assert case["system"] in SYSTEMS, f"nobody here knows the system {case['system']}"
    told, system = Telling(case), SYSTEMS[case["system"]]
    return policy_from({"extends": system.preset(told), "keys": system.keys(told)})


def steps_of(case: Case, policy: Policy) -> list[Step]:
    """Everything that happens in a case, people who exist before it first."""
    told, making = Telling(case), Making(policy)
    people = case["config"].get("preexisting_persons", ())
    for place, person in enumerate(people):
        created = person.get("created")
        time_ms = date_ms(created) if created else T0 - (len(people) - place) * 1000
        pairs = posthog_pairs(told, person["ids"])
        name = {"op": "person", "id": f"person.{place}"}
        making.add(0, name, time_ms, Told([Said(Kind.BIND, pairs)]))
    clock = times(told.steps)
    ops = SYSTEMS[case["system"]].ops
    for number, step in enumerate(told.steps, 1):
        assert step["op"] in ops, f"{case['system']}: nobody here knows the operation {step['op']}"
        said = ops[step["op"]](told, step)
        told.before.append(said)
        making.add(number, step, clock[number - 1], said)
    return making.steps


def play(case: Case, policy: Policy | None = None) -> Story:
    """The case under the preset of its system, or under other rules."""
    rules = policy or policy_of(case)
    return Story(case, rules, steps_of(case, rules))


def identity(story: Story, value: str) -> Identity:
    """The identity that a case names by its value alone."""
    found = [one for one in story.seen if one.value == value]
    assert len(found) == 1, f"{value!r} is the value of {found}"
    return found[0]
