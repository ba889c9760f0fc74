"""The ledger: calls made per account, quota and day, and what is parked until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from .database import Database

DAY_MS = 86_400_000
CHINA_MS = 8 * 3_600_000
"""The platforms' days begin at midnight in China, which has one time zone and no summer time."""


RESET_MS_LATEST = 6 * 3_600_000
"""Until when after midnight a quota may still be yesterday's: the hour of the reset is not
documented, so that long a refusal is asked about again every hour."""

ASK_AGAIN_MS = 3_600_000


class Spent(NamedTuple):
    """Calls of one quota on one day (China's); parked until then, 0 when it is not."""

    quota: str
    day: str
    calls: int
    parked_until_ms: int


def china_day(time_ms: int) -> int:
    """The number of the day in China, counted from 1970."""
    return (time_ms + CHINA_MS) // DAY_MS


def next_midnight_ms(time_ms: int) -> int:
    """When the next day begins in China."""
    return (china_day(time_ms) + 1) * DAY_MS - CHINA_MS


def parked_until_ms(time_ms: int) -> int:
    """Until when a quota that was refused is left alone."""
    midnight_ms = next_midnight_ms(time_ms)
    is_early = time_ms < midnight_ms - DAY_MS + RESET_MS_LATEST
    return time_ms + ASK_AGAIN_MS if is_early else midnight_ms


class Ledger:
    """Counts calls, and remembers what the platform refused for the rest of the day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, appid: str, quota: str, now_ms: int) -> None:
        """One call is about to be made."""
        self._add(appid, quota, now_ms, (1, 0))

    def park(self, appid: str, quota: str, now_ms: int) -> int:
        """No more calls for now; returns until when (ms)."""
        until_ms = parked_until_ms(now_ms)
        self._add(appid, quota, now_ms, (0, until_ms))
        return until_ms

    def unpark(self, appid: str) -> None:
        """Try again whatever was said before."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE quota SET parked_until_ms = 0 WHERE appid = ?", (appid,))

    def parked_until(self, appid: str, quota: str, now_ms: int) -> int | None:
        """Until when (ms) a quota is parked, None when it is not."""
        rows = self._database.rows(
            "SELECT max(parked_until_ms) FROM quota WHERE appid = ? AND quota = ?", (appid, quota)
        )
        until = rows[0][0]
        return until if until is not None and until > now_ms else None

    def spent(self, appid: str) -> list[Spent]:
        """What was used, newest day first, then by quota."""
        rows = self._database.rows(
            "SELECT quota, day, calls, parked_until_ms FROM quota WHERE appid = ?"
            " ORDER BY day DESC, quota",
            (appid,),
        )
        return [Spent(*row) for row in rows]

    def _add(self, appid: str, quota: str, now_ms: int, added: tuple[int, int]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO quota VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " calls = calls + excluded.calls,"
                " parked_until_ms = max(parked_until_ms, excluded.parked_until_ms)",
                (appid, quota, _day_text(now_ms), *added),
            )


def _day_text(time_ms: int) -> str:
    return datetime.fromtimestamp((time_ms + CHINA_MS) / 1000, UTC).strftime("%Y-%m-%d")
