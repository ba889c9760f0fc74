"""The overlap as an UpSet plot: how many people follow exactly which accounts. SVG, no scripts."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .overlap import Combination, Overlap

ACCOUNTS_MAX = 12
"""Rows that can be told apart at a glance; larger answers show the accounts with most people."""

COLUMNS_MAX = 24
"""Combinations that fit a screen; the rest is summed up in words."""

NAME_CHARS_MAX = 22

ROW, COLUMN, BARS, NAMES, SIZES = 26, 34, 170, 190, 120
LEFT = NAMES + SIZES
TOP = 64
INK, FAINT, SOFT, ACCENT = "#1f2937", "#d7dce3", "#f3f5f8", "#0b6e99"
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Noto Sans, sans-serif'"


def upset(found: Overlap) -> str:
    """The picture as SVG text; the same answer gives the same bytes."""
    order = sorted(
        range(len(found.accounts)), key=lambda i: (-found.matrix[i][i], found.accounts[i].appid)
    )
    rows = order[:ACCOUNTS_MAX]
    within = [row for row in found.combinations if set(row.accounts) <= set(rows)]
    columns = within[:COLUMNS_MAX]
    width = LEFT + max(len(columns), 10) * COLUMN + 30
    height = TOP + BARS + max(len(rows), 1) * ROW + 64
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
        f"width='{width}' height='{height}' role='img' {_FONT} font-size='12' fill='{INK}'>",
        f"<title>{escape(headline(found))}</title>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        _text(16, 26, headline(found), "font-size='16' font-weight='600'"),
        _text(16, 46, subline(found), "fill='#4b5563'"),
        *_bars(columns),
        *_rows(found, rows, len(columns)),
        *_dots(columns, rows),
        _text(16, height - 16, _rest(found, columns), "fill='#4b5563'"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def headline(found: Overlap) -> str:
    """The answer in one sentence."""
    count = len(found.accounts)
    accounts = "1 account" if count == 1 else f"{count} accounts"
    return f"{found.followers:,} followers of {accounts} are {found.people:,} known people"


def subline(found: Overlap) -> str:
    """How sure that is."""
    missing = found.people_at_most - found.people
    if not missing:
        return "Every follower's person is known."
    low, high = found.people_at_least, found.people_at_most
    return f"{missing:,} followers could not be resolved: {low:,} to {high:,} people in all."


def _rest(found: Overlap, columns: list[Combination]) -> str:
    shown = sum(row.people for row in columns)
    hidden = len(found.combinations) - len(columns)
    legend = (
        "Columns: people who follow exactly the marked accounts. Left: people known per account."
    )
    if not hidden:
        return legend
    return f"{legend} Not drawn: {hidden:,} combinations, {found.people - shown:,} people."


def _bars(columns: list[Combination]) -> Iterator[str]:
    most = max((row.people for row in columns), default=0) or 1
    for place, row in enumerate(columns):
        tall = max(row.people / most * (BARS - 30), 1)
        x, y = LEFT + place * COLUMN, TOP + BARS - tall
        yield (
            f"<rect x='{x + 7}' y='{y:.1f}' width='{COLUMN - 14}' height='{tall:.1f}' "
            f"fill='{ACCENT}'/>"
        )
        middle = "text-anchor='middle' font-size='11'"
        yield _text(x + COLUMN / 2, y - 5, short(row.people), middle)
    yield (
        f"<line x1='{LEFT}' x2='{LEFT + max(len(columns), 1) * COLUMN}' y1='{TOP + BARS}' "
        f"y2='{TOP + BARS}' stroke='{INK}'/>"
    )


def _rows(found: Overlap, rows: list[int], columns: int) -> Iterator[str]:
    most = max((found.matrix[i][i] for i in rows), default=0) or 1
    for place, number in enumerate(rows):
        y = TOP + BARS + 10 + place * ROW
        if place % 2 == 0:
            across = LEFT + columns * COLUMN - 8
            yield f"<rect x='8' y='{y}' width='{across}' height='{ROW}' fill='{SOFT}'/>"
        people = found.matrix[number][number]
        wide = people / most * (SIZES - 56)
        name = _cut(found.accounts[number].name)
        yield _text(NAMES - 8, y + 17, name, "text-anchor='end'")
        yield (
            f"<rect x='{NAMES}' y='{y + 6}' width='{wide:.1f}' height='{ROW - 12}' fill='{INK}'/>"
        )
        yield _text(NAMES + wide + 5, y + 17, short(people), "font-size='11'")


def _dots(columns: list[Combination], rows: list[int]) -> Iterator[str]:
    for place, row in enumerate(columns):
        x = LEFT + place * COLUMN + COLUMN / 2
        heights = [TOP + BARS + 10 + i * ROW + ROW / 2 for i in range(len(rows))]
        held = [y for y, number in zip(heights, rows, strict=True) if number in row.accounts]
        if len(held) > 1:
            yield (
                f"<line x1='{x}' x2='{x}' y1='{held[0]}' y2='{held[-1]}' stroke='{INK}' "
                "stroke-width='3'/>"
            )
        for y in heights:
            yield f"<circle cx='{x}' cy='{y}' r='6' fill='{INK if y in held else FAINT}'/>"


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"


def _cut(name: str) -> str:
    return name if len(name) <= NAME_CHARS_MAX else name[: NAME_CHARS_MAX - 1] + "…"


def short(count: int) -> str:
    """A count in at most five characters: 980, 12.3k, 1.2M."""
    if count < 10_000:
        return str(count)
    value, unit = (count / 1e6, "M") if count >= 999_500 else (count / 1e3, "k")
    return f"{value:.0f}{unit}" if value >= 100 else f"{value:.1f}{unit}"
