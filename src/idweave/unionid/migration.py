"""An account that changed its owner: each follower has an old openid and a new one."""

from __future__ import annotations

from typing import Any

from idweave.core.identity import Identity

from . import sending, wechat
from .apps import App
from .errcodes import Action
from .errors import PlatformError
from .facts import RECORDS_PER_DELIVERY, pair_record
from .state import Migrations, Moved
from .state.migrations import OK
from .sync import Room, Tally, add, clean_openid


def migrate_openids(
    room: Room, migrations: Migrations, apps: tuple[App, App], from_id: str = ""
) -> Tally:
    """Ask for the new openid of every follower of the old account, and bind the two.

    ``apps``: the new account and the old one, which was synced while that was possible.
    ``from_id``: how the platform knows the old one, where that is not its appid (``gh_…``).
    Resumable; possible only for 15 days after the change was approved.
    """
    app, old = apps
    tally = Tally(app.appid, app.title)
    account_id = room.followers.account_id(app.appid)
    try:
        while openids := migrations.to_ask(account_id, old.appid, wechat.BATCH_MAX):
            values = {"from_appid": from_id or old.appid, "openid_list": openids}
            found = room.client.call(app, wechat.CHANGE_OPENID, values)
            moved = _moved(found, openids, app, room.clock())
            migrations.save(account_id, old.appid, moved)
            tally.asked += len(openids)
        tally.finished = True
    except PlatformError as error:
        tally.stopped = str(error)
        tally.parked = error.action is Action.PARK
    _tell(room, migrations, apps, tally)
    return tally


def _moved(found: dict[str, Any], openids: list[str], app: App, now_ms: int) -> list[Moved]:
    rows = sending.field_of(found, "result_list", list, (wechat.CHANGE_OPENID.name, app.appid))
    by_openid = {row.get("ori_openid"): row for row in rows if isinstance(row, dict)}
    return [_one(openid, by_openid.get(openid), now_ms) for openid in openids]


def _one(openid: str, row: dict[str, Any] | None, now_ms: int) -> Moved:
    new = clean_openid(str((row or {}).get("new_openid") or ""))
    words = sending.shown(str((row or {}).get("err_msg", "not answered")), ())
    if words == OK and new:
        return Moved(openid, new, OK, now_ms)
    return Moved(openid, None, words if words != OK else "no new openid", now_ms)


def _tell(room: Room, migrations: Migrations, apps: tuple[App, App], tally: Tally) -> None:
    app, old = apps
    account_id = room.followers.account_id(app.appid)
    while due := migrations.due(account_id, old.appid, RECORDS_PER_DELIVERY):
        records = [
            pair_record(
                (
                    Identity(app.openid_key, str(row.new_openid)),
                    Identity(old.openid_key, row.old_openid),
                ),
                row.seen_from_ms,
                "migration",
            )
            for row in due
        ]
        add(tally, room.sink.put(records))
        migrations.stated(account_id, old.appid, due)
