"""What the answers count: people over accounts, and followers without a union id."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from .database import Database


def people(database: Database) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each person that follows any account: their Open Platform account, and the numbers of the
    accounts they follow, ascending. In bounded memory."""
    rows = database.stream(
        "SELECT l.open_platform, l.unionid, l.account_id FROM link l"
        " JOIN follower f ON f.account_id = l.account_id AND f.openid = l.openid"
        " WHERE l.state = 'now' AND f.following = 1"
        " ORDER BY l.open_platform, l.unionid, l.account_id"
    )
    for (platform, _), person in groupby(rows, key=itemgetter(0, 1)):
        yield platform, tuple(dict.fromkeys(row[2] for row in person))


def followers(database: Database) -> list[tuple[int, int, int, str, int]]:
    """Counts by account, following (1 or 0), has a union id (1 or 0), and why it has none."""
    return [
        (int(account), int(following), int(known), str(why), int(count))
        for account, following, known, why, count in database.rows(
            "SELECT f.account_id, f.following, l.link_id IS NOT NULL AS known,"
            " iif(l.link_id IS NOT NULL, '', iif(f.why = '', 'not_asked', f.why)) AS reason,"
            " count(*) FROM follower f LEFT JOIN link l ON l.account_id = f.account_id"
            " AND l.openid = f.openid AND l.state = 'now'"
            " GROUP BY f.account_id, f.following, known, reason ORDER BY 1, 2, 3, 4"
        )
    ]


def alarms(database: Database) -> dict[int, int]:
    """Union ids that changed and wait for a person, by account."""
    return dict(
        database.rows(
            "SELECT account_id, count(*) FROM link WHERE state = 'held' GROUP BY account_id"
        )
    )
