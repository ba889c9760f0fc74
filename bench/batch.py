"""Batch: files of columns resolved by the full rules, beside tools that only find components."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench._columns import write
from bench._measure import Row, at_most, load, seconds, table

EVENTS = 10_000_000
QUICK_EVENTS = 1_000_000
ROUNDS = 3
P5_RATIO_MAX = 0.7
P6_RATIO_MAX = 1.2
P6_EVENTS = 100_000_000
P6_GIB_MAX = 12


def run(*, quick: bool) -> str:
    """P5 and P6 of the goals; the section's text."""
    largest = QUICK_EVENTS if quick else EVENTS
    sizes = [largest // 10, largest // 10 * 3, largest]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{size}.parquet") for size in sizes]
        for size, file in zip(sizes, files, strict=True):
            write(file, size)
        rounds = [(_run("ours", files[-1]), _run("duckdb", files[-1])) for _ in range(ROUNDS)]
        grown = [*(_run("ours", file) for file in files[:-1]), rounds[-1][0]]
        edges = np.load(files[-1].with_suffix(".npy"))
    parts = (_goals(rounds, grown, sizes), _growth(grown, sizes), _components(edges), load())
    return "\n\n".join(parts)


def _run(road: str, file: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "bench._resolve", road, str(file), str(file.with_suffix(""))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{road} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _goals(rounds: list[Any], grown: list[Any], sizes: list[int]) -> str:
    ours, theirs = (statistics.median(r[at]["seconds"] for r in rounds) for at in (0, 1))
    work = [statistics.median(r[at]["cpu"] for r in rounds) for at in (0, 1)]
    first = rounds[0][0]
    rates = [run["seconds"] / size for run, size in zip(grown, sizes, strict=True)]
    _, small, large = (f"{size / 1e6:g} M" for size in sizes)
    gib = _gib_at(P6_EVENTS, grown, sizes)
    rows = [
        Row(
            "P5",
            f"{large} events, Parquet → Parquet, full rules",
            f"{ours:.1f} s ({first['users']:,} users, {first['contested']:,} contested facts)",
            f"DuckDB encode + splink {theirs:.1f} s ({rounds[0][1]['users']:,} clusters)",
            *at_most(ours / theirs, P5_RATIO_MAX),
        ),
        Row(
            "P5",
            "the same in seconds of processors, which others on the machine disturb less",
            f"{work[0]:.1f} s",
            f"{work[1]:.1f} s",
            *at_most(work[0] / work[1], P5_RATIO_MAX),
        ),
        Row(
            "P6",
            f"seconds an event at {large} beside {small}",
            f"{rates[2] * 1e6:.2f} µs",
            f"{rates[1] * 1e6:.2f} µs",
            *at_most(rates[2] / rates[1], P6_RATIO_MAX),
        ),
        Row(
            "P6",
            f"peak memory at {P6_EVENTS / 1e6:g} M events, by what {large} take more than {small}",
            f"{gib:.1f} GiB",
            f"{P6_GIB_MAX} GiB",
            *at_most(gib / P6_GIB_MAX, 1),
        ),
    ]
    return table(rows)


def _gib_at(events: int, grown: list[Any], sizes: list[int]) -> float:
    """The peak for so many events, if it goes on as between the last two sizes."""
    below, above = (run["peak_mib"] for run in grown[-2:])
    return float(above + (above - below) * (events - sizes[-1]) / (sizes[-1] - sizes[-2])) / 1024


def _growth(grown: list[Any], sizes: list[int]) -> str:
    lines = ["| events | s | µs an event | peak MiB of the parent |", "|---|---|---|---|"]
    for run, size in zip(grown, sizes, strict=True):
        took = run["seconds"]
        lines.append(
            f"| {size:,} | {took:.1f} | {took / size * 1e6:.2f} | {run['peak_mib']:,.0f} |"
        )
    return "\n".join(lines)


def _components(edges: npt.NDArray[np.int64]) -> str:
    """What components alone cost, by each library, on the edges of the same events."""
    count = int(edges.max()) + 1
    lines = [
        f"Components alone, {edges.shape[1]:,} distinct edges:",
        "",
        "| library | s |",
        "|---|---|",
    ]
    for name, act in (("scipy", _scipy), ("rustworkx", _rustworkx), ("networkx", _networkx)):
        lines.append(f"| {name} | {seconds(lambda act=act: act(edges, count)):.2f} |")  # type: ignore[misc]
    return "\n".join(lines)


def _scipy(edges: npt.NDArray[np.int64], count: int) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(edges.shape[1], np.int8)
    graph = coo_array((ones, (edges[0], edges[1])), shape=(count, count)).tocsr()
    return int(connected_components(graph, directed=False)[0])


def _rustworkx(edges: npt.NDArray[np.int64], count: int) -> int:
    import rustworkx

    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from_no_data(list(zip(*edges.tolist(), strict=True)))
    return len(rustworkx.connected_components(graph))


def _networkx(edges: npt.NDArray[np.int64], count: int) -> int:
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(zip(*edges.tolist(), strict=True))
    return sum(1 for _ in nx.connected_components(graph))
