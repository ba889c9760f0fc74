"""``replay --verify``: the log told again must give the same graph, byte for byte (law L1)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from idweave.core.errors import InputError
from idweave.engine.engine import Engine
from idweave.ports import Changes, Store
from idweave.stores import OpenStore, open_store

from .exits import Exit
from .offering import offer
from .output import Output, number_text, visible
from .progress import progress
from .session import Session

app = typer.Typer()

MEMORY_BYTES_MAX = 64 * 1024 * 1024
"""A larger store is replayed into a file: in memory it takes some eight times its size on disk."""

DIFFERENCES_SHOWN = 10
"""The first ones say where to look; the rest are mostly their consequences."""

Difference = dict[str, Any]


class Watched:
    """A store that says how many commits it got; otherwise the store itself."""

    def __init__(self, store: Store, tell: Callable[[int], None]) -> None:
        self._store = store
        self._tell = tell
        self._commits = 0

    def commit(self, changes: Changes | Iterable[Changes]) -> None:
        """See :class:`idweave.ports.Store`."""
        self._store.commit(changes)
        self._commits += 1
        self._tell(self._commits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@offer(app, "replay")
def replay(
    session: Session,
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the graph in the store with a new one.")
    ] = False,
) -> Exit:
    """Tell the whole log again into a scratch store, and compare the two graphs.

    They must be the same to the byte; where they are not, the first differences are shown and
    the exit code is 1. The store itself is only read.

    \b
    Example:
      idweave replay --verify
      idweave replay --verify --project shop
    """
    if not verify:
        raise InputError("There is one kind of replay so far.", fix="Add --verify.")
    output = session.output
    with session.opened(read_only=True) as store:
        engine = Engine(store, session.projects, clock=lambda: 0)
        names = [session.project] if session.project else list(session.projects)
        payloads = store.high_marks().payload
        with scratch(store) as into, progress(output, "replay", payloads, things="requests") as bar:
            watched = cast("Store", Watched(into, lambda done: bar.show(done, done)))
            again = engine.replay(watched)
            found = chain.from_iterable(differences(engine, again, name) for name in names)
            first = list(islice(found, DIFFERENCES_SHOWN))
            count = len(first) + sum(1 for _ in found)
    return _tell(names, count, first, output)


@contextmanager
def scratch(store: Store) -> Iterator[OpenStore]:
    """An empty store to replay into: in memory, or for a large one in a temporary file."""
    with store.reader() as reader:
        size = reader.store_bytes()
    with tempfile.TemporaryDirectory(prefix="idweave-replay-") as folder:
        url = "memory:" if size <= MEMORY_BYTES_MAX else str(Path(folder, "replay.db"))
        into = open_store(url)
        try:
            yield into
        finally:
            into.close()


def differences(engine: Engine, again: Engine, project: str) -> Iterator[Difference]:
    """Where the export of a project and that of its replay differ, line by line."""
    is_replayed = project in again.project_names()
    stored, replayed = engine.export(project), again.export(project) if is_replayed else iter(())
    for line, other in _side_by_side(stored, replayed):
        if line != other:
            yield {"project": project, "stored": line, "replayed": other}


Pair = tuple[str | None, str | None]


def _side_by_side(stored: Iterator[str], replayed: Iterator[str]) -> Iterator[Pair]:
    """Lines of both by what they are about: a user that is missing shifts nothing."""
    left, right = next(stored, None), next(replayed, None)
    while left is not None or right is not None:
        a, b = _about(left), _about(right)
        take_left, take_right = a <= b, b <= a
        yield (left if take_left else None, right if take_right else None)
        left = next(stored, None) if take_left else left
        right = next(replayed, None) if take_right else right


def _about(line: str | None) -> tuple[int, int, str]:
    """What an export line is about, in the order of the export; the end comes last."""
    if line is None:
        return 2, 0, ""
    row = json.loads(line)
    if "canonical_id" in row:
        return 0, int(row["canonical_id"]), ""
    return 1, 0, line


def _tell(names: list[str], count: int, first: list[Difference], output: Output) -> Exit:
    if output.json:
        output.document(
            {"projects": names, "same": not count, "differences": count, "first": first}
        )
    elif not count:
        output.say(f"The same graph to the byte: {', '.join(map(visible, names))}.")
    else:
        output.say(f"{number_text(count)} lines of the export differ:", style="bold red")
        for row in first:
            for text in _said(row):
                output.say(visible(text))
        output.say("This is a bug, or the store was damaged: `idweave doctor` tells; report it.")
    return Exit.FAILED if count else Exit.DONE


def _said(row: Difference) -> Iterator[str]:
    """A difference in words: the fields that differ, and of lists only what differs in them."""
    stored, replayed = (json.loads(row[side] or "{}") for side in ("stored", "replayed"))
    about = stored or replayed
    name = f"user {about['canonical_id']}" if "canonical_id" in about else f"{about['refused']}"
    if not stored or not replayed:
        yield f"{row['project']}: {name} is only in the {'store' if stored else 'replay'}"
        return
    for field in stored:
        old, new = stored[field], replayed.get(field)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            old, new = (
                [one for one in old if one not in new],
                [one for one in new if one not in old],
            )
        yield f"{row['project']}: {name}: {field}: stored {old}, replayed {new}"


def _without(some: list[Any], others: list[Any]) -> list[Any]:
    return [one for one in some if one not in others]
