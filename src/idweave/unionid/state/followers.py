"""Followers, and which union id each had from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from sqlite3 import Connection
from typing import NamedTuple, TypeVar

from .database import Database, marks
from .forgetting import Keeper, Known, openid, union_id
from .runs import Run

T = TypeVar("T")

PARAMETERS_MAX = 500
"""Values bound in one statement; SQLite's own least bound is 999."""


ALARMS_PAGE = 500
"""Alarms in memory at once: when a company changes its Open Platform account, everybody has one."""


class Unresolved(StrEnum):
    """Why a follower has no union id."""

    NOT_BOUND = "not_bound"
    NOT_FOLLOWING = "not_following"
    FOREIGN_OPENID = "foreign_openid"
    SNAPSHOT_USER = "snapshot_user"
    BASE_SCOPE = "base_scope"
    NOT_ASKED = "not_asked"


MEANINGS: dict[Unresolved, str] = {
    Unresolved.NOT_BOUND: "the account is not bound to an Open Platform account",
    Unresolved.NOT_FOLLOWING: "unfollowed before anybody asked",
    Unresolved.FOREIGN_OPENID: "the platform says that the openid is not of this account",
    Unresolved.SNAPSHOT_USER: "a virtual user of a page preview; never merged",
    Unresolved.BASE_SCOPE: "a login with snsapi_base, which gives no union id",
    Unresolved.NOT_ASKED: "listed, and not asked yet: sync again",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What the platform said of one openid. ``unionid`` or ``why`` is empty, never both."""

    openid: str
    following: bool
    unionid: str = ""
    why: Unresolved | None = None
    followed_at_ms: int | None = None


class DueLink(NamedTuple):
    """A pair that the graph was not told of yet."""

    link_id: int
    openid: str
    unionid: str
    seen_from_ms: int


class Alarm(NamedTuple):
    """An openid whose union id is another now: the one that stands and the one that waits."""

    appid: str
    openid: str
    open_platform: str
    old_unionid: str
    new_unionid: str
    seen_from_ms: int


@dataclass(slots=True)
class _Changes:
    inserted: list[tuple[object, ...]] = field(default_factory=list)
    seen_again: list[tuple[int, int]] = field(default_factory=list)
    ended: list[tuple[int]] = field(default_factory=list)
    dropped: list[tuple[int]] = field(default_factory=list)


_UPSERT = (
    "INSERT INTO follower VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, openid) DO UPDATE SET following = excluded.following,"
    " why = excluded.why, followed_at_ms = coalesce(excluded.followed_at_ms, followed_at_ms),"
    " last_seen_ms = excluded.last_seen_ms, run_id = max(run_id, excluded.run_id),"
    " asked_run_id = max(asked_run_id, excluded.asked_run_id)"
)
_UPSERT_LOGIN = (
    "INSERT INTO follower VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id, openid) DO UPDATE SET"
    " following = max(following, excluded.following), last_seen_ms = excluded.last_seen_ms"
)
_LISTED = (
    "INSERT INTO follower VALUES (?, ?, 1, 'not_asked', NULL, ?, ?, ?, 0)"
    " ON CONFLICT (account_id, openid) DO UPDATE SET"
    " following = iif(asked_run_id = excluded.run_id, following, 1),"
    " last_seen_ms = excluded.last_seen_ms, run_id = excluded.run_id"
)


_KNOWN = "SELECT link_id, openid, open_platform, unionid FROM link WHERE account_id = ? AND state"
_STANDING = f"{_KNOWN} = 'now' AND openid IN"
_HELD = f"{_KNOWN} = 'held' AND openid IN"
_OF_ALARM = (
    "WHERE account_id = (SELECT account_id FROM account WHERE appid = ?) AND openid = ? AND state"
)
_NOW = f"{_OF_ALARM} = 'now'"
_WAITING = f"{_OF_ALARM} = 'held'"


class Followers:
    """The followers of all accounts of one state file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def account_id(self, appid: str) -> int:
        """The number of an account in this file; a new one gets one."""
        return self._database.account_id(appid)

    def to_ask(self, run: Run, openids: Sequence[str]) -> list[str]:
        """Those of a page that this run has not asked about yet; in a delta run, those whose
        union id nobody knows. Keeps their order."""
        openids = self._not_forgotten(run.account_id, openids)
        done: set[str] = set()
        for part in parts(openids, PARAMETERS_MAX):
            rows = self._database.rows(
                "SELECT openid FROM follower WHERE account_id = ? AND (asked_run_id = ?"
                " OR (? = 'delta' AND why = '' AND asked_run_id > 0))"
                f" AND openid IN ({marks(part)})",
                (run.account_id, run.run_id, run.mode, *part),
            )
            done.update(row[0] for row in rows)
        return [openid for openid in openids if openid not in done]

    def list_page(self, run: Run, openids: Sequence[str], now_ms: int) -> None:
        """These follow the account now, whoever they are."""
        with self._database.transaction() as connection:
            listed = self._known_to(Keeper(connection), run.account_id, openids)
            connection.executemany(
                _LISTED,
                ((run.account_id, openid, now_ms, now_ms, run.run_id) for openid in listed),
            )

    def _not_forgotten(self, account_id: int, openids: Sequence[str]) -> list[str]:
        with self._database.transaction() as connection:
            return self._known_to(Keeper(connection), account_id, openids)

    def _known_to(self, keeper: Keeper, account_id: int, openids: Sequence[str]) -> list[str]:
        appid = self._database.appid(account_id)
        return keeper.known(openids, lambda value: [openid(appid, value)])

    def save(self, run: Run, answers: Sequence[Answered], open_platform: str, now_ms: int) -> int:
        """What was answered, in one transaction; returns how many union ids have changed."""
        numbers = (run.account_id, run.run_id)
        return self.save_answers(numbers, answers, open_platform, now_ms)

    def save_answers(
        self,
        numbers: tuple[int, int],
        answers: Sequence[Answered],
        open_platform: str,
        now_ms: int,
    ) -> int:
        """As :meth:`save`, with the numbers of account and run (0: no run, a login, which does not
        say that somebody stopped following). Each openid comes once."""
        account_id, run_id = numbers
        with self._database.transaction() as connection:
            appid = self._database.appid(account_id)

            def about(answer: Answered) -> list[Known]:
                union = [union_id(open_platform, answer.unionid)] if answer.unionid else []
                return [openid(appid, answer.openid), *union]

            answers = Keeper(connection).known(answers, about)
            changes = _Changes()
            alarms = 0
            for part in parts(answers, PARAMETERS_MAX):
                known = _known(connection, account_id, [answer.openid for answer in part])
                said = ((account_id, answer) for answer in part if answer.unionid)
                alarms += sum(_weigh(one, known, (open_platform, now_ms), changes) for one in said)
            connection.executemany(
                _UPSERT if run_id else _UPSERT_LOGIN,
                (
                    (account_id, *_columns(answer), now_ms, now_ms, run_id, run_id)
                    for answer in answers
                ),
            )
            _write(connection, changes)
        return alarms

    def due(self, account_id: int, open_platform: str, limit: int) -> list[DueLink]:
        """Pairs of an account that the graph was not told of, oldest first."""
        rows = self._database.rows(
            "SELECT link_id, openid, unionid, seen_from_ms FROM link"
            " WHERE told = 0 AND account_id = ? AND open_platform = ?"
            " ORDER BY link_id LIMIT ?",
            (account_id, open_platform, limit),
        )
        return [DueLink(*row) for row in rows]

    def stated(self, links: Iterable[DueLink]) -> None:
        """The graph has these for good."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE link SET told = 1 WHERE link_id = ?",
                ((link.link_id,) for link in links),
            )

    def alarms(self, appid: str, after: str = "", limit: int = ALARMS_PAGE) -> list[Alarm]:
        """Union ids of an account that changed, by openid, from the one after ``after`` on."""
        rows = self._database.rows(
            "SELECT a.appid, h.openid, h.open_platform, n.unionid, h.unionid, h.seen_from_ms"
            " FROM account a JOIN link h ON h.account_id = a.account_id"
            " JOIN link n ON n.account_id = h.account_id AND n.openid = h.openid"
            " AND n.state = 'now'"
            " WHERE h.state = 'held' AND a.appid = ? AND h.openid > ?"
            " ORDER BY h.openid LIMIT ?",
            (appid, after, limit),
        )
        return [Alarm(*row) for row in rows]

    def standing_elsewhere(self, alarm: Alarm) -> list[str]:
        """Accounts where somebody's union id is still the old one, and no alarm says otherwise."""
        rows = self._database.rows(
            "SELECT DISTINCT a.appid FROM link l JOIN account a USING (account_id)"
            " WHERE l.open_platform = ? AND l.unionid = ? AND l.state = 'now'"
            " AND NOT EXISTS (SELECT 1 FROM link h WHERE h.account_id = l.account_id"
            " AND h.openid = l.openid AND h.state = 'held') ORDER BY a.appid",
            (alarm.open_platform, alarm.old_unionid),
        )
        return [row[0] for row in rows]

    def settle(self, alarms: Sequence[Alarm]) -> None:
        """The graph was told: what waited stands now."""
        values = [(alarm.appid, alarm.openid) for alarm in alarms]
        with self._database.transaction() as connection:
            connection.executemany(f"UPDATE link SET state = 'ended' {_NOW}", values)
            connection.executemany(f"UPDATE link SET state = 'now' {_WAITING}", values)


class _Held(NamedTuple):
    link_id: int
    openid: str
    open_platform: str
    unionid: str


def _known(
    connection: Connection, account_id: int, openids: Sequence[str]
) -> tuple[dict[str, _Held], dict[str, _Held]]:
    """By openid, the union ids that stand and those that wait."""
    found = []
    for sql in (_STANDING, _HELD):
        rows = connection.execute(f"{sql} ({marks(openids)})", (account_id, *openids))
        found.append({row.openid: row for row in map(_Held._make, rows)})
    return found[0], found[1]


def _weigh(
    said: tuple[int, Answered],
    known: tuple[dict[str, _Held], dict[str, _Held]],
    now: tuple[str, int],
    changes: _Changes,
) -> bool:
    """What one answer changes; True for a union id that was another before."""
    (account_id, answer), (open_platform, now_ms) = said, now
    stands, waits = (found.get(answer.openid) for found in known)
    new = (account_id, answer.openid, open_platform, answer.unionid, now_ms, now_ms)
    same = (open_platform, answer.unionid)
    if stands is not None and stands[2:] == same:
        changes.seen_again.append((now_ms, stands.link_id))
        if waits is not None:  # what waited was not so after all
            changes.dropped.append((waits.link_id,))
        return False
    if stands is not None and stands.open_platform == open_platform:
        if waits is not None and waits[2:] == same:
            changes.seen_again.append((now_ms, waits.link_id))
            return False
        if waits is not None:
            changes.dropped.append((waits.link_id,))
        changes.inserted.append((*new, "held", 1))
        return True
    if stands is not None:  # the configuration names another Open Platform account now
        changes.ended.append((stands.link_id,))
    if waits is not None:
        changes.dropped.append((waits.link_id,))
    changes.inserted.append((*new, "now", 0))
    return False


def _columns(answer: Answered) -> tuple[object, ...]:
    return answer.openid, answer.following, answer.why or "", answer.followed_at_ms


def _write(connection: Connection, changes: _Changes) -> None:
    connection.executemany(
        "UPDATE link SET state = 'ended', told = 1 WHERE link_id = ?",
        changes.ended + changes.dropped,
    )
    connection.executemany("UPDATE link SET seen_to_ms = ? WHERE link_id = ?", changes.seen_again)
    connection.executemany(
        "INSERT INTO link (account_id, openid, open_platform, unionid, seen_from_ms, seen_to_ms,"
        " state, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        changes.inserted,
    )


def parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part
