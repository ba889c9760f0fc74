"""Puts the room together: state file, tokens, ledger, client, sink."""

from __future__ import annotations

from dataclasses import dataclass

from .client import Client, Surroundings
from .config import UnionIdSettings
from .ports import Sink
from .state import Database, Followers, Ledger, Migrations, Runs, TokenCache
from .sync import Room
from .tokens import Tokens
from .workers import is_gone, this_worker


@dataclass(frozen=True, slots=True)
class Opened:
    """The room, opened. Close it when done."""

    settings: UnionIdSettings
    database: Database
    ledger: Ledger
    migrations: Migrations
    room: Room
    around: Surroundings

    def close(self) -> None:
        """Give up connections and the file."""
        self.around.transport.close()
        self.database.close()


def open_room(settings: UnionIdSettings, around: Surroundings, sink: Sink) -> Opened:
    """Open the state file and what works on it."""
    database = Database(settings.state)
    tokens = Tokens(
        TokenCache(database),
        clock=around.clock,
        sleep=around.sleep,
        chance=around.chance,
        holder=this_worker(),
        is_gone=is_gone,
    )
    ledger = Ledger(database)
    client = Client(around, tokens, ledger)
    room = Room(client, Followers(database), Runs(database), sink, around.clock)
    return Opened(settings, database, ledger, Migrations(database), room, around)
