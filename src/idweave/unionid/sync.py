"""Follower sync: page by page, resumable after a kill at any point, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from idweave.core.errors import ConfigError
from idweave.core.identity import Identity

from . import sending, wechat
from .apps import App, OpenPlatform
from .client import Client
from .endpoint import as_code
from .errcodes import Action
from .errors import PlatformError
from .facts import RECORDS_PER_DELIVERY, pair_record
from .ports import Clock, Delivered, Sink, WireRecord
from .state import Answered, DueLink, Followers, Run, Runs, Unresolved
from .state.followers import parts

PARALLEL = 4
"""Batches asked at once unless set otherwise: a million followers in under an hour at one second
each, and far below the limit of a minute."""

PARALLEL_MAX = 16

WAVE_BATCHES = 20
"""Batches between two commits: a kill repeats at most these, and no more answers are in memory."""

PAGES_MAX = 100_000
"""A list that does not end: ten times the followers of the largest account there is."""

SHORT_MAX, SHORT_PART = 100, 100
"""How many followers a whole list may lack of what the platform counts: a hundred, or one of a
hundred, for they come and go while it is read. With more missing it was cut off."""

_STRAY = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Progress(NamedTuple):
    """Where a sync stands. ``total`` is what the platform says, 0 before it said anything."""

    appid: str
    listed: int
    total: int


@dataclass(slots=True)
class Tally:
    """What a sync did to one account."""

    appid: str
    name: str
    resumed: bool = False
    finished: bool = False
    listed: int = 0
    asked: int = 0
    unfollowed: int = 0
    alarms: int = 0
    facts: int = 0
    repeats: int = 0
    refused: int = 0
    stopped: str = ""
    """Why it did not finish, empty if it did."""
    parked: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """What a sync works with."""

    client: Client
    followers: Followers
    runs: Runs
    sink: Sink
    clock: Clock


def clean_openid(text: str) -> str:
    """An openid without blanks and control characters: files from elsewhere bring line ends
    along, and the platform answers 40003 to those."""
    return _STRAY.sub("", text)


def sync_account(
    room: Room,
    app: App,
    *,
    mode: str = "full",
    parallel: int = PARALLEL,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Tally:
    """Sync one account's followers, or go on with a sync that was stopped; tell the graph.

    Everything that was learned before an error is kept. A refusal of the platform ends in the
    tally; raises StoreError or ConfigError for what is ours to mend.
    """
    require_followers(app)
    account_id = room.followers.account_id(app.appid)
    run = room.runs.begin(account_id, mode, room.clock())
    tally = Tally(app.appid, app.title, resumed=run.resumed, listed=run.listed)
    try:
        tell(room, app, tally)
        with ThreadPoolExecutor(min(parallel, PARALLEL_MAX)) as pool:
            is_whole = _Job(room, app, pool, tally).work(run, watch)
        tally.unfollowed = room.runs.finish(run, room.clock(), whole=is_whole)
        tally.finished = is_whole
    except PlatformError as error:
        tally.stopped = str(error)
        tally.parked = error.action is Action.PARK
    return tally


def require_followers(app: App) -> None:
    """Raises ConfigError for an app that has users and no followers."""
    if app.kind != "official_account" or app.provider.name != "wechat":
        fix = "Only official accounts have followers; use `idweave unionid code` for logins."
        raise ConfigError(f"{app.title} is a {app.kind} of {app.provider.title}.", fix=fix)


@dataclass(frozen=True, slots=True)
class _Page:
    openids: tuple[str, ...]
    next_openid: str
    total: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One account's sync on its way."""

    room: Room
    app: App
    pool: ThreadPoolExecutor
    tally: Tally

    def work(self, run: Run, watch: Callable[[Progress], None]) -> bool:
        """Page after page, from the checkpoint on; whether the list was whole."""
        for _ in range(PAGES_MAX):
            page = self._page(run.next_openid)
            if not page.openids:
                return self._is_whole(run, page.total)
            for done in self._ask_page(run, page):
                watch(Progress(self.app.appid, run.listed + done, page.total))
            run = self.room.runs.checkpoint(run, page.next_openid, len(page.openids))
            self.tally.listed = run.listed
            tell(self.room, self.app, self.tally)
        return False

    def _is_whole(self, run: Run, total: int) -> bool:
        missing = total - run.listed
        if missing <= max(SHORT_MAX, total // SHORT_PART):
            return True
        self.tally.stopped = (
            f"The platform counts {total:,} followers and listed {run.listed:,}: nobody was "
            "taken for unfollowed. Run it again."
        )
        return False

    def _page(self, after: str) -> _Page:
        """The page of the list after an openid; without openids at its end: an empty page, one
        without data, or one that leads back to itself."""
        values = {"next_openid": after} if after else {}
        found = self.room.client.call(self.app, wechat.FOLLOWERS, values)
        openids = _openids(found, self.app)
        next_openid, total = found.get("next_openid"), as_code(found.get("total"))
        counted = total if isinstance(total, int) else 0
        if not openids or next_openid == after:
            return _Page((), "", counted)
        if not isinstance(next_openid, str) or not next_openid:
            next_openid = openids[-1]
        return _Page(openids, next_openid, counted)

    def _ask_page(self, run: Run, page: _Page) -> Iterator[int]:
        """Ask who the openids of a page are, wave by wave; each wave is kept when it is in. Says
        how many openids of the page are done."""
        followers = self.room.followers
        to_ask = followers.to_ask(run, page.openids)
        followers.list_page(run, sorted(set(page.openids) - set(to_ask)), self.room.clock())
        done = len(page.openids) - len(to_ask)
        yield done
        for wave in parts(to_ask, WAVE_BATCHES * wechat.BATCH_MAX):
            self._ask_wave(run, wave)
            done += len(wave)
            yield done

    def _ask_wave(self, run: Run, openids: Sequence[str]) -> None:
        """Ask several batches at once. What was answered is kept when another of them failed."""
        futures: list[Future[list[Answered]]] = [
            self.pool.submit(ask, self.room.client, self.app, batch)
            for batch in parts(openids, wechat.BATCH_MAX)
        ]
        errors = [error for future in futures if (error := future.exception()) is not None]
        good = (future.result() for future in futures if future.exception() is None)
        answers = [answer for batch in good for answer in batch]
        self.tally.asked += len(answers)
        platform = self.app.open_platform.name if self.app.open_platform else ""
        now_ms = self.room.clock()
        self.tally.alarms += self.room.followers.save(run, answers, platform, now_ms)
        if errors:
            raise errors[0]


def _openids(found: dict[str, Any], app: App) -> tuple[str, ...]:
    place = (wechat.FOLLOWERS.name, app.appid)
    if not sending.field_of(found, "count", int, place) or "data" not in found:
        return ()
    held = sending.field_of(found, "data", dict, place)
    listed = sending.field_of(held, "openid", list, place)
    cleaned = (clean_openid(openid) for openid in listed if isinstance(openid, str))
    return tuple(dict.fromkeys(openid for openid in cleaned if openid))


def ask(client: Client, app: App, openids: Sequence[str]) -> list[Answered]:
    """Who these openids (at most 100) are, in their order. A batch that one foreign openid spoils
    is cut in halves until that one stands alone."""
    values = {"user_list": [{"openid": openid, "lang": "zh_CN"} for openid in openids]}
    try:
        found = client.call(app, wechat.FOLLOWER_BATCH, values)
    except PlatformError as error:
        if error.action is Action.NOT_FOLLOWING and len(openids) == 1:
            return [Answered(openids[0], following=False, why=Unresolved.NOT_FOLLOWING)]
        if error.action not in {Action.DROP_OPENID, Action.NOT_FOLLOWING}:
            raise
        if len(openids) == 1:
            return [Answered(openids[0], following=True, why=Unresolved.FOREIGN_OPENID)]
        middle = len(openids) // 2
        return ask(client, app, openids[:middle]) + ask(client, app, openids[middle:])
    place = (wechat.FOLLOWER_BATCH.name, app.appid)
    rows = sending.field_of(found, "user_info_list", list, place)
    by_openid = {row["openid"]: row for row in rows if isinstance(row, dict) and "openid" in row}
    return [answered(openid, by_openid.get(openid)) for openid in openids]


def answered(openid: str, row: dict[str, Any] | None) -> Answered:
    """One user of an answer. Nothing but ids and the time of following is taken from it."""
    if row is None:
        return Answered(openid, following=True, why=Unresolved.NOT_ASKED)
    since = row.get("subscribe_time")
    since_ms = since * 1000 if isinstance(since, int) and since > 0 else None
    union_id = row.get("unionid")
    if row.get("is_snapshotuser"):
        return Answered(openid, following=True, why=Unresolved.SNAPSHOT_USER)
    if as_code(row.get("subscribe")) in {0, None}:
        return Answered(openid, following=False, why=Unresolved.NOT_FOLLOWING)
    if not isinstance(union_id, str) or not (union_id := clean_openid(union_id)):
        why = Unresolved.NOT_BOUND
        return Answered(openid, following=True, why=why, followed_at_ms=since_ms)
    return Answered(openid, following=True, unionid=union_id, followed_at_ms=since_ms)


# -- facts -----------------------------------------------------------------------------------------


def tell(room: Room, app: App, tally: Tally, origin: str = "platform") -> None:
    """Send every pair of the account that the graph was not told of. Killed in between, the same
    are sent again, and the graph knows them by their event ids."""
    platform = app.open_platform
    if platform is None:
        return
    account_id = room.followers.account_id(app.appid)
    while due := room.followers.due(account_id, platform.name, RECORDS_PER_DELIVERY):
        records = [record_of(link, app, platform, origin) for link in due]
        add(tally, room.sink.put(records))
        room.followers.stated(due)


def record_of(link: DueLink, app: App, platform: OpenPlatform, origin: str) -> WireRecord:
    """The record of a pair."""
    union = Identity(platform.key, link.unionid)
    openid = Identity(app.openid_key, link.openid)
    return pair_record((union, openid), link.seen_from_ms, origin)


def add(tally: Tally, delivered: Delivered) -> None:
    """Count what became of records."""
    tally.facts += delivered.sent
    tally.repeats += delivered.duplicates or 0
    tally.refused += delivered.rejected or 0
