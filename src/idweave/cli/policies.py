"""``policy show|check|diff``: which rules apply, whether a file of them is sound, what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from idweave.config import load_policy
from idweave.core.policy import KeyRule, Policy
from idweave.core.policy_file import PRESETS, SWITCHES, preset_text

from .exits import Exit
from .offering import group, offer
from .output import Output, visible
from .session import Session

app = group("policy", "Which rules apply: show, check and compare policies.")

PolicyArgument = Annotated[
    str, typer.Argument(metavar="PRESET|FILE", help=f"A policy file, or: {', '.join(PRESETS)}.")
]
RULE_FIELDS = tuple(one.name for one in dataclasses.fields(KeyRule) if one.name != "key")


@offer(app, "show")
def show(
    session: Session,
    policy: Annotated[
        str | None,
        typer.Argument(
            metavar="[PRESET|FILE]",
            help=f"A policy file, or: {', '.join(PRESETS)}; none: that of the project.",
        ),
    ] = None,
    *,
    table: Annotated[bool, typer.Option("--table", help="As a table, not as a file.")] = False,
) -> None:
    """Print a policy, as a file to copy and edit.

    \b
    Example:
      idweave policy show sensors > shop.toml
      idweave policy show shop.toml --table
    """
    name = policy or session.settings.project(session.project_name).policy
    loaded, output = load_policy(name), session.output
    if output.json:
        output.document(policy_json(loaded))
    elif table:
        _show_table(loaded, output)
    else:
        text = preset_text(name) if name in PRESETS else Path(name).read_text("utf-8-sig")
        output.console.file.write(text)


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy as plain data, with the fields of a policy file and every default filled in."""
    switches = {name: getattr(policy, name).value for name in SWITCHES}
    keys = [{"key": rule.key} | _rule_json(rule) for rule in policy.keys]
    apart = [[list(one), list(other)] for one, other in policy.apart]
    return {"name": policy.name, **switches, "apart": apart, "keys": keys}


def _rule_json(rule: KeyRule) -> dict[str, Any]:
    found = {name: getattr(rule, name) for name in RULE_FIELDS}
    return found | {"blocked": sorted(rule.blocked)}


def _show_table(policy: Policy, output: Output) -> None:
    words = [f"{name} = {getattr(policy, name).value}" for name in SWITCHES]
    output.say(f"{visible(policy.name)}: {', '.join(words)}", style="bold")
    columns = ("key", "rank", "values", "when full", "when taken", "crowded at", "parent", "")
    rows = [
        (
            rule.key,
            rule.rank,
            str(rule.values_max)
            if rule.implied_max is None
            else f"{rule.implied_max}–{rule.values_max}",
            rule.when_full.value,
            rule.when_taken.value,
            f"{rule.conflicts_max} {rule.when_crowded.value}" if rule.conflicts_max else "-",
            rule.parent or "-",
            ", ".join(_notes(rule)),
        )
        for rule in sorted(policy.keys, key=lambda rule: (rule.rank, rule.key))
    ]
    output.table(columns, rows, right=("rank", "values"))
    for one, other in policy.apart:
        output.say(f"kept apart: {visible(one)} and {visible(other)}")


def _notes(rule: KeyRule) -> Iterator[str]:
    """What few rules say."""
    if rule.follows:
        yield "follows"
    if not rule.enabled:
        yield "disabled"


@offer(app, "check")
def check(session: Session, policy: PolicyArgument) -> None:
    """Check a policy file; a mistake is named by line, field and fix.

    \b
    Example:
      idweave policy check shop.toml
    """
    loaded, output = load_policy(policy), session.output
    if output.json:
        output.document({"ok": True, "name": loaded.name, "keys": len(loaded.keys)})
    else:
        output.say(f"{policy}: sound. {len(loaded.keys)} keys, merge = {loaded.merge.value}.")


@offer(app, "diff")
def diff(
    session: Session,
    one: Annotated[str, typer.Argument(metavar="ONE", help="A policy file or a preset.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The one to compare it with.")],
) -> Exit:
    """What differs between two policies; exit code 1 where anything does.

    \b
    Example:
      idweave policy diff sensors shop.toml
    """
    rows, output = differences(load_policy(one), load_policy(other)), session.output
    if output.json:
        named = [dict(zip(("key", "field", "one", "other"), row, strict=True)) for row in rows]
        output.document({"one": one, "other": other, "differences": named})
    elif rows:
        shown = [[_word(cell) for cell in row] for row in rows]
        output.table(("key", "field", visible(one), visible(other)), shown)
    else:
        output.say("They are the same rules.")
    return Exit.FAILED if rows else Exit.DONE


def _word(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, list):
        return f"{len(cell)} values" if len(cell) > 3 else ", ".join(map(str, cell)) or "-"
    return "-" if cell is None else str(cell)


def differences(one: Policy, other: Policy) -> list[tuple[str, str, Any, Any]]:
    """Key (empty for the policy itself), field, and its two values, wherever they differ."""
    left, right = policy_json(one), policy_json(other)
    rows: list[tuple[str, str, Any, Any]] = [
        ("", name, left[name], right[name])
        for name in (*SWITCHES, "apart")
        if left[name] != right[name]
    ]
    left_rules = {rule.key: rule for rule in one.keys}
    right_rules = {rule.key: rule for rule in other.keys}
    for key in sorted({*left_rules, *right_rules}):
        a, b = left_rules.get(key), right_rules.get(key)
        if a is None or b is None:
            rows.append((key, "declared", a is not None, b is not None))
            continue
        fields, others = _rule_json(a), _rule_json(b)
        rows += [
            (key, name, fields[name], others[name])
            for name in fields
            if fields[name] != others[name]
        ]
    return rows
