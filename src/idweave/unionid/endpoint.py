"""What a call is: rows that say where it goes, what it carries and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .errcodes import BY_CODE, UNKNOWN, ErrorRow


class Encoding(StrEnum):
    """How the parameters travel."""

    QUERY = "query"
    JSON = "json"
    FORM = "form"
    SIGNED = "signed form"


class Auth(StrEnum):
    """Which token a call carries, and where."""

    NONE = "none"
    QUERY = "access_token in the query"
    BEARER = "access token as bearer"
    COMPONENT = "component_access_token in the query"


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """How a platform's answers are read. Paths are dotted.

    ``ok`` holds the values of ``error_field`` that mean success (None: the field is absent);
    ``errors`` says what other values mean, WeChat's table being the default.
    """

    error_field: str = "errcode"
    ok: tuple[int | str | None, ...] = (0, None)
    message_field: str = "errmsg"
    inner: str = ""
    errors: Mapping[int | str, ErrorRow] = field(default_factory=lambda: BY_CODE)

    def errcode(self, answer: Mapping[str, Any]) -> int | str | None:
        """The error code of an answer, None for success. Numbers sent as text are numbers."""
        code = as_code(at_path(answer, self.error_field))
        return None if code in self.ok else (0 if code is None else code)

    def row(self, errcode: int | str) -> ErrorRow:
        """What a code means."""
        return self.errors.get(errcode, UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row: a call. ``params`` names each parameter and the value it carries: a name among the
    call's values, or a literal after ``=``. A parameter ending in ``?`` is left out when its value
    is not given. ``path`` is relative to the app's base URL, or a whole URL."""

    name: str
    path: str
    method: str = "GET"
    encoding: Encoding = Encoding.QUERY
    params: tuple[tuple[str, str], ...] = ()
    auth: Auth = Auth.QUERY
    quota: str = ""
    repeatable: bool = True
    """Whether it may be sent again when nobody knows if the first one arrived."""
    shape: AnswerShape = field(default_factory=AnswerShape)

    def fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with their values."""
        filled = {}
        for name, source in self.params:
            value = source[1:] if source.startswith("=") else values.get(source.rstrip("?"))
            if value is None and source.endswith("?"):
                continue
            if value is None:
                raise ValueError(f"{self.name} needs {source}")
            filled[name] = value
        return filled


def as_code(value: object) -> int | str | None:
    """An error code as sent: numbers also when they come as text, other text as it is."""
    if isinstance(value, bool) or value is None:
        return None if value is None else str(value).lower()
    if isinstance(value, int):
        return value
    text = str(value).strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else text


def at_path(answer: object, path: str) -> Any:
    """The value at a dotted path, None where it leads nowhere."""
    for name in path.split(".") if path else ():
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return answer
