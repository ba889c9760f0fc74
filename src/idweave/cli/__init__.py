"""The command line: the only place that wires the rooms together.

One file per group of commands; ``offering.py`` gives each its common options, ``session.py`` what
it works with, ``output.py`` its voice, ``exits.py`` its exit codes, ``door.py`` the way out.
"""

from .door import main

__all__ = ["main"]
