"""What the room remembers between runs, in an SQLite file beside the store: followers and union
ids, checkpoints, quotas, and tokens (sealed). Several processes may use one file at once."""

from .database import Database
from .followers import Alarm, Answered, DueLink, Followers, Unresolved
from .forgetting import Forgetting, Person
from .migrations import Migrations, Moved
from .quota import Ledger
from .runs import Run, Runs
from .tokens import TokenCache, TokenRow

__all__ = [
    "Alarm",
    "Answered",
    "Database",
    "DueLink",
    "Followers",
    "Forgetting",
    "Ledger",
    "Migrations",
    "Moved",
    "Person",
    "Run",
    "Runs",
    "TokenCache",
    "TokenRow",
    "Unresolved",
]
