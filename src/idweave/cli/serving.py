"""``serve``: both listeners, until a signal."""

from __future__ import annotations

import dataclasses
import logging
from typing import Annotated

import typer

from idweave.config import FILE_NAME, server_settings

from .applying import fix_of
from .offering import offer
from .output import visible
from .session import Session

app = typer.Typer()

PortOption = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=0, max=65535, help="Its port; 0 takes any free one."),
]
HostOption = Annotated[str | None, typer.Option(metavar="HOST", help="Where it listens.")]


@offer(app, "serve")
def serve(
    session: Session,
    *,
    collector_host: HostOption = None,
    collector_port: PortOption = None,
    api_host: HostOption = None,
    api_port: PortOption = None,
) -> None:
    """Receive records and answer questions, until Ctrl-C or SIGTERM.

    \b
    Example:
      idweave serve
      idweave serve --collector-port 9000 --api-port 9001
    """
    from idweave.server.logs import configure_logging, log
    from idweave.server.running import Running
    from idweave.server.running import serve as run_server

    flags = {
        "server.collector_host": collector_host,
        "server.collector_port": collector_port,
        "server.api_host": api_host,
        "server.api_port": api_port,
    }
    session = dataclasses.replace(session, flags={**(session.flags or {}), **flags})
    settings, output = server_settings(session.settings), session.output

    def ready(running: Running) -> None:
        if output.json:
            output.line({"collector": running.collector_url, "api": running.api_url})
            output.flush()
            return
        say_settings(session)
        output.say(f"SDKs send to   {running.collector_url}/sa", style="bold")
        output.say(f"questions go to {running.api_url}", style="bold")
        output.say("Stop with Ctrl-C: everything that was answered with 200 is on disk.")

    configure_logging()
    with session.writing() as engine:
        for project in engine.unapplied():
            text = "another policy is in force than the configuration names"
            log(logging.WARNING, text, project=project, fix=fix_of(session, project))
        run_server(engine, settings, ready=ready)


def say_settings(session: Session) -> None:
    """Where the settings come from, and what they say of projects and store."""
    settings, output = session.settings, session.output
    origin = settings.file or f"defaults (there is no {FILE_NAME} here)"
    output.say(f"settings       {visible(origin)}")
    output.say(f"store          {visible(settings.store_url)}")
    for project in settings.projects:
        guarded = "token needed" if project.token else "no token"
        output.say(f"project        {project.name}: policy {visible(project.policy)}, {guarded}")
