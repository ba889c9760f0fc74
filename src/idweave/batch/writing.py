"""Tables into a folder that is there whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from idweave.core.errors import InputError, StoreFull

MANIFEST = "manifest.json"
FORMATS = ("parquet", "jsonl", "csv")

ZSTD_LEVEL = 1
"""Event ids are chance, which no level makes smaller; higher ones only take their time."""

FEW_VALUES = frozenset({"key", "reason", "code", "field", "fix", "file"})
"""Columns whose values are written once and then by number; elsewhere that takes twice the time of
writing them and saves nothing."""

ENCODINGS = (
    (pa.types.is_string, "DELTA_LENGTH_BYTE_ARRAY"),
    (pa.types.is_timestamp, "DELTA_BINARY_PACKED"),
)
"""How columns of many values are written: a third less time than plainly, and a tenth smaller."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run as a formula; such text gets a quote before it."""

Show = Callable[[int], None]


class Folder:
    """The folder on its way: files are written beside it and appear under its name at the end."""

    def __init__(self, path: Path, *, form: str = "parquet") -> None:
        self.path = path
        self.form = form
        self.unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
        self.rows: dict[str, int] = {}

    def write(self, name: str, schema: pa.Schema, parts: Iterable[pa.Table], show: Show) -> None:
        """One table, part by part; ``show`` hears how many rows are written."""
        rows = 0
        with WRITERS[self.form](self.unfinished / f"{name}.{self.form}", schema) as write:
            for part in parts:
                write(part)
                rows += part.num_rows
                show(rows)
        self.rows[name] = rows

    def manifest(self, content: dict[str, Any]) -> None:
        """What the folder holds and what it was made of."""
        text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
        (self.unfinished / MANIFEST).write_text(text + "\n", "utf-8")


def check_free(path: Path, *, force: bool) -> None:
    """Raises InputError where the folder cannot become the answer. What was not written by us is
    never replaced, whatever ``force`` says."""
    if not path.parent.is_dir():
        problem = f"The folder {path.parent} does not exist."
        raise InputError(problem, fix="Make it, or name a folder inside one that exists.")
    if not path.exists():
        return
    if not path.is_dir() or (any(path.iterdir()) and not (path / MANIFEST).is_file()):
        fix = "Name a folder that does not exist; this one is not ours to replace."
        raise InputError(f"{path} exists and holds something else than our tables.", fix=fix)
    if not force and any(path.iterdir()):
        fix = "Name another folder, or add --force to replace it when the new tables are whole."
        raise InputError(f"{path} exists and holds tables already.", fix=fix)


@contextmanager
def folder(path: Path, *, form: str = "parquet", force: bool = False) -> Iterator[Folder]:
    """A folder that appears when all is written; nothing stays of it otherwise, and an older one
    stays as it was."""
    check_free(path, force=force)
    made = Folder(path, form=form)
    try:
        made.unfinished.mkdir()
        yield made
        _put_in_place(made)
    except OSError as error:
        problem = f"{path} could not be written: {error.strerror or error}."
        fix = "Make room or name another place, and run it again: nothing was left half-written."
        raise StoreFull(problem, fix=fix) from None
    finally:
        shutil.rmtree(made.unfinished, ignore_errors=True)


def _put_in_place(made: Folder) -> None:
    if not made.path.exists():
        made.unfinished.replace(made.path)
        return
    old = made.unfinished.with_suffix(".old")
    made.path.replace(old)
    made.unfinished.replace(made.path)
    shutil.rmtree(old, ignore_errors=True)


Write = Callable[[pa.Table], None]


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Write]:
    few = [name for name in schema.names if name in FEW_VALUES]
    many = {
        field.name: encoding
        for field in schema
        for is_kind, encoding in ENCODINGS
        if is_kind(field.type) and field.name not in few
    }
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=few,
        column_encoding=many,
    ) as writer:
        yield writer.write_table


@contextmanager
def _jsonl(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(table: pa.Table) -> None:
            for row in table.to_pylist():
                plain = {name: _plain(value) for name, value in row.items()}
                file.write(json.dumps(plain, ensure_ascii=False, separators=(",", ":")) + "\n")

        yield write


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(schema.names)

        def write(table: pa.Table) -> None:
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                rows.writerow([_cell(_plain(value)) for value in row])

        yield write


WRITERS: dict[str, Callable[[Path, pa.Schema], Any]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "csv": _csv,
}


def _plain(value: object) -> object:
    """A value for text formats: a time as ISO 8601 in UTC with its milliseconds."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value
