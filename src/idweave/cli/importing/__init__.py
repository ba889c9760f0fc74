"""``import``: files of records or of saved requests go through the same door as live ones.

``filling`` fills a fresh store, ``run`` makes deliveries of blocks of lines for any other,
``marks`` remembers how far an interrupted import came, ``command`` is the command.
"""

from .command import app

__all__ = ["app"]
