"""``python3 dev.py bench [SUITE]``: measure one suite and write it into RESULTS.md."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

SUITES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main(words: list[str]) -> int:
    """Run a suite: a module of this folder with ``run(quick) -> str``, its section's text."""
    parser = argparse.ArgumentParser(prog="python3 dev.py bench", description=__doc__)
    parser.add_argument("suite", nargs="?", default="online", choices=SUITES)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the work, not written down"
    )
    options = parser.parse_args(words)
    suite = importlib.import_module(f"bench.{options.suite}")
    text = suite.run(quick=options.quick)
    print(text)
    if not options.quick:
        from bench._measure import RESULTS, write_down

        write_down(options.suite, text)
        print(f"\nwritten to {RESULTS.relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
