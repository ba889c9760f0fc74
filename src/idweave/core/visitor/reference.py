"""The reference page of visitor ids, drawn from the tables (docs/reference/visitor-ids.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .changes import Change, change, sources
from .handover import PARAMETERS
from .options import BOUNDS, OPTIONS
from .profiles import HINTS, MINI_PLATFORMS, PROFILES, Link, Profile, same
from .stores import CONDITIONS, Family

HEAD = """\
# Visitor ids

The visitor id (`deviceId`, `u`) of GrowingIO's released SDKs, profile by profile. This page is
drawn from the tables in `idweave.core.visitor`; [the explanation](../explanation/visitor-ids.md)
says what they mean.
"""

NOTE = """\
The first link that yields an accepted id wins. `wechat-…` stands for every mini-program host below.
"""


def render_reference() -> str:
    """The whole page as Markdown."""
    parts = [
        HEAD,
        _profiles(),
        _hints(),
        _changes(),
        _conditions(),
        _options(),
        _handover(),
        _mini(),
    ]
    return "\n".join(parts)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}", "", _line(head), _line("---" for _ in head)]
    return "\n".join([*lines, *(_line(row) for row in rows)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _unique(profiles: Iterable[Profile]) -> Iterable[Profile]:
    """Profiles less the mini-program hosts that repeat WeChat's."""
    hosts = tuple(f"{host}-" for host in MINI_PLATFORMS if host != "wechat")
    return (row for row in profiles if not row.name.startswith(hosts))


def _profiles() -> str:
    rows = [
        (
            f"`{row.name}`",
            row.sdk,
            "<br>".join([*map(_link, row.chain), _random(row)]),
            f"`{row.keeps.key}` ({row.keeps.kind})" if row.keeps else "nothing is stored",
        )
        for row in _unique(PROFILES.values())
    ]
    table = _table("Profiles", ("profile", "SDK", "chain", "stored in"), rows)
    return f"{table}\n{NOTE}"


def _link(link: Link) -> str:
    where = f"`{link.slot.key}`" if link.slot else f"hint `{link.hint}`"
    words = [f"**{link.source}**: {where}"]
    words += [f"if `{name}`" for name in link.needs]
    words += [f"unless `{link.unless}`"] if link.unless else []
    words += (
        [f"not {', '.join(f'`{text}`' for text in sorted(link.rejects))}"] if link.rejects else []
    )
    words += [f"test `{link.accepts.__name__}`", *_outcome(link)]
    return ", ".join(words)


def _outcome(link: Link) -> Iterable[str]:
    if link.transform is not same:
        yield f"through `{link.transform.__name__}`"
    if link.slot is None and not link.kept:
        yield "not stored"
    if link.keeps:
        yield f"stored in `{link.keeps.key}`"
    if link.ends:
        yield "else random at once"


def _random(row: Profile) -> str:
    return "**random**: a UUID" + ("" if row.random is same else ", upper case")


def _hints() -> str:
    rows = [(f"`{row.name}`", row.kind.value, row.help) for row in HINTS]
    return _table("Hints", ("hint", "kind", "what to give"), rows)


def _changes() -> str:
    """Which conditions change an id; profiles with equal answers share a line."""
    lines: dict[tuple[str, str, str, str], list[str]] = {}
    for row in _unique(PROFILES.values()):
        for source in sources(row):
            told = tuple(_told(row, source, answer) for answer in Change)
            lines.setdefault((source, told[0], told[1], told[2]), []).append(f"`{row.name}`")
    rows = [
        (", ".join(names), source, always, if_source, never)
        for (source, never, if_source, always), names in lines.items()
    ]
    head = ("profile", "source", "new id", "new id if the source reads differently", "same id")
    return _table("What changes a visitor id", head, rows)


def _told(rules: Profile, source: str, answer: Change) -> str:
    fitting = [row for row in CONDITIONS if rules.family in row.families]
    return ", ".join(row.name for row in fitting if change(rules, source, row) is answer)


def _conditions() -> str:
    rows = [
        (
            f"`{row.name}`",
            ", ".join(family for family in Family if family in row.families),
            ", ".join(sorted(row.empties)),
            ", ".join(sorted(row.renews)),
            row.text,
        )
        for row in CONDITIONS
    ]
    head = ("condition", "platforms", "empties", "new hardware or host ids", "what happens")
    return _table("Conditions", head, rows)


def _options() -> str:
    bounds = {
        (family, field): f"{family}: {rule.low:g} to {rule.high:g}, else {rule.fallback or 'off'}"
        for family, fields in BOUNDS.items()
        for field, rule in fields.items()
    }
    rows = [
        (
            f"`{row.name}`",
            {bool: "switch", float: "number", str: "text"}[row.kind],
            "; ".join(text for (_, field), text in bounds.items() if field == row.field),
        )
        for row in OPTIONS
    ]
    return _table("Options of `init`", ("option", "type", "bounds"), rows)


def _handover() -> str:
    rows = [(f"`{row.name}`", f"`{row.field}`") for row in PARAMETERS]
    return _table("Hand-over parameters", ("URL parameter", "field"), rows)


def _mini() -> str:
    rows = [(f"`{host}-3.7`, `{host}-4`", f"`{sent}`") for host, sent in MINI_PLATFORMS.items()]
    return _table("Mini-program hosts", ("profiles", "`platform` of its events"), rows)
