"""The command ``demo``."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from idweave.core.errors import ListenError
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.engine.answers import Stats
from idweave.engine.engine import Engine
from idweave.server.settings import ServerSettings

from ..exits import Exit
from ..listening import is_free
from ..offering import offer
from ..output import Output, number_text, visible
from ..progress import progress
from ..session import Session, clock
from .sending import recorded, send
from .telling import PROJECT, say_try, say_where, say_who, who_is_who

if TYPE_CHECKING:
    from idweave.server.running import Running

app = typer.Typer()

STORE = "data/demo.db"
PORT = 8106
PORT_MAX = 65534
"""The API takes the port after the collector's."""

PORTS_TRIED = 50
"""How far a free pair of ports is looked for, to name one."""

HOST = "127.0.0.1"

PortOption = Annotated[
    int, typer.Option(min=0, max=PORT_MAX, help="The collector's; the API has the next. 0: any.")
]
KeepOption = Annotated[
    bool, typer.Option("--keep-serving/--no-keep-serving", help="Stay up until Ctrl-C.")
]


@offer(app, "demo", without=frozenset({"config", "project"}))
def demo(session: Session, *, port: PortOption = PORT, keep_serving: KeepOption = True) -> Exit:
    """See it work: starts collector and API, sends recorded requests of released SDKs, says who is
    who, and stays up until Ctrl-C.

    The store is data/demo.db, with a project and rules of its own. A second run goes on with it:
    what is in already is a duplicate.

    \b
    Example:
      idweave demo
      idweave demo --port 9000
      idweave demo --no-keep-serving --json
    """
    from idweave.server.logs import configure_logging
    from idweave.server.running import serve

    store = (session.flags or {}).get("store.url") or STORE
    _refuse_taken(port)
    settings = ServerSettings(
        collector_host=HOST,
        collector_port=port,
        api_host=HOST,
        api_port=port + 1 if port else 0,
    )
    project = Project(PROJECT, preset("sensors"), time_window=False)
    with Session(session.output, flags={"store.url": store}).opened() as opened:
        engine = Engine(opened, {PROJECT: project}, clock=clock)
        show = _Show(engine, store, session.output, keep_serving=keep_serving)
        configure_logging(level=logging.WARNING)
        serve(engine, settings, ready=show.begin)
    return show.end()


def _refuse_taken(port: int) -> None:
    """Say which port is taken before anything starts, and name two that are free."""
    taken = [one for one in (port, port + 1) if port and not is_free(HOST, one)]
    if not taken:
        return
    words = " and ".join(map(str, taken))
    pairs = range(port + 2, min(port + 2 + PORTS_TRIED, PORT_MAX))
    free = next((one for one in pairs if is_free(HOST, one) and is_free(HOST, one + 1)), 0)
    named, it = ("Ports", "them") if len(taken) > 1 else ("Port", "it")
    verb = "are" if len(taken) > 1 else "is"
    fix = f"Stop what holds {it} (another demo?), or run this one with --port {free}."
    raise ListenError(f"{named} {words} of {HOST} {verb} in use.", fix=fix)


class _Show:
    """What happens while the server runs: in a thread of its own, as the server has the first."""

    def __init__(self, engine: Engine, store: str, output: Output, *, keep_serving: bool) -> None:
        self._engine = engine
        self._store = store
        self._output = output
        self._keep_serving = keep_serving
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._is_asked = False

    def begin(self, running: Running) -> None:
        """Called by the server once it listens; must not wait for anything."""
        self._thread = threading.Thread(target=self._guarded, args=(running,), name="demo")
        self._thread.start()

    def end(self) -> Exit:
        """After the server stopped: raises what went wrong, if anything did."""
        is_cut_short = self._thread is not None and self._thread.is_alive() and not self._is_asked
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None and not is_cut_short:
            raise self._failure
        self._output.say("Stopped. Everything is kept: the next run goes on from here.")
        return Exit.STOPPED if is_cut_short else Exit.DONE

    def _guarded(self, running: Running) -> None:
        try:
            self._run(running)
        except BaseException as error:  # noqa: BLE001 - raised again by the first thread, in end()
            self._failure = error
        if self._failure is not None or not self._keep_serving:
            self._is_asked = True
            running.stop()

    def _run(self, running: Running) -> None:
        before = self._engine.stats(PROJECT)
        requests, output = recorded(), self._output
        output.say(f"store   {visible(self._store)}")
        with progress(output, "recorded requests", len(requests), things="sent") as bar:
            for nth, _ in enumerate(send(requests, running.collector_url), 1):
                bar.show(nth, nth)
        found, after = who_is_who(self._engine), self._engine.stats(PROJECT)
        if output.json:
            urls = {"collector": running.collector_url, "api": running.api_url}
            output.document({**urls, "store": self._store, "stats": after, "users": found})
        else:
            output.say(_what_came(len(requests), before, after))
            say_who(found, output)
            if self._keep_serving:
                say_where(running.api_url, running.collector_url, output)
            say_try(self._store, output)
            if self._keep_serving:
                output.say()
                output.say("It stays up. Stop it with Ctrl-C.")
        output.flush()


def _what_came(requests: int, before: Stats, after: Stats) -> str:
    """The run in one sentence: received = accepted + rejected + duplicates."""
    received, accepted, rejected, duplicates = (
        number_text(getattr(after, name) - getattr(before, name))
        for name in ("received", "accepted", "rejected", "duplicates")
    )
    known = f", {duplicates} known from an earlier run" if duplicates != "0" else ""
    what = f"{requests} requests of released SDKs held {received} records"
    return f"{what}: {accepted} new{known}, {rejected} rejected (kept, with the reason)."
