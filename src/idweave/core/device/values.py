"""What the SDKs take for an id or a key, and how they say no (DEVICE.md §2.3, §3).

The rules differ by build, so they are rows (:class:`ValueRule`, :class:`KeyRule`) of the table in
``platforms``. Lengths count UTF-16 units and numbers become the text JavaScript would print: that
is what is on the wire of the devices already in the field.
"""

from __future__ import annotations

import math
import re
from enum import Enum, StrEnum, auto
from typing import Final, NamedTuple, TypeAlias, TypeGuard

DeviceId: TypeAlias = str | int | float
"""An id as a device holds it. Text, but ID-Mapping 2 builds keep a number that login was given."""

VALUE_UNITS_MAX: Final = 255
"""The longest id of every SDK, and of the collector."""

KEY_UNITS_MAX: Final = 100
"""The longest key of every SDK, and of the collector."""

SAFE_INTEGER_MAX: Final = 2**53 - 1
"""JavaScript's Number.MAX_SAFE_INTEGER: above it two ids can be the same number."""

INTEGER_TEXT_END: Final = 10**21
"""From here on JavaScript prints integers as ``1e+21``, which no SDK takes for digits."""


class Absent(Enum):
    """The one value that means: no argument was given. ``None`` is an argument."""

    VALUE = auto()


ABSENT: Final = Absent.VALUE


class RefusalCode(StrEnum):
    """Why a call did nothing; stable for machines."""

    BAD_TYPE = auto()
    BAD_KEY = auto()
    RESERVED_KEY = auto()
    BAD_NUMBER = auto()
    EMPTY = auto()
    BLANK = auto()
    TOO_LONG = auto()
    LOGIN_KEY = auto()
    SAME_LOGIN = auto()
    ANONYMOUS_ID = auto()
    LOGGED_IN = auto()


NEVER_RIGHT: Final = frozenset(
    {RefusalCode.BAD_TYPE, RefusalCode.BAD_KEY, RefusalCode.RESERVED_KEY}
)
"""Refusals that no other moment would make right: a strict tracker raises them."""

NO_CHANGE: Final = frozenset({RefusalCode.SAME_LOGIN, RefusalCode.ANONYMOUS_ID})
"""Refusals of a good call that would change nothing: SDKs do not report them."""


class Refusal(NamedTuple):
    """A call that did nothing: a stable code, the reason, and what to do instead."""

    code: RefusalCode
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.reason} {self.fix}".strip()


class Numbers(Enum):
    """What a build does with a number where an id is asked for."""

    REFUSED = auto()  # only text will do
    DIGITS = auto()  # its text must be digits only
    SAFE = auto()  # any finite one, integers up to SAFE_INTEGER_MAX
    FINITE = auto()  # any but NaN and the infinities
    ANY = auto()  # NaN too, as the text "NaN"


class ValueRule(NamedTuple):
    """What an id may be. ``units_max`` None: a longer one is only warned about."""

    numbers: Numbers
    units_max: int | None = VALUE_UNITS_MAX
    blank: bool = True


class KeyRule(NamedTuple):
    """What a key may be: no ``words`` whatever the case, nothing ``reserved`` as spelt.

    ``long_unchecked``: the build lets any key over 100 units pass with a warning.
    ``numbers``: a number stands for its text.
    """

    words: frozenset[str]
    reserved: frozenset[str]
    long_unchecked: bool = False
    numbers: bool = False


WORDS: Final = frozenset(
    [
        "distinct_id",
        "original_id",
        "time",
        "properties",
        "id",
        "first_id",
        "second_id",
        "users",
        "events",
        "event",
        "user_id",
        "date",
        "datetime",
    ]
)
RESERVED_PREFIXES: Final = ("user_group", "user_tag")

_NAME = re.compile(r"[a-zA-Z_$][a-zA-Z0-9_$]{0,99}\Z")  # \Z: `$` would let "key\n" through


def units(text: str) -> int:
    """The length in UTF-16 units, as JavaScript counts."""
    return len(text) + sum(1 for char in text if char > "\uffff")


