"""Parquet and CSV files, a chunk of rows at a time, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from idweave.core.errors import InputError
from idweave.core.rejection import Code, Rejection

from .files.content import GZIP_MAGIC, ZSTD_MAGIC
from .rejecting import Rejected, rejected

PARQUET_MAGIC = b"PAR1"
CSV_ENDS = (".csv", ".tsv")
PACKED_ENDS = (".gz", ".zst")

READ_BYTES = 1024 * 1024
"""What is read of each column of a row group at once."""

CSV_BLOCK_BYTES = 16 * 1024 * 1024


class Chunk(NamedTuple):
    """Some rows of a file; ``first`` is the number of the first one, from 1."""

    file: str
    first: int
    table: pa.Table


class Table(NamedTuple):
    """One open file: its columns, and its chunks with only those columns that are asked for
    (in Parquet of so many rows), which
    raise InputError where the file is damaged."""

    file: str
    names: list[str]
    chunks: Callable[[Sequence[str], int], Iterator[Chunk]]
    total: int | None


def is_table(path: Path) -> bool:
    """Whether a file is Parquet, by its beginning, or CSV, by its name."""
    name = path.name.lower()
    for packed in PACKED_ENDS:
        name = name.removesuffix(packed)
    if name.endswith(CSV_ENDS):
        return True
    with path.open("rb") as file:
        return file.read(4) == PARQUET_MAGIC


def opened(path: Path, refuse: Callable[[Rejected], None]) -> Table:
    """A Parquet or CSV file; ``refuse`` hears of CSV lines that are none. Raises InputError."""
    with path.open("rb") as file:
        begin = file.read(4)
    try:
        if begin == PARQUET_MAGIC:
            return _parquet(path)
        return _csv(path, begin, refuse)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise _damaged(str(path), 0, error) from None


def _damaged(file: str, row: int, error: Exception) -> InputError:
    where = f"after row {row}" if row else "and cannot be opened"
    said = str(error).splitlines()[0][:200]
    fix = "Get a sound copy and run it again; the rows before count."
    return InputError(f"{file} is damaged {where}: {said}", fix=fix)


def _parquet(path: Path) -> Table:
    with pq.ParquetFile(path) as reader:
        names, total = reader.schema_arrow.names, reader.metadata.num_rows

    def chunks(wanted: Sequence[str], rows: int) -> Iterator[Chunk]:
        row = 1
        try:
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BYTES) as reader:
                for batch in reader.iter_batches(rows, columns=wanted, use_threads=False):
                    yield Chunk(str(path), row, pa.Table.from_batches([batch]))
                    row += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(str(path), row - 1, error) from None

    return Table(str(path), names, chunks, total)


def _csv(path: Path, begin: bytes, refuse: Callable[[Rejected], None]) -> Table:
    tabs = path.name.lower().removesuffix(".gz").removesuffix(".zst").endswith(".tsv")

    def invalid(row: Any) -> str:
        found = f"The line has {row.actual_columns} cells where the head has {row.expected_columns}"
        why = Rejection(
            Code.INVALID_FIELD, "", f"{found}.", "Mend the line; quote cells with commas."
        )
        refuse(rejected((str(path), row.number or 0, None), why, row.text or ""))
        return "skip"

    between = "\t" if tabs else ","
    names = _head(path, begin, between)
    parse = pcsv.ParseOptions(
        delimiter=between, newlines_in_values=True, invalid_row_handler=invalid
    )
    convert = pcsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    read = pcsv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES)

    def chunks(wanted: Sequence[str], _: int) -> Iterator[Chunk]:
        convert.include_columns = list(wanted)
        row = 1
        try:
            with pcsv.open_csv(_stream(path, begin), read, parse, convert) as batches:
                for batch in batches:
                    yield Chunk(str(path), row, pa.Table.from_batches([batch]))
                    row += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(str(path), row - 1, error) from None

    return Table(str(path), names, chunks, None)


def _stream(path: Path, begin: bytes) -> Any:
    for magic, name in ((GZIP_MAGIC, "gzip"), (ZSTD_MAGIC, "zstd")):
        if begin.startswith(magic):
            return pa.CompressedInputStream(pa.OSFile(str(path)), name)
    return pa.OSFile(str(path))


def _head(path: Path, begin: bytes, between: str) -> list[str]:
    parse = pcsv.ParseOptions(
        delimiter=between, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
    )
    read = pcsv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES)
    with pcsv.open_csv(_stream(path, begin), read, parse) as batches:
        found: list[str] = batches.schema.names
    return found
