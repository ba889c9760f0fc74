"""How many people follow which accounts: counted once each, however many accounts they follow."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .apps import App
from .state import Database, Unresolved, counting
from .state.followers import MEANINGS


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account: followers now, those whose person is known, and why others are not.
    ``former`` unfollowed; ``alarms`` are union ids that changed and wait for `rebind`."""

    appid: str
    name: str
    open_platform: str
    followers: int = 0
    known: int = 0
    former: int = 0
    alarms: int = 0
    unresolved: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Combination:
    """People who follow exactly these accounts (places in ``Overlap.accounts``)."""

    accounts: tuple[int, ...]
    people: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """The answer. ``people`` are those known; with the followers nobody could resolve there are
    ``people_at_least`` to ``people_at_most``. ``matrix[i][j]`` counts those who follow both, and
    ``matrix[i][i]`` those who follow i."""

    accounts: tuple[AccountLine, ...]
    people: int
    people_at_least: int
    people_at_most: int
    matrix: tuple[tuple[int, ...], ...]
    combinations: tuple[Combination, ...]

    @property
    def followers(self) -> int:
        """Followers of all accounts; people count as often as they follow one."""
        return sum(line.followers for line in self.accounts)


def overlap(database: Database, apps: Sequence[App]) -> Overlap:
    """Count the people of these accounts, as the state file knows them."""
    place = {database.account_id(app.appid): number for number, app in enumerate(apps)}
    lines = _lines(database, apps, place)
    combinations = _combinations(database, place)
    counts = [[0] * len(apps) for _ in apps]
    for accounts, people in combinations.items():
        for one in accounts:
            for other in accounts:
                counts[one][other] += people
    known = sum(combinations.values())
    following = sum(line.followers - line.known for line in lines)
    return Overlap(
        lines,
        known,
        max([known, *(line.followers for line in lines)]),
        known + following,
        tuple(map(tuple, counts)),
        tuple(
            Combination(accounts, people)
            for accounts, people in sorted(combinations.items(), key=lambda row: (-row[1], row[0]))
        ),
    )


def _combinations(database: Database, place: Mapping[int, int]) -> Counter[tuple[int, ...]]:
    counted: Counter[tuple[int, ...]] = Counter()
    for _, account_ids in counting.people(database):
        accounts = tuple(sorted(place[number] for number in account_ids if number in place))
        if accounts:
            counted[accounts] += 1
    return counted


def _lines(
    database: Database, apps: Sequence[App], place: Mapping[int, int]
) -> tuple[AccountLine, ...]:
    sums: list[Counter[str]] = [Counter() for _ in apps]
    reasons: list[Counter[str]] = [Counter() for _ in apps]
    for account_id, following, known, why, count in counting.followers(database):
        if account_id not in place:
            continue
        number = place[account_id]
        sums[number]["followers" if following else "former"] += count
        if known:
            sums[number]["known"] += count * following
        else:
            reasons[number][why if following else Unresolved.NOT_FOLLOWING.value] += count
    alarms = counting.alarms(database)
    waiting = {place[number]: count for number, count in alarms.items() if number in place}
    return tuple(
        AccountLine(
            app.appid,
            app.title,
            app.open_platform.name if app.open_platform else "",
            sums[number]["followers"],
            sums[number]["known"],
            sums[number]["former"],
            waiting.get(number, 0),
            dict(sorted(reasons[number].items())),
        )
        for number, app in enumerate(apps)
    )


# -- as data ---------------------------------------------------------------------------------------


def as_json(found: Overlap) -> dict[str, Any]:
    """The answer as plain data."""
    return {
        "followers": found.followers,
        "people": found.people,
        "people_at_least": found.people_at_least,
        "people_at_most": found.people_at_most,
        "accounts": [
            {
                "appid": line.appid,
                "name": line.name,
                "open_platform": line.open_platform,
                "followers": line.followers,
                "known": line.known,
                "former": line.former,
                "alarms": line.alarms,
                "unresolved": dict(line.unresolved),
            }
            for line in found.accounts
        ],
        "matrix": [list(row) for row in found.matrix],
        "combinations": [
            {"appids": [found.accounts[i].appid for i in row.accounts], "people": row.people}
            for row in found.combinations
        ],
    }


def as_csv(found: Overlap) -> str:
    """The matrix, account by account: a spreadsheet opens it, and no name runs as a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [plain_cell(line.name) for line in found.accounts]
    writer.writerow(["account", "appid", "followers", "known", *names])
    for line, row in zip(found.accounts, found.matrix, strict=True):
        cells = (plain_cell(line.name), plain_cell(line.appid), line.followers, line.known)
        writer.writerow([*cells, *row])
    return out.getvalue()


def plain_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0")) else text


def reason_text(why: str) -> str:
    """What a reason means, for people."""
    return MEANINGS[Unresolved(why)]
