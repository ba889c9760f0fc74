"""One run in a process of its own: ``python -m bench._resolve ours|duckdb FILE OUT``; prints the
seconds of its work, without starting Python, those of processors, and the peak of its memory in
MiB."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def ours(file: Path, out: Path) -> dict[str, Any]:
    """Parquet → tables, by the full rules."""
    from idweave.batch.run import Job, resolve_files
    from idweave.batch.spreading import spread
    from idweave.batch.writing import folder
    from idweave.core.policy_file import preset
    from idweave.core.record import Project

    job = Job((file,), Project("default", preset("sensors")), 0)
    with spread(None) as many, folder(out, force=True) as made:
        _, outcome = resolve_files(job, made, many, lambda *_: None)
    return {"users": len(outcome.users.names), "contested": outcome.contested_facts}


def duckdb(file: Path, out: Path) -> dict[str, Any]:
    """Parquet → numbered ids and distinct edges by DuckDB, clusters by splink: no rules, no names,
    no table of events."""
    import duckdb as engine
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    from bench._columns import KEYS  # only here: processes that fold import this file, too

    db = engine.connect()
    said = [f"SELECT '{nth}' || \"{key}\" AS v FROM ev" for nth, key in enumerate(KEYS)]
    a, b, c = (f"'{nth}' || \"{key}\"" for nth, key in enumerate(KEYS))
    pairs = f"SELECT {a} p, {b} q FROM ev UNION ALL SELECT coalesce({b}, {a}), {c} FROM ev"
    db.execute(f"CREATE VIEW ev AS SELECT * FROM '{file}'").fetchall()
    db.execute(
        "CREATE TABLE ids AS SELECT row_number() OVER () - 1 AS n, v FROM"
        f" (SELECT DISTINCT v FROM ({' UNION ALL '.join(said)}) WHERE v IS NOT NULL)"
    ).fetchall()
    db.execute(
        f"CREATE TABLE edges AS SELECT DISTINCT x.n u, y.n v FROM ({pairs}) e"
        " JOIN ids x ON x.v = e.p JOIN ids y ON y.v = e.q"
    ).fetchall()
    found = cluster_pairwise_predictions_at_threshold(
        "ids", "edges", DuckDBAPI(connection=db), "n", edge_id_column_name_left="u",
        edge_id_column_name_right="v",
    )  # fmt: skip
    count = found.as_duckdbpyrelation().aggregate("count(DISTINCT cluster_id)").fetchall()
    edges = db.execute("SELECT u, v FROM edges").fetchnumpy()
    import numpy as np

    np.save(out.with_suffix(".npy"), np.stack([edges["u"], edges["v"]]))
    return {"users": count[0][0]}


ROADS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {"ours": ours, "duckdb": duckdb}


def main(words: list[str]) -> None:
    """Run one and print what it took."""
    import resource

    road, file, out = words
    start = time.perf_counter()
    found = ROADS[road](Path(file), Path(out))
    seconds = time.perf_counter() - start
    own, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    peak = own.ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mib": peak, **found}))


if __name__ == "__main__":
    main(sys.argv[1:])
