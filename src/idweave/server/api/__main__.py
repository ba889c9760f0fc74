"""``python -m idweave.server.api`` prints the OpenAPI document that is checked in."""

from __future__ import annotations

import json
import sys

from .openapi import document

if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
