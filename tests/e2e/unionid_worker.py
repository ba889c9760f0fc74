"""One command of idweave in a process that can be killed; says how much memory it took at most."""

from __future__ import annotations

import sys
from pathlib import Path

from idweave.cli import main


def peak_kib() -> int:
    """The largest resident size of this program so far, not of what started it."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.write(f"peak {peak_kib()} KiB\n")
    sys.exit(code)
