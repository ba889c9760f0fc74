"""``python -m idweave`` is the ``idweave`` command."""

import sys

from idweave.cli import main

if __name__ == "__main__":
    sys.exit(main())
