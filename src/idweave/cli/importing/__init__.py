"""``import``: files of records or of saved requests go through the same door as live ones.

``content`` reads bytes through compression, ``lines`` cuts them, ``blocks`` makes deliveries of
them, ``marks`` remembers how far an interrupted import came, ``command`` is the command.
"""

from .command import app

__all__ = ["app"]
