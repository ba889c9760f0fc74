"""Years of history: files in, the same rules, tables out.

Read in this order: ``files`` cuts bytes into lines; ``records`` (lines) and ``columns`` (Parquet,
CSV) make ``said`` of them: events that refer to distinct shapes. ``repeats`` leaves out what was
said twice; ``grouping`` finds which shapes can matter to each other; ``folding`` sends contested
groups through ``core.resolve.step``; ``outcome`` puts the answer together; ``tables`` and
``writing`` put it into a folder. ``run`` is the whole, ``stored`` the same for a store's log.
"""
