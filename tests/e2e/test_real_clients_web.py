"""The released web SDK in a browser as a client of a started ``idweave serve``: the browser decides
what may be read across origins, what survives a closing page and what a debug answer shows."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from . import released
from .serving import WAIT_S
from .visits import LOGIN, PHONE, STORY, Site, held, is_unbound, one_user, site

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

MODES: dict[str, dict[str, Any]] = {
    "image": {"send_type": "image"},
    "ajax": {"send_type": "ajax"},
    "beacon": {"send_type": "beacon"},
    "batch": {"batch_send": {"send_interval": 300}},
    "debug": {"debug_mode": True, "debug_mode_upload": False},
}
"""How the SDK sends; each is a project."""

SOUND, UNSOUND = "debug数据发送成功", "debug失败"
"""What the SDK's debug mode tells its user of each record."""

OTHER = ("leaving", "wrong")

PAGE = b"""<!doctype html><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script src="/sensorsdata.js"></script>"""

INIT = """options => {
  window.tracker = window.sensorsDataAnalytic201505;
  tracker.init(options);
  tracker.quick("isReady", () => { window.isReady = true; });
}"""

CALL = """async calls => {
  for (const [name, ...given] of calls) {
    tracker[name](...given);
    await new Promise(next => setTimeout(next, 5));  // each call has its own millisecond
  }
}"""


class Shop(BaseHTTPRequestHandler):
    """A web page with the SDK in it, on another port than the collector: another origin."""

    def __init__(self, script: bytes, *given: Any) -> None:
        self.script = script
        super().__init__(*given)

    def do_GET(self) -> None:
        is_script = self.path.endswith(".js")
        self.send_response(200)
        kind = "text/javascript" if is_script else "text/html"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.script if is_script else PAGE)

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@contextmanager
def pages(script: Path) -> Iterator[str]:
    """The shop's address while it is open."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Shop, script.read_bytes())) as shop:
        thread = threading.Thread(target=shop.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{shop.server_port}/"
        finally:
            shop.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def shop_url() -> Iterator[str]:
    """A page that loads the SDK as it was released."""
    with pages(released.modules() / "sa-sdk-javascript/dist/web/sensorsdata.js") as url:
        yield url


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server that the page's SDK sends to."""
    projects = dict.fromkeys((*MODES, *OTHER), "sensors")
    with site(tmp_path_factory.mktemp("site"), projects) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with it."""
    released.needs("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS), timeout=WAIT_S * 1000
        )
        yield chromium
        chromium.close()


@dataclass
class Device:
    """A browser profile of a visitor, and what its pages complained about."""

    context: BrowserContext
    url: str
    options: dict[str, Any]
    complaints: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def open(self) -> Page:
        """Open the shop and start the SDK there."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda one: self.complaints.append(f"{one.url} {one.failure}"))
        page.on("console", self._console)
        page.on("dialog", self._dialog)
        page.goto(self.url)
        page.evaluate(INIT, self.options)
        page.wait_for_function("window.isReady === true")
        return page

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.said.append(dialog.message)
        dialog.accept()


@contextmanager
def device(browser: Browser, url: str, options: dict[str, Any]) -> Iterator[Device]:
    """A new visitor's browser."""
    context = browser.new_context()
    context.set_default_timeout(WAIT_S * 1000)
    opened = Device(context, url, options)
    yield opened
    context.close()
    assert opened.complaints == []


def options_of(backend: Site, project: str) -> dict[str, Any]:
    """How a page initialises the SDK."""
    url = backend.url(project, "/sa.gif")
    return {"server_url": url, "show_log": False, "is_track_single_page": False} | MODES.get(
        project, {}
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_web_sdk_makes_one_user_of_two_browsers(
    backend: Site, browser: Browser, shop_url: str, mode: str
) -> None:
    options = options_of(backend, mode)
    visit = ["track", "Visit", {"page": "用户 😀"}]
    with (
        device(browser, shop_url, options) as first,
        device(browser, shop_url, options) as second,
    ):
        page = first.open()
        page.evaluate(CALL, [visit, ["login", LOGIN[1]], ["bind", *PHONE], ["track", "Buy", {}]])
        backend.wait_for(mode, received=4)
        other = second.open()
        other.evaluate(CALL, [visit, ["login", LOGIN[1]], ["track", "Order", {}]])
        backend.wait_for(mode, received=7)
        page.close()
        page = first.open()
        page.evaluate(CALL, [["unbind", *PHONE], ["logout"], ["track", "Back", {}]])
        user = one_user(backend, mode, STORY)
    assert held(user) == {"login_id": 1, "cookie_id": 2, "anonymous_id": 2}
    assert is_unbound(backend, mode, user)
    records = backend.events(mode, user["canonical_id"])
    pages = [one["properties"]["page"] for one in records if one.get("event") == "Visit"]
    assert pages == ["用户 😀"] * 2
    heard = {text[: len(SOUND)] for text in (*first.said, *second.said)}
    assert heard == ({SOUND} if mode == "debug" else set())


def test_what_the_web_sdk_sends_while_its_page_closes_arrives(
    backend: Site, browser: Browser, shop_url: str
) -> None:
    options = options_of(backend, "leaving") | {"send_type": "beacon"}
    with device(browser, shop_url, options) as visitor:
        page = visitor.open()
        leave = "addEventListener('pagehide', () => tracker.track('Leave', {}))"
        page.evaluate(leave)
        page.close(run_before_unload=True)
        stats = backend.wait_for("leaving", received=1)
    assert (stats["accepted"], stats["rejected"]) == (1, 0)


def test_the_web_sdk_shows_in_debug_mode_what_is_wrong_with_a_record(
    backend: Site, browser: Browser, shop_url: str
) -> None:
    url = backend.url("wrong", "/sa.gif")
    with device(browser, shop_url, {"server_url": url} | MODES["debug"]) as developer:
        page = developer.open()
        with page.expect_event("dialog"):
            page.evaluate(CALL, [["bind", "no_such_key", "1"]])
    (said,) = developer.said
    assert said.startswith(UNSOUND)
    assert "UNDEFINED_IDENTITY" in said
