"""Files that people wrote, read within bounds."""

from __future__ import annotations

from pathlib import Path

from idweave.core.errors import FileMistake

FILE_BYTES_MAX = 1024 * 1024
"""A settings or policy file. People write these by hand; more is another file by mistake."""


def read_text(path: Path, mistake: type[FileMistake]) -> str:
    """The text of a file that a person wrote; raises ``mistake`` with the reason and a fix."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise mistake("It is larger than 1 MiB.", file=str(path), fix="Name another file.")
        return content.decode("utf-8-sig")
    except OSError as error:
        problem = f"It cannot be read: {error.strerror}."
        fix = "Name a file that exists and can be read."
        raise mistake(problem, file=str(path), fix=fix) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        fix = "Save it as UTF-8."
        raise mistake("It is not UTF-8 text.", file=str(path), line=line, fix=fix) from None
