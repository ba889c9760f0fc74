"""Years of history: files in, the same rules, tables out.

Read in this order: ``files`` cuts bytes into lines and blocks; ``records`` and ``columns`` make
:mod:`.said` of them, events that refer to distinct identity sets; ``grouping`` finds which sets can
matter to each other; ``folding`` sends contested groups through ``core.resolve.step``; ``outcome``
puts the answer together; ``tables`` and ``writing`` put it into files. ``run`` is the whole.
"""
