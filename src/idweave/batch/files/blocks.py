"""Lines become deliveries: records in blocks, saved requests one by one, the rest with a reason."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from idweave.core.rejection import Code, Rejection
from idweave.wire import RECORDS_MAX, Decoded, decode, read_payload

from .lines import LINE_BYTES_MAX, Line

RECORDS_IN_BLOCK = 200
"""Records of one stored payload. A user's events are read back by the payload, so it should not
be large; compression wants some."""

BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of one block of lines, the last of which may reach over it; payloads end at 64 MiB."""

GZIP_LEVEL = 1
"""As the collector packs JSON: 2 % larger than the usual level, at a third of the time."""

REQUEST_MARK = b'"body_base64"'


def blocks_of(lines: Iterator[Line], lines_max: int = RECORDS_IN_BLOCK) -> Iterator[list[Line]]:
    """Lines that are not blank, in blocks."""
    block: list[Line] = []
    size = 0
    for line in lines:
        if not line.text:
            continue
        block.append(line)
        size += len(line.text)
        if len(block) >= lines_max or size >= BLOCK_BYTES_MAX:
            yield block
            block, size = [], 0
    if block:
        yield block


def decoded_of(block: Sequence[Line], project: str) -> Iterator[Decoded]:
    """What a block of lines holds; ``project`` is whose it is where it does not say so itself."""
    records = None if REQUEST_MARK in block[0].text else _records(block)
    if records is not None and not any(isinstance(raw, Rejection) for raw in records.records):
        yield replace(records, project=project)
        return
    for is_record, part in groupby(map(_sorted_out, block), lambda pair: pair[1] is None):
        if is_record:
            found = _records([line for line, _ in part])
            assert found is not None  # each line was read as a record by itself
            yield replace(found, project=project)
            continue
        for _, decoded in part:
            assert decoded is not None
            yield decoded if decoded.project else replace(decoded, project=project)


def _records(lines: Sequence[Line]) -> Decoded | None:
    """Lines that are records all; None where any is something else."""
    if not all(line.is_whole and line.text.startswith(b"{") for line in lines):
        return None
    payload = b"[" + b",".join(line.text for line in lines) + b"]"
    records = read_payload(payload)
    if len(records) != len(lines) or any(map(_is_request, records)):
        return None
    return Decoded(records, gzip.compress(payload, GZIP_LEVEL, mtime=0))


def _is_request(raw: object) -> bool:
    if not isinstance(raw, dict) or "type" in raw:
        return False
    return "body_base64" in raw or "data" in raw or "data_list" in raw


def _sorted_out(line: Line) -> tuple[Line, Decoded | None]:
    """A line, and what it is unless it is a record."""
    if not line.is_whole:
        mib = LINE_BYTES_MAX // 1024 // 1024
        return line, _refused(line, f"is longer than {mib} MiB")
    try:
        raw = json.loads(line.text)
    except RecursionError:
        return line, _refused(line, "is nested too deep", Code.TOO_DEEP)
    except ValueError as error:
        form = decode(line.text, "")
        if not form.empty:
            return line, form
        where = f" (at character {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        return line, _refused(line, f"is not JSON{where}")
    if _is_request(raw):
        return line, _request(line, raw)
    if isinstance(raw, list):
        records = read_payload(line.text)
        packed = gzip.compress(line.text, GZIP_LEVEL, mtime=0)
        if len(records) == len(raw):
            return line, Decoded(records, packed)
        if len(raw) > RECORDS_MAX:
            return line, _refused(line, f"holds more than {RECORDS_MAX} records")
        return line, _refused(line, "is nested too deep", Code.TOO_DEEP)
    if not isinstance(raw, dict):
        return line, _refused(line, "is no JSON object")
    if len(read_payload(b"[" + line.text + b"]")) == 1:
        return line, None
    return line, _refused(line, "is nested too deep", Code.TOO_DEEP)


def _request(line: Line, raw: dict[str, Any]) -> Decoded:
    """A saved request: its query, and its body in base64; or a body that is JSON itself."""
    if "body_base64" not in raw:
        return decode(line.text, "")
    body, query = raw["body_base64"] or "", raw.get("query") or ""
    if not isinstance(body, str) or not isinstance(query, str):
        return _refused(line, "is a saved request whose body or query is no text")
    try:
        return decode(base64.b64decode(body, validate=True), query)
    except (binascii.Error, ValueError):
        return _refused(line, "is a saved request whose body is not base64")


def _refused(line: Line, problem: str, code: Code = Code.INVALID_JSON) -> Decoded:
    reason = f"Line {line.number} {problem}."
    fix = "Write one JSON record or one saved request a line, mend this one, and import it again."
    rejection = Rejection(code, f"line {line.number}", reason, fix)
    return Decoded((), gzip.compress(line.text, GZIP_LEVEL, mtime=0), rejection)
