"""Who is who, and where to look: what the demo says when all requests are in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from idweave.engine.answers import UserAnswer
from idweave.engine.engine import Engine

from ..keys import short
from ..output import Output, visible

PROJECT = "default"

PHONE = "13800010001"
"""Of the first person of the story."""

USERS_SHOWN = 12
"""A screen of them; the largest come first."""

EVENTS_COUNTED = 1000
"""Events of a user that are looked at; past it the table says "1000+"."""

PLATFORMS = {
    "MiniProgram": "WeChat",
    "AlipayMini": "Alipay",
    "BaiduMini": "Baidu",
    "BytedanceMini": "Douyin",
    "FeishuMini": "Feishu",
    "TaobaoMini": "Taobao",
    "XhsMini": "Xiaohongshu",
    "KuaishouMini": "Kuaishou",
    "js": "web",
    "python": "Python server",
    "Node": "Node server",
}
"""What people call the SDKs by their ``$lib``; others are shown as they call themselves."""

NAMING_KEYS = ("$identity_login_id", "$identity_mobile", "$identity_email", "$identity_mp_unionid")
"""Identities that tell a person to people, best first."""


@dataclass(frozen=True, slots=True)
class Who:
    """One row: a user, what it is known by, where it was seen, and how often."""

    canonical_id: str
    known_by: list[str]
    platforms: list[str]
    identities: int
    left: int
    events: str


def who_is_who(engine: Engine) -> list[Who]:
    """The users with the most identities."""
    return [_who(engine, one) for one in engine.top_users(PROJECT, USERS_SHOWN)]


def _who(engine: Engine, user: UserAnswer) -> Who:
    page = engine.events(PROJECT, user.canonical_id, limit=EVENTS_COUNTED)
    libs = (_lib(event.record) for event in reversed(page.events))
    platforms = list(dict.fromkeys(PLATFORMS.get(lib, lib) for lib in libs if lib))
    more = "+" if page.next_cursor else ""
    return Who(
        user.canonical_id,
        list(_known_by(user)),
        platforms,
        len(user.identities),
        len(user.former),
        f"{len(page.events)}{more}",
    )


def _known_by(user: UserAnswer) -> Iterator[str]:
    held = [one.identity for one in user.identities]
    named = [one.value for key in NAMING_KEYS for one in held if one.key == key]
    yield from named or [f"nobody yet ({short(held[0].key)})" if held else "nobody any more"]


def _lib(record: Any) -> str:
    lib = (record or {}).get("lib")
    return str(lib.get("$lib") or "") if isinstance(lib, dict) else ""


def say_who(found: list[Who], output: Output) -> None:
    """The table."""
    rows = [
        (
            one.canonical_id,
            Text("\n".join(map(visible, one.known_by))),
            ", ".join(one.platforms),
            one.identities,
            one.left or "",
            one.events,
        )
        for one in found
    ]
    columns = ("user", "known by", "seen on", "identities", "left", "events")
    output.say()
    output.table(columns, rows, title="Who is who", right=columns[3:], folds=columns[1:3])


def say_where(api_url: str, collector_url: str, output: Output) -> None:
    """Where to look."""
    output.say()
    output.say("Look", style="bold")
    output.say(f"  {api_url}/v1/projects/{PROJECT}/users")
    output.say(f"  {api_url}/v1/projects/{PROJECT}/lookup?key=$identity_mobile&value={PHONE}")
    output.say(f"  {api_url}/openapi.json")
    output.say(f"  {collector_url}/sa   is where SDKs send to")


def say_try(store: str, output: Output) -> None:
    """What to ask next."""
    command = _command()
    output.say()
    output.say("Try, in another terminal", style="bold")
    for words in (f"lookup mobile {PHONE}", "lookup mobile 13900020002", "refusals", "stats"):
        output.say(f"  {command} {words} --store {visible(store)}")


def _command() -> str:
    """How this idweave is called from here."""
    if shutil.which("idweave"):
        return "idweave"
    beside = Path(sys.executable).with_name("idweave")
    if not beside.exists():
        return f"{Path(sys.executable).name} -m idweave"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
