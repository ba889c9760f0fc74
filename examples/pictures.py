"""Draw what people ask first of the tables of `idweave resolve` or `idweave export --tables`:

    python examples/pictures.py TABLES [PICTURES]

writes identities-per-user.svg, keys-and-overlap.svg, merges-over-time.svg and largest-users.svg.
The drawing needs Python alone; the tables are read with pyarrow.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from html import escape
from itertools import combinations
from pathlib import Path

import pyarrow.parquet as pq

WIDTH, ROW, LABEL, INK = 720, 24, 300, "#3b6fb6"
LARGEST = 15
Bars = Sequence[tuple[str, int]]


def bars(title: str, rows: Bars) -> str:
    """A bar chart with a row for each value."""
    most = max((count for _, count in rows), default=1)
    height = 48 + ROW * max(len(rows), 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
    ]
    for nth, (label, count) in enumerate(rows):
        y, length = 40 + ROW * nth, (WIDTH - LABEL - 90) * count / most
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y + 3}" width="{length:.1f}" height="16" fill="{INK}"/>',
            f'<text x="{LABEL + length + 6:.1f}" y="{y + 15}">{count:,}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def held(tables: Path) -> dict[str, list[str]]:
    """The keys of the identities that each user holds now."""
    read = pq.read_table(tables / "identities.parquet", columns=["canonical_id", "key", "left_at"])
    users: dict[str, list[str]] = {}
    for row in read.to_pylist():
        if row["left_at"] is None and row["canonical_id"] is not None:
            users.setdefault(row["canonical_id"], []).append(row["key"])
    return users


def per_user(users: dict[str, list[str]]) -> Bars:
    counts = Counter(min(len(keys), 20) for keys in users.values())
    return [(f"{size}{' or more' if size == 20 else ''}", counts[size]) for size in sorted(counts)]


def overlap(users: dict[str, list[str]]) -> Bars:
    """Users with each key, and with each two of the keys that most users have."""
    kinds = [frozenset(name.removeprefix("$identity_") for name in keys) for keys in users.values()]
    singles = Counter(key for kind in kinds for key in kind)
    top = [key for key, _ in singles.most_common(6)]
    pairs = {pair: sum(set(pair) <= kind for kind in kinds) for pair in combinations(top, 2)}
    both = [(" and ".join(pair), count) for pair, count in pairs.items() if count]
    return singles.most_common(12) + sorted(both, key=lambda row: -row[1])


def merges(tables: Path) -> Bars:
    """Users founded in each month that are another's now, by when that one was founded."""
    users = pq.read_table(tables / "users.parquet", columns=["canonical_id", "founded_at"])
    founded = {row["canonical_id"]: row["founded_at"] for row in users.to_pylist()}
    into = pq.read_table(tables / "redirects.parquet")["canonical_id"].to_pylist()
    months = Counter(founded[name].strftime("%Y-%m") for name in into if name in founded)
    return sorted(months.items())


def largest(users: dict[str, list[str]]) -> Bars:
    sizes = Counter({name: len(keys) for name, keys in users.items()})
    return sorted(sizes.items(), key=lambda row: (-row[1], row[0]))[:LARGEST]


def main(tables: Path, pictures: Path) -> None:
    pictures.mkdir(exist_ok=True)
    users = held(tables)
    for name, title, rows in (
        ("identities-per-user", "Users by how many identities they hold", per_user(users)),
        ("keys-and-overlap", "Users with each key, and with both of two", overlap(users)),
        ("merges-over-time", "Users that merged, by month of the one that stayed", merges(tables)),
        ("largest-users", "Users with the most identities", largest(users)),
    ):
        (pictures / f"{name}.svg").write_text(bars(title, rows), "utf-8")
        print(pictures / f"{name}.svg")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python examples/pictures.py TABLES [PICTURES]")
    main(Path(sys.argv[1]), Path(sys.argv[-1] if len(sys.argv) == 3 else "pictures"))
