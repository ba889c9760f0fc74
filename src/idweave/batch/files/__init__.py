"""Files of records and of saved requests as lines and blocks: what ``import`` and ``resolve``
share. Needs the standard library alone; zstd files need ``zstandard``.

``content`` reads bytes through compression, ``lines`` cuts them, ``blocks`` says what they hold.
"""
