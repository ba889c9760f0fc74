"""``config show|check|new-key``: what is set, and where that was said."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from idweave.config import FILE_NAME, load_projects, server_settings

from .offering import group, offer
from .output import visible
from .session import Session

app = group("config", "Settings: the file idweave.toml, IDWEAVE_… variables and flags.")

REDACTED = "(set, not shown)"

API_KEY_BYTES = 32
"""256 random bits: nobody guesses them, so a plain SHA-256 of the key is safe to keep."""


@offer(app, "show")
def show(session: Session) -> None:
    """Every setting in force, and where its value came from. Secrets are not shown.

    \b
    Example:
      idweave config show
      IDWEAVE_STORE_URL=other.db idweave config show --json
    """
    settings, output = session.settings, session.output
    rows = [
        {"setting": name, "value": REDACTED if secret and value else value, "from": origin}
        for name, value, origin, secret in settings.rows()
    ]
    if output.json:
        output.document({"file": str(settings.file) if settings.file else None, "settings": rows})
        return
    output.say(f"file: {visible(settings.file or f'none; there is no {FILE_NAME} here')}")
    output.say()
    columns = ("setting", "value", "from")
    shown = [(row["setting"], _word(row["value"]), row["from"]) for row in rows]
    output.table(columns, shown, folds=("value",))
    warn_unread(session)


def _word(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def warn_unread(session: Session) -> None:
    """Say which variables look like settings and are none: nearly always slips."""
    for name in session.settings.unread:
        session.output.warn(f"the environment variable {visible(name)} is no setting")


@offer(app, "check")
def check(session: Session) -> None:
    """Check the settings and every project's policy; a mistake is named by line, field and fix.

    \b
    Example:
      idweave config check --config shop.toml
    """
    settings, output = session.settings, session.output
    server_settings(settings)
    names = sorted(load_projects(settings))
    if output.json:
        unread = list(settings.unread)
        file = str(settings.file) if settings.file else None
        output.document({"ok": True, "file": file, "projects": names, "unread": unread})
        return
    origin = visible(settings.file or "defaults")
    output.say(f"{origin}: sound. Projects: {', '.join(names)}.")
    warn_unread(session)


@offer(app, "new-key")
def new_key(session: Session) -> None:
    """Make an API key: give the key to a client, and its hash to `server.api_key_hashes`.

    \b
    Example:
      idweave config new-key
    """
    key = secrets.token_urlsafe(API_KEY_BYTES)
    digest = hashlib.sha256(key.encode()).hexdigest()
    output = session.output
    if output.json:
        output.document({"key": key, "sha256": digest})
        return
    output.say(f"key    {key}", style="bold")
    output.say(f"hash   {digest}")
    output.say("The key is not stored anywhere: keep it now. The settings need only the hash.")
