"""The reference page, written from the tables that the code runs on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import config
from .decryption import CONTENT, DATA, IV, KEY
from .errcodes import ERRORS, FIXES, TRIES, Action
from .providers import PROVIDERS, Provider
from .state.followers import MEANINGS
from .tokens import KIND_MEANINGS

HEAD = """# unionid: platforms, settings, errors

This page is written from the tables of the code (`idweave.unionid.reference`); a test says when
it is old. How it is used:
[Count people across WeChat accounts](../how-to/count-people-across-wechat-accounts.md).
"""

EXITS = (
    ("0", "done"),
    ("1", "failed; the message says what the platform said and what to do"),
    ("2", "the command line or the settings cannot be used; nothing was sent"),
    ("3", "parked: the platform's quota of the day is used up; the same command goes on tomorrow"),
    ("4", "the store or the state file is busy, full or of another version"),
)

DECRYPTION = (
    (KEY, "the session key is not 16 bytes of base64"),
    (IV, "the iv is not 16 bytes of base64"),
    (DATA, "the data is no base64, cut off, or does not open with this key and iv"),
    (CONTENT, "what was inside is no JSON, or its watermark is missing, another app's, or too old"),
)


def reference() -> str:
    """The page as Markdown."""
    parts = [
        HEAD,
        "## Platforms\n",
        table(("provider", "platform", "kinds", "id per app", "id per developer", "notes"),
              map(_provider, PROVIDERS.values())),
        "## Settings\n",
        "Paths are relative to the settings file. A value after `;` is the default.\n",
        *_fields("[unionid]", config.TOP),
        *_fields("[[unionid.open_platforms]]", config.PLATFORM),
        *_fields("[[unionid.apps]]", config.APP),
        "## Token sources\n",
        table(("`token`", "where the token comes from"),
              ((f"`{name}`", text) for name, text in KIND_MEANINGS.items())),
        "## Exit codes\n",
        table(("code", "meaning"), EXITS),
        "## Error codes of WeChat\n",
        "What is done about each is below.\n",
        table(("errcode", "meaning", "our error"),
              ((str(row.errcode), row.meaning, f"`UNIONID_{row.action.value}`") for row in ERRORS)),
        "## Our errors\n",
        "*calls* is how often a call is made in all while it ends so.\n",
        table(("error", "calls", "what to do"), map(_action, Action)),
        "## Errors of decryption\n",
        "All are `UNIONID_DECRYPTION`; the number is the one of WeChat's own sample.\n",
        table(("errcode", "meaning"), ((str(code), text) for code, text in DECRYPTION)),
        "## Why a follower has no UnionID\n",
        table(("reason", "meaning"), ((f"`{why.value}`", text) for why, text in MEANINGS.items())),
    ]  # fmt: skip
    return "\n".join(parts)


def _provider(row: Provider) -> Sequence[str]:
    kinds = sorted({f"`{name.partition('+')[0]}`" for name in row.exchanges})
    scope = "" if row.union_scope == "none" else f" (per {row.union_scope})"
    union = f"`{row.union_key}`{scope}" if row.union_key else row.union_scope
    key = f"`{row.openid_key}`" if row.openid_key else "no key in the catalogue"
    return f"`{row.name}`", row.title, ", ".join(kinds) or "none", key, union, row.note


def _action(action: Action) -> Sequence[str]:
    return f"`UNIONID_{action.value}`", str(TRIES.get(action, 1)), FIXES[action]


def _fields(title: str, fields: Iterable[config.Field]) -> Iterable[str]:
    yield f"### `{title}`\n"
    rows = ((f"`{field.name}`", "yes" if field.required else "", field.meaning) for field in fields)
    yield table(("setting", "needed", "what it is"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
