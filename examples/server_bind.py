"""A service that binds a phone number to an account, and unbinds it when the owner changes it.

    python examples/server_bind.py                                            # shows the records
    python examples/server_bind.py http://localhost:8106/sa?project=default   # sends them

A service keeps no visitor: every call says whom it is about.
"""

from __future__ import annotations

import sys

from idweave import Identity
from idweave.sdk import ConsoleConsumer, Consumer, HttpConsumer, ServerTracker

OLD_PHONE = Identity("$identity_mobile", "13800000000")
NEW_PHONE = Identity("$identity_mobile", "13900000000")


def account(name: str) -> Identity:
    """The account by its own id."""
    return Identity("$identity_login_id", name)


def main(arguments: list[str]) -> None:
    """An order by phone, the account it belongs to, and a new phone number."""
    consumer: Consumer = HttpConsumer(arguments[0]) if arguments else ConsoleConsumer()
    with ServerTracker(consumer) as tracker:
        tracker.track_by_id("PhoneOrder", {"price": 20}, OLD_PHONE)
        tracker.bind(account("user-1"), OLD_PHONE)  # the order is user-1's from now on
        tracker.profile_set_by_id({"level": "gold"}, account("user-1"))
        tracker.unbind(OLD_PHONE)  # given back to the phone company: the next owner is not user-1
        tracker.bind(account("user-1"), NEW_PHONE)


if __name__ == "__main__":
    main(sys.argv[1:])
