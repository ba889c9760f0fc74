"""``visitor-id``: the id a released GrowingIO SDK would have on a device."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from idweave.core.errors import InputError
from idweave.core.visitor import (
    HINTS,
    PROFILES,
    Hints,
    Profile,
    VisitorId,
    hints_from,
    profile,
    stored,
    visitor_id,
    visitor_identity,
)
from idweave.core.visitor.profiles import HintHelp, HintKind

from .keys import sound_text
from .offering import offer
from .output import Output, visible
from .session import Session

app = typer.Typer()

WITHOUT_SETTINGS = frozenset({"store", "project", "config"})

PANEL = "What the app knows of its device"


def compute(
    session: Session,
    name: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="The SDK; --list shows them."),
    ] = None,
    *,
    stored_texts: Annotated[
        list[str] | None,
        typer.Option("--stored", metavar="KEY=VALUE", help="What the SDK stored before."),
    ] = None,
    random: Annotated[
        str | None,
        typer.Option(metavar="UUID", help="The id to take where no source has one; else a new."),
    ] = None,
    wants_list: Annotated[
        bool, typer.Option("--list", help="Show the profiles and what each reads.")
    ] = False,
    **hints: str | bool | None,
) -> None:
    """The visitor id (`deviceId`, `u`) that a released GrowingIO SDK would have on a device.

    It says which source the id came from, the identity it is in the graph, and what the SDK would
    have stored.

    \b
    Example:
      idweave visitor-id --profile android-4.2 --android-id 9a1b2c3d4e5f6071 --android-id-enabled
      idweave visitor-id --profile web-4 --stored gr_user_id=41b7c4a8-5d0c-4c55-9f2a-0d6c3e1f7a10
      idweave visitor-id --list
    """
    output = session.output
    if wants_list:
        show_profiles(output)
        return
    if name is None:
        raise InputError("No profile is named.", fix="Add --profile NAME; --list shows the names.")
    rules = profile(sound_text(name))
    given = _given(rules, hints)
    kept = stored(dict(_pair(rules, word) for word in stored_texts or ()))
    draw = str(uuid4()) if random is None else _uuid(random)
    show_id(rules, visitor_id(rules, given, kept, draw), output)
    for hint, switches in _unasked(rules, given):
        output.note(f"{hint} was not asked: this SDK reads it with {' '.join(map(flag, switches))}")


def show_id(rules: Profile, found: VisitorId, output: Output) -> None:
    """A visitor id: its source, the identity it is, and what the SDK stores now."""
    identity = visitor_identity(found.value)
    left = {place.key: entry.text for place, entry in found.storage.items()}
    if output.json:
        answer = {"profile": rules.name, "value": found.value, "source": found.source}
        output.document(answer | {"identity": identity._asdict(), "storage": left})
        return
    output.say(visible(found.value), style="bold")
    output.say(f"source    {found.source}")
    output.say(f"identity  {visible(f'{identity.key}={identity.value}')}")
    for key, text in left.items():
        output.say(f"stored    {visible(f'{key}={text}')}")


# -- hints -----------------------------------------------------------------------------------------


def flag(name: str) -> str:
    """A hint as an option."""
    return f"--{name.replace('_', '-')}"


def _option(row: HintHelp) -> inspect.Parameter:
    """The option of a hint: its row in the table is all there is to it."""
    is_switch = row.kind is HintKind.SWITCH
    metavar = None if is_switch else "TEXT"
    first, _, rest = row.help.partition(" ")
    word = first.capitalize() if first.islower() else first  # identifierForVendor stays so
    option = typer.Option(
        flag(row.name), metavar=metavar, help=f"{word} {rest}.", rich_help_panel=PANEL
    )
    return inspect.Parameter(
        row.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if is_switch else None,
        annotation=Annotated[bool if is_switch else str | None, option],
    )


def _given(rules: Profile, typed: Mapping[str, str | bool | None]) -> Hints:
    """The hints that were typed; InputError for one that the profile does not read."""
    given = {name: value for name, value in typed.items() if value not in (None, False)}
    reads = [row.name for row in rules.hints]
    for name, value in given.items():
        if name not in reads:
            known = ", ".join(map(flag, reads)) or "none: its id is random or stored"
            raise InputError(f"{rules.name} reads no {flag(name)}.", fix=f"It reads {known}.")
        sound_text(str(value))
    return hints_from(given)


def _unasked(rules: Profile, given: Hints) -> list[tuple[str, Sequence[str]]]:
    """The ids that were given and not read, with the switches that are off."""
    off = [
        (link.hint, [name for name in link.needs if not given.is_on(name)])
        for link in rules.chain
        if link.hint and given.text(link.hint)
    ]
    return [(flag(hint), switches) for hint, switches in off if switches]


def _pair(rules: Profile, word: str) -> tuple[str, str]:
    """``KEY=VALUE`` of one of the profile's slots."""
    key, mark, text = sound_text(word).partition("=")
    known = [slot.key for slot in rules.slots]
    if mark and key in known:
        return key, text
    fix = f"Write KEY=VALUE; its keys are {', '.join(known)}." if known else "It stores nothing."
    raise InputError(f"{word!r} is nothing that {rules.name} stores.", fix=fix)


def _uuid(word: str) -> str:
    try:
        return str(UUID(word))
    except ValueError:
        fix = "Write one such as 41b7c4a8-5d0c-4c55-9f2a-0d6c3e1f7a10."
        raise InputError(f"{word!r} is no UUID.", fix=fix) from None


# -- the list --------------------------------------------------------------------------------------


def show_profiles(output: Output) -> None:
    """Every profile with what it reads, and every hint."""
    if output.json:
        output.document([_profile_json(row) for row in PROFILES.values()])
        return
    rows = [
        (
            row.name,
            row.sdk,
            " ".join(flag(hint.name) for hint in row.hints) or "-",
            " ".join(slot.key for slot in row.slots) or "-",
        )
        for row in PROFILES.values()
    ]
    output.table(("profile", "SDK", "reads", "stores"), rows, folds=("reads", "stores"))
    output.say()
    hints = [(flag(row.name), row.kind, row.help) for row in HINTS]
    output.table(("hint", "kind", "what to give"), hints)


def _profile_json(row: Profile) -> dict[str, Any]:
    return {
        "profile": row.name,
        "platform": row.platform,
        "sdk": row.sdk,
        "hints": [{"name": one.name, "kind": one.kind, "help": one.help} for one in row.hints],
        "stores": [slot.key for slot in row.slots],
    }


def _with_hints() -> inspect.Signature:
    """The signature of the command: its own options, and one a hint in place of ``hints``."""
    own = inspect.signature(compute, eval_str=True).parameters.values()
    kept = [one for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD]
    return inspect.Signature([*kept, *map(_option, HINTS)])


compute.__signature__ = _with_hints()  # type: ignore[attr-defined]
offer(app, "visitor-id", without=WITHOUT_SETTINGS)(compute)
