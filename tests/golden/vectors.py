"""Where golden cases come from: the folder beside this file, or ``$IDWEAVE_VECTORS``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def load(name: str) -> list[dict[str, Any]]:
    """All cases of ``<name>.jsonl``, in file order. An empty file is a mistake, not a pass."""
    folder = Path(os.environ.get("IDWEAVE_VECTORS") or HERE)
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines if line.strip()]
    if not cases:
        raise AssertionError(f"{folder / name}.jsonl holds no case")
    return cases
