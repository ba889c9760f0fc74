"""Worlds that anyone can start: three accounts of a brand, and everything that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ports import Clock
from .world import Fault, MockAccount, World

SHOP, CLUB, OUTLET, MINI = (
    "wxshop0000000001",
    "wxclub0000000002",
    "wxoutlet00000003",
    "wxmini0000000004",
)
BUSY = {"errcode": -1, "errmsg": "system error"}


def brand() -> list[MockAccount]:
    """Three official accounts and a mini program under one Open Platform account: 2,800 followers
    who are 1,900 people."""
    return [
        MockAccount(SHOP, "Shop", users=range(1200)),
        MockAccount(CLUB, "Club", users=range(700, 1700)),
        MockAccount(OUTLET, "Outlet", users=[*range(600, 900), *range(1600, 1900)]),
        MockAccount(MINI, "Mini shop", kind="mini_program", users=range(2000)),
    ]


def _sized(count: int) -> Callable[[], list[MockAccount]]:
    return lambda: [MockAccount(SHOP, "Shop", users=range(count))]


def _unbound() -> list[MockAccount]:
    shop, club, *rest = brand()
    club.open_platform = None
    return [shop, club, *rest]


def _leaving() -> list[MockAccount]:
    shop, *rest = brand()
    shop.left = set(range(100))
    return [shop, *rest]


def _limited() -> list[MockAccount]:
    shop, *rest = brand()
    shop.quotas = {"user/info": 6}
    return [shop, *rest]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row: what it shows, its accounts, and what goes wrong."""

    name: str
    meaning: str
    accounts: Callable[[], list[MockAccount]] = brand
    faults: tuple[Fault, ...] = ()


SCENARIOS: dict[str, Scenario] = {
    row.name: row
    for row in (
        Scenario("brand", "three accounts and a mini program of one brand; nothing goes wrong"),
        Scenario("empty", "an account without followers", _sized(0)),
        Scenario("one", "an account with one follower", _sized(1)),
        Scenario("page", "exactly one page: 10,000 followers", _sized(10_000)),
        Scenario("page-and-one", "10,001 followers", _sized(10_001)),
        Scenario("pages", "25,000 followers", _sized(25_000)),
        Scenario("million", "1,000,000 followers; takes a minute to start", _sized(1_000_000)),
        Scenario("unbound", "Club is bound to no Open Platform account", _unbound),
        Scenario("leaving", "100 followers of Shop leave between list and question", _leaving),
        Scenario("quota", "Shop's quota of the day ends after 6 batches", _limited),
        Scenario("busy", "the platform is busy twice, then well", faults=(
            Fault("user/get", 1, 2, BUSY), Fault("batchget", 3, 4, BUSY))),
        Scenario("fast", "too many calls in a minute, once", faults=(
            Fault("batchget", 2, 2, {"errcode": 45011, "errmsg": "api minute-quota reached"}),)),
        Scenario("html", "a captive portal answers in HTML, once", faults=(
            Fault("user/get", 1, 1, b"<html><body>Please log in</body></html>"),)),
        Scenario("text", "an errcode comes as text", faults=(
            Fault("user/get", 1, 1, {"errcode": "40001", "errmsg": "not latest"}),)),
        Scenario("slow", "answers to batches take 12 seconds, twice", faults=(
            Fault("batchget", 1, 2, None, 200, 12.0),)),
        Scenario("forbidden", "the account did not authorise the interface", faults=(
            Fault("user/get", 1, 10**9, {"errcode": 61003, "errmsg": "unauthorized"}),)),
    )
}  # fmt: skip


def build(name: str, clock: Clock) -> World:
    """The world of a scenario."""
    row = SCENARIOS[name]
    world = World.of(row.accounts(), clock)
    world.faults = list(row.faults)
    return world


def config_text(accounts: Sequence[MockAccount], url: str, host: str) -> str:
    """A configuration for the mock, as people would write it for the platform."""
    lines = [
        "[store]",
        'url = "idweave.db"',
        "",
        "[unionid]",
        'state = "unionid.db"',
        f'allow_hosts = ["{host}"]  # the mock is neither https nor public',
        "",
        "[[unionid.open_platforms]]",
        'name = "main"',
        "main = true",
    ]
    for account in accounts:
        lines += [
            "",
            "[[unionid.apps]]",
            f"name = {json.dumps(account.name)}",
            f'appid = "{account.appid}"',
            f'kind = "{account.kind}"',
            'open_platform = "main"',
            f'secret_file = "secrets/{account.appid}"',
            f'base_url = "{url}"',
        ]
    return "\n".join(lines) + "\n"


def write_config(folder: Path, accounts: Sequence[MockAccount], url: str, host: str) -> Path:
    """A configuration and the secrets it names, in a folder; returns the configuration's path."""
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    for account in accounts:
        path = secrets / account.appid
        path.touch(mode=0o600)
        path.write_text(account.secret, "utf-8")
    path = folder / "idweave.toml"
    path.write_text(config_text(accounts, url, host), "utf-8")
    return path
