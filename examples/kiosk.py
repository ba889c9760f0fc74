"""A kiosk that two customers use, one after the other, without becoming one user.

    python examples/kiosk.py                                            # shows the records
    python examples/kiosk.py http://localhost:8106/sa?project=default   # sends them

What matters is the end of each visit: ``logout`` forgets the account, and
``reset_anonymous_identity`` makes the device a new one for whoever comes next. Without the second,
what the next customer does before logging in would count for the one before.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from idweave.sdk import ConsoleConsumer, Consumer, FileStorage, HttpConsumer, Tracker


def visit(tracker: Tracker, account: str, goods: str) -> None:
    """One customer: looks around, logs in, buys, leaves."""
    tracker.track("ViewProduct", {"product": goods})
    tracker.login(account)
    tracker.track("Buy", {"product": goods, "price": 3})
    tracker.logout()
    tracker.reset_anonymous_identity()


def main(arguments: list[str]) -> None:
    """Two customers and a power cut in between: who the visitor is survives in the file."""
    consumer: Consumer = HttpConsumer(arguments[0]) if arguments else ConsoleConsumer()
    with tempfile.TemporaryDirectory() as folder:  # a real kiosk keeps it in one place
        for account, goods in (("customer-1", "tea"), ("customer-2", "coffee")):
            storage = FileStorage(Path(folder, "kiosk.json"))
            visit(Tracker("web", consumer, storage=storage), account, goods)
            storage.close()
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
