"""Tokens that several workers share: who holds the newest, and who may fetch the next."""

from __future__ import annotations

from typing import NamedTuple

from .database import Database


class TokenRow(NamedTuple):
    """A cached token as it is stored. ``version`` grows with each token; 0: there was none yet."""

    version: int
    sealed: bytes | None
    fresh_until_ms: int


class TokenCache:
    """One row per token, changed by compare-and-swap on its version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, slot: str) -> TokenRow:
        """The newest token of a slot."""
        rows = self._database.rows(
            "SELECT version, sealed, fresh_until_ms FROM token WHERE slot = ?", (slot,)
        )
        return TokenRow(*rows[0]) if rows else TokenRow(0, None, 0)

    def claim(self, slot: str, version: int, holder: str, *, now_ms: int, until_ms: int) -> bool:
        """Whether ``holder`` is now the only one to fetch the token after ``version``. A claim
        ends by itself at ``until_ms``, for a holder that was killed."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO token VALUES (?, 0, NULL, 0, NULL, 0)", (slot,)
            )
            changed = connection.execute(
                "UPDATE token SET holder = ?, held_until_ms = ?"
                " WHERE slot = ? AND version = ? AND held_until_ms <= ?",
                (holder, until_ms, slot, version, now_ms),
            )
            return changed.rowcount == 1

    def holder(self, slot: str) -> str | None:
        """Who fetches the slot's next token now, None for nobody."""
        rows = self._database.rows("SELECT holder FROM token WHERE slot = ?", (slot,))
        return rows[0][0] if rows else None

    def store(self, slot: str, holder: str, row: TokenRow) -> bool:
        """Put the token that ``holder`` fetched; False when its claim had passed to another."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE token SET version = ?, sealed = ?, fresh_until_ms = ?,"
                " holder = NULL, held_until_ms = 0"
                " WHERE slot = ? AND version = ? AND holder = ?",
                (row.version, row.sealed, row.fresh_until_ms, slot, row.version - 1, holder),
            )
            return changed.rowcount == 1

    def release(self, slot: str, holder: str) -> None:
        """Give a claim up: the fetch failed."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE token SET holder = NULL, held_until_ms = 0 WHERE slot = ? AND holder = ?",
                (slot, holder),
            )
