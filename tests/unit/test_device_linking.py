"""A mini program's visitor travels into its web view in the page's address."""

from __future__ import annotations

import pytest

from idweave.core.device import PLATFORMS, DeviceState
from idweave.core.device.linking import Linked, linked_id, web_view_url
from idweave.core.device.state import LoginRecord

WECHAT = PLATFORMS["wechat"]
ANONYMOUS = DeviceState("anon-1", identities={}, history=LoginRecord())
LOGGED_IN = DeviceState("M", "anon-1", {}, LoginRecord("member_id", "M"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x/p", "https://x/p?_sasdk=dYW5vbi0x"),
        ("https://x/p?", "https://x/p?_sasdk=dYW5vbi0x"),
        ("https://x/p?a=1#x", "https://x/p?a=1&_sasdk=dYW5vbi0x#x"),
        ("https://x/p?_sasdk=dold&a=1", "https://x/p?_sasdk=dYW5vbi0x&a=1"),
        ("http://x#x?y", "http://x?_sasdk=dYW5vbi0x#x?y"),
        ("https://x/p?a=_sasdk=1", "https://x/p?a=_sasdk=1&_sasdk=dYW5vbi0x"),
        ("ftp://x", None),
        ("", None),
    ],
)
def test_the_address_gets_the_visitor(url: str, expected: str | None) -> None:
    assert web_view_url(WECHAT, ANONYMOUS, url) == expected


def test_it_may_go_behind_the_hash() -> None:
    url = web_view_url(WECHAT, ANONYMOUS, "https://x/p#/route?a=1", after_hash=True)
    assert url == "https://x/p#/route?a=1&_sasdk=dYW5vbi0x"
    assert linked_id(url) == Linked(False, "anon-1")


def test_a_login_travels_as_one() -> None:
    url = web_view_url(WECHAT, LOGGED_IN, "https://x/p")
    assert url is not None
    assert linked_id(url) == Linked(True, "member_id+M")


@pytest.mark.parametrize(
    "url",
    [
        "https://x/p",
        "https://x/p?_sasdk=",
        "https://x/p?_sasdk=d",
        "https://x/p?_sasdk=xYQ",
        "https://x/p?_sasdk=d_w",  # base64 of no UTF-8
        "https://x/p?_sasdk=dA",
    ],
)
def test_an_address_without_a_visitor_gives_none(url: str) -> None:
    assert linked_id(url) is None
