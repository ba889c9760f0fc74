"""Why, why not, how, and what would separate: the explanations of ``core`` with names and sources.

Everything is read from the facts of one or two groups, at the moment of the question.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from idweave.core.graph import Reason, User
from idweave.core.identity import Identity, Kind
from idweave.core.linking import Gap, Left, Refused, chain, gaps, making
from idweave.core.policy import KeyRule
from idweave.core.resolve import Bar, merge_bar
from idweave.core.separating import separation
from idweave.core.trace import Decision
from idweave.ports import Reader

from .explained import (
    BarAnswer,
    DecisionAnswer,
    DecisionPage,
    GapAnswer,
    LeavingAnswer,
    LinkAnswer,
    MoveAnswer,
    SeparationAnswer,
    WhyAnswer,
)
from .reading import follow
from .refused import BAR_RULES, MEANINGS, REMEDIES
from .telling import Story, deciding_groups

EVENTS_SHOWN_MAX = 100
"""Events of one separation that are listed: more are counted, nobody retracts them by hand."""

Pair = tuple[Identity, Identity]


def why(story: Story, pair: Pair) -> WhyAnswer:
    """Why two identities are one user, or why they are not."""
    one, other = pair
    found = () if one == other else chain(story.trace, one, other)
    links = tuple(
        LinkAnswer(story.named(left), story.named(right), story.evidence(fact))
        for fact, left, right in found or ()
    )
    same = found is not None
    between = None if same else gaps(story.trace, one, other)
    told = tuple(_gap(story, gap) for gap in between or ())
    says = _says(len(links), None if between is None else len(told), same=same)
    return WhyAnswer(story.project, story.named(one), story.named(other), same, says, links, told)


def _says(links: int, between: int | None, *, same: bool) -> str:
    if same and not links:
        return "It is the same identity."
    if same:
        return f"They are one user: {links} {'event ties' if links == 1 else 'events tie'} them."
    if between is None:
        return "No event leads from one to the other, directly or over others: nothing links them."
    if between == 0:
        return "Nobody holds it now."
    places = "one place" if between == 1 else f"{between} places"
    return f"They are not one user: events lead from one to the other, and do not hold in {places}."


def _gap(story: Story, gap: Gap) -> GapAnswer:
    return GapAnswer(
        story.named(gap.one),
        story.named(gap.other),
        gap.facts,
        story.evidence(gap.first),
        story.evidence(gap.last),
        tuple(_refused(story, refused) for refused in gap.refused),
        tuple(_left(story, left) for left in gap.left),
    )


def _refused(story: Story, refused: Refused) -> BarAnswer:
    graph, identity = story.trace.graph, refused.identity
    holder = graph.owner.get(identity)
    held = None if holder is None else graph.values(holder, identity.key)[identity.value]
    rule = _rule(story, refused, holder)
    return BarAnswer(
        *identity,
        refused.reason.value,
        MEANINGS[refused.reason],
        rule,
        None if holder is None else story.name(holder),
        None if held is None else held.time_ms,
        refused.times,
        f"{refused.first.time_ms}-{refused.first.event_id}",
        f"{refused.last.time_ms}-{refused.last.event_id}",
        REMEDIES[refused.reason].format(key=identity.key, rule=rule),
    )


def _rule(story: Story, refused: Refused, holder: User | None) -> str:
    """The rule of the policy that refused, with its number."""
    policy, graph, key = story.trace.policy, story.trace.graph, refused.identity.key
    rule = policy.rule(key)
    home = None if refused.home is None else graph.find(refused.home)
    bar = None
    if home is not None and holder is not None and holder != home:
        bar = merge_bar(graph, refused.last.kind, policy, (home, holder))
    texts = {
        Reason.TAKEN: f"when_taken = keep of {key}; and {_bar(story, bar)}",
        Reason.FULL: f"{_limit(rule, refused.last.kind)} of {key}",
        Reason.CROWDED: f"conflicts_max = {rule.conflicts_max if rule else 0} of {key}",
        Reason.UNBOUND: f"rebind = {policy.rebind.value}",
        Reason.APART: "apart",
    }
    return texts.get(refused.reason, "unbind")


def _limit(rule: KeyRule | None, kind: Kind) -> str:
    """The limit that a fact of a kind met at a key."""
    if rule is None:
        return "values_max = 0"
    limit = rule.limit(kind)
    return f"values_max = {limit}" if limit == rule.values_max else f"implied_max = {limit}"


def _bar(story: Story, bar: Bar | None) -> str:
    """Why two users do not merge, today."""
    if bar is None:
        return "the two could merge today: the next event that carries both does it"
    rule = story.trace.policy.rule(bar.key)
    return BAR_RULES[bar.rule].format(
        merge=story.trace.policy.merge.value,
        key=bar.key,
        values=bar.values,
        limit=rule.limit(Kind.OBSERVE if bar.rule == "implied_max" else Kind.BIND) if rule else 0,
        pair=" and ".join(map(str, bar.pair)),
    )


def _left(story: Story, left: Left) -> LeavingAnswer:
    return LeavingAnswer(
        *left.stay.identity,
        story.name(left.stay.user),
        story.evidence(left.by),
        REMEDIES["left"],
    )


# -- how it was made -------------------------------------------------------------------------------


def decisions_of(reader: Reader, story: Story, name: int, page: tuple[int, int]) -> DecisionPage:
    """A page (how many to skip, how many to give) of the decisions that made a user."""
    skip, limit = page
    founder = follow(reader, story.project, name).founder
    made = making(story.trace, story.trace.graph.find(founder))
    some = tuple(
        DecisionAnswer(story.evidence(done.fact), tuple(_moves(story, done)))
        for done in islice(made, skip, skip + limit)
    )
    more = str(skip + limit) if len(made) > skip + limit else None
    return DecisionPage(str(name), some, more)


def groups_of_user(reader: Reader, project: str, name: int) -> list[int]:
    """The groups whose facts a user was made of and decided by; none where there are no facts."""
    row = follow(reader, project, name)
    members = reader.set_members(row.founder_set)
    return deciding_groups(reader, project, (state.identity for state in members))


def _moves(story: Story, done: Decision) -> Iterator[MoveAnswer]:
    if done.founded is not None:
        yield MoveAnswer("founded", _first_name(story, done.founded))
    for stay in done.left:
        yield MoveAnswer("left", _first_name(story, stay.user), None, *stay.identity)
    for stay in done.joined:
        yield MoveAnswer("joined", _first_name(story, stay.user), None, *stay.identity)
    for survivor, absorbed in done.merged:
        names = (_first_name(story, survivor), _first_name(story, absorbed))
        yield MoveAnswer("merged", *names)
    for home, identity, reason in done.refused:
        name = None if home is None else _first_name(story, home)
        yield MoveAnswer("refused", name, None, *identity, reason.value)
    marked = (("unbound", done.unbound), ("crowded", done.crowded), ("freed", done.freed))
    for what, identities in marked:
        for identity in identities:
            yield MoveAnswer(what, None, None, *identity)


def _first_name(story: Story, user: User) -> str:
    """The name that a user had then, before later merges."""
    return str(story.own_name(user))


# -- what would separate ---------------------------------------------------------------------------


def separate(story: Story, pair: Pair) -> SeparationAnswer:
    """The events whose retraction parts two identities."""
    found = separation(story.trace, *pair)
    facts = () if found is None else found.facts
    return SeparationAnswer(
        story.project,
        story.named(pair[0]),
        story.named(pair[1]),
        found is not None,
        found is not None and found.is_smallest,
        len(facts),
        tuple(map(story.evidence, facts[:EVENTS_SHOWN_MAX])),
        _parts(len(facts), is_smallest=found is not None and found.is_smallest),
    )


def _parts(count: int, *, is_smallest: bool) -> str:
    if not count:
        return "They are not one user, so nothing has to part them."
    events = "this event" if count == 1 else f"all of these {count} events"
    proven = "No fewer do." if is_smallest else "Fewer may do; none was found."
    return (
        f"Retracting {events} parts them. {proven} To part them whatever was sent,"
        " detach one of the two, and keep the pair apart."
    )