def is_number(value: object) -> TypeGuard[float]:
    """True for a number that is no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: float) -> bool:
    """True for a number that JavaScript can hold: not NaN, and not beyond its range."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def number_text(value: float) -> str:
    """A number as JavaScript prints it: ``1.5``, ``1e-7``, ``1e+21``, ``NaN``; 1.0 is ``1``.

    A Python integer keeps every digit up to 10^21, where JavaScript's would long be rounded.
    """
    if isinstance(value, int) and abs(value) < INTEGER_TEXT_END:
        return str(value)
    if is_finite(value):
        return _shortest(float(value))
    return "NaN" if value != value else f"{'-' * (value < 0)}Infinity"


def _shortest(number: float) -> str:
    digits, exponent = _digits(abs(number))
    sign = "-" if number < 0 else ""
    point = len(digits) + exponent  # the place of the decimal point, from the left
    if not digits:
        return "0"
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def _digits(number: float) -> tuple[str, int]:
    """The shortest digits that mean this number, and the power of ten of the last one."""
    mantissa, _, power = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    return kept, int(power or 0) - len(fraction) + len(digits) - len(kept)


# -- ids -------------------------------------------------------------------------------------------


def check_value(value: object, rule: ValueRule) -> str | Refusal:
    """The id as text, or why it is none."""
    if is_number(value):
        text = _number(value, rule.numbers)
        if isinstance(text, Refusal):
            return text
    elif isinstance(value, str):
        text = value
    else:
        return wrong_type(value)
    if not text:
        return _EMPTY
    if not rule.blank and not text.strip():
        return _BLANK
    if rule.units_max is not None and units(text) > rule.units_max:
        return _TOO_LONG
    return text


def _number(value: float, numbers: Numbers) -> str | Refusal:
    text = number_text(value)
    match numbers:
        case Numbers.REFUSED:
            return wrong_type(value)
        case Numbers.DIGITS:
            good = text.isdigit()
        case Numbers.SAFE:
            whole = is_finite(value) and float(value).is_integer()
            good = is_finite(value) and not (whole and abs(value) > SAFE_INTEGER_MAX)
        case Numbers.FINITE:
            good = is_finite(value)
        case Numbers.ANY:
            good = True
    return text if good else _BAD_NUMBER


def wrong_type(value: object) -> Refusal:
    """The refusal of something that is neither text nor a number."""
    kind = "nothing" if value is None or value is ABSENT else f"a {type(value).__name__}"
    return Refusal(
        RefusalCode.BAD_TYPE, f"An id is text, and this is {kind}.", "Pass the id as a str."
    )


_EMPTY = Refusal(RefusalCode.EMPTY, "The id is empty.", "Call this once the id is known.")
_BLANK = Refusal(RefusalCode.BLANK, "The id is blank.", "Call this once the id is known.")
_TOO_LONG = Refusal(
    RefusalCode.TOO_LONG,
    f"The id is longer than {VALUE_UNITS_MAX} UTF-16 units.",
    "Send a shorter id, for instance a digest of this one.",
)
_BAD_NUMBER = Refusal(
    RefusalCode.BAD_NUMBER, "This number is no id on this platform.", "Pass the id as a str."
)

# -- keys ------------------------------------------------------------------------------------------


def check_key(key: object, rule: KeyRule) -> str | Refusal:
    """The key as text, or why it is none."""
    if rule.numbers and is_number(key):
        key = number_text(key)
    if not isinstance(key, str):
        return Refusal(
            RefusalCode.BAD_TYPE,
            f"A key is text, and this is a {type(key).__name__}.",
            "Pass a key such as $identity_mobile.",
        )
    if rule.long_unchecked and units(key) > KEY_UNITS_MAX:
        return key
    if not is_name(key, rule.words):
        return Refusal(
            RefusalCode.BAD_KEY,
            f"{key[:KEY_UNITS_MAX]!r} cannot be a key.",
            f"A key has up to {KEY_UNITS_MAX} letters, digits, _ and $, does not begin with a "
            "digit, and is no word of the protocol such as user_id.",
        )
    if key in rule.reserved:
        return Refusal(
            RefusalCode.RESERVED_KEY,
            f"{key} is kept by the SDK itself.",
            "Use a key of your own, or the call that is meant for this one.",
        )
    return key


def is_name(text: str, words: frozenset[str] = WORDS) -> bool:
    """True for a name of a key, event or property: the pattern, and no word of the protocol."""
    low = text.lower()
    return (
        _NAME.match(text) is not None and low not in words and not low.startswith(RESERVED_PREFIXES)
    )
