"""``demo``: recorded requests of released SDKs become users, on the screen and over HTTP.

``requests.jsonl`` holds the requests (``tests/e2e/demo_story.py`` makes it), ``sending`` sends
them, ``telling`` says who they make, ``command`` is the command.
"""

from .command import app

__all__ = ["app"]
