"""Text as the released SDKs treat it: hashed, measured, cut, accepted (VISITOR.md §0, §3, §5)."""

from __future__ import annotations

from decimal import Decimal
from hashlib import md5
from uuid import UUID

ID_UNITS_MAX = 1000
"""UTF-16 units of a visitor id, login id or user key; the bound of every released SDK."""

CUSTOM_ID_UNITS_MAX = 64
"""UTF-16 units of an id that an app gives to the iOS 2.x SDK."""

NUMBER_PLAIN_MAX = 1e21
NUMBER_PLAIN_MIN = 1e-6
"""Outside of these JavaScript writes a number with an exponent."""

JS_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What ``String.prototype.trim`` takes away; Python's ``strip`` takes others."""

NAMELESS = frozenset({"-", "null", "undefined"})
"""What broken pages pass as an OpenID; the mini-program SDKs refuse these three words."""


def name_uuid(text: str) -> str:
    """The visitor id of a hardware id: Java's ``UUID.nameUUIDFromBytes`` of its UTF-8 bytes.

    MD5 with version 3 and no namespace, so not ``uuid.uuid3``. Half a surrogate pair counts as
    ``?``, as in Java. Lower case.
    """
    digest = md5(text.encode("utf-8", "replace"), usedforsecurity=False).digest()
    return str(UUID(bytes=digest, version=3))


def units(text: str) -> int:
    """How many UTF-16 units the text has: what Java, Objective-C and JavaScript call its length."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, units_max: int = ID_UNITS_MAX) -> str:
    """The first ``units_max`` UTF-16 units. The cut may go through a pair and leave its half."""
    if units(text) <= units_max:
        return text
    encoded = text.encode("utf-16-le", "surrogatepass")[: 2 * units_max]
    return encoded.decode("utf-16-le", "surrogatepass")


def is_valid_u(text: str) -> bool:
    """The accept test of Apple's SDKs: some part between dashes is more than zeros."""
    return any(part.strip("0") for part in text.split("-"))


def is_idfa(text: str) -> bool:
    """An advertising id as the SDK believes it: whatever starts with eight zeros is none."""
    return is_valid_u(text) and not text.startswith("00000000")


def is_short_u(text: str) -> bool:
    """An id that an app may give to iOS 2.x."""
    return units(text) <= CUSTOM_ID_UNITS_MAX and is_valid_u(text)


def is_present(text: str) -> bool:
    """The accept test of everybody else: not empty."""
    return text != ""


def is_identity(value: object) -> bool:
    """What ``identify`` accepts on the web: text that is not empty, or a number above zero."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return value > 0
    return isinstance(value, str) and value != ""


def is_mini_identity(value: object) -> bool:
    """What ``identify`` and ``setUserId`` accept in mini programs: the web's, less three words."""
    return is_identity(value) and value not in NAMELESS


def is_web_login(value: object) -> bool:
    """What ``setUserId`` accepts on the web: whatever does not read as blank, so also zero."""
    return is_identity(js_text(value).strip(JS_BLANKS))


def js_text(value: object) -> str:
    """A value as JavaScript puts it into text; what is neither text, number nor boolean is empty.

    Collectors use it too, as the web SDK sends a visitor id of ``true`` as a JSON boolean.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return js_number(value) if isinstance(value, int | float) else ""


def js_number(value: float) -> str:
    """The shortest decimal form of a double, written as JavaScript writes it."""
    try:
        number = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if number != number or number in (float("inf"), float("-inf")):
        return repr(number).replace("inf", "Infinity").replace("nan", "NaN")
    if number == 0:
        return "0"
    if NUMBER_PLAIN_MIN <= abs(number) < NUMBER_PLAIN_MAX:
        plain = format(Decimal(repr(number)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    digits, _, exponent = repr(number).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
