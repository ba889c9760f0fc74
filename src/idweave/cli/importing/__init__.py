"""``import``: files of records or of saved requests go through the same door as live ones.

``run`` makes deliveries of the blocks of ``batch.files``, ``marks`` remembers how far an
interrupted import came, ``command`` is the command.
"""

from .command import app

__all__ = ["app"]
