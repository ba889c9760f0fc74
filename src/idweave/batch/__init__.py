"""Years of history: files in, the same rules, tables out.

Read in this order: ``files`` cuts bytes into lines; ``records`` (lines) and ``columns`` (Parquet,
CSV) make ``said`` of them: events that refer to distinct shapes. ``events`` keeps their columns in
runs, in memory or in files. ``repeats`` leaves out what was said twice; ``grouping`` finds which
shapes can matter to each other; ``folding`` sends contested groups through ``core.resolve.step``;
``founding`` and ``attributing`` say who founded users and whose events are; ``outcome`` puts the
answer together; ``tables``, ``merging`` and ``writing`` put it into a folder. ``run`` is the whole,
``stored`` the same for a store's log.
"""
