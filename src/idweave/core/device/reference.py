"""The reference page of platforms, drawn from the tables (docs/reference/platforms.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from .platforms import PLATFORMS, SDK_ONLY, Form, Platform, Rules, platforms_with
from .values import (
    KEY_UNITS_MAX,
    NEVER_RIGHT,
    NO_CHANGE,
    VALUE_UNITS_MAX,
    KeyRule,
    Numbers,
    RefusalCode,
    ValueRule,
)

HEAD = f"""\
# Platforms

Each platform is a released Sensors SDK whose identity behaviour a tracker follows. This page is
drawn from the tables in `idweave.core.device`; the how-to
[Coming from a Sensors SDK](../how-to/coming-from-sensors-sdk.md) says how to hand an app over, and
[decision 0010](../decisions/0010-device-deviations.md) where we differ on purpose.

Ids are at most {VALUE_UNITS_MAX} and keys at most {KEY_UNITS_MAX} UTF-16 units. A key has letters,
digits, `_` and `$`, and does not begin with a digit.
"""

Cells: TypeAlias = Callable[[Rules], tuple[str, ...]]

DEVICES = tuple(row for row in PLATFORMS.values() if row.form is not Form.NONE)


def platform_rows() -> list[dict[str, str]]:
    """The table of platforms, a dict per row, all text: for a screen, or as JSON."""
    return [
        {
            "platform": row.name,
            "for": row.title,
            "sdk": f"{row.sdk} {row.version}",
            "$lib": row.lib,
            "id_mapping": str(row.id_mapping),
            "device_key": row.device_key or "",
            "storage_key": row.storage_key,
            "stored_as": row.form.value,
        }
        for row in PLATFORMS.values()
    ]


def render_reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, _platforms(), _calls(), _values(), _keys(), _behaviour(), _refusals()])


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}", "", _line(head), _line("---" for _ in head)]
    return "\n".join([*lines, *(_line(row) for row in rows)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"


def _platforms() -> str:
    rows = [
        (
            _code(row["platform"]),
            row["for"],
            row["sdk"],
            _code(row["$lib"]),
            row["id_mapping"],
            _code(row["device_key"]),
            _code(row["storage_key"]),
            row["stored_as"],
        )
        for row in platform_rows()
    ]
    head = ("platform", "for", "released SDK", "`$lib`", "ID-Mapping", "device key")
    return _table("Platforms", (*head, "storage key", "stored as"), rows)


def _calls() -> str:
    names = sorted(set().union(*(row.calls for row in PLATFORMS.values())) - SDK_ONLY)
    rows = [(_code(name), _having(name)) for name in names]
    return _table("Calls", ("call", "platforms"), rows)


def _having(call: str) -> str:
    held = [row.name for row in DEVICES if call in row.calls]
    lacking = [row.name for row in DEVICES if call not in row.calls]
    if not lacking:
        text = "every device"
    elif [row.name for row in DEVICES if row.id_mapping == 3] == held:
        text = "every device of ID-Mapping 3"
    else:
        text = ", ".join(map(_code, held))
    server = "`python`" if "python" in platforms_with(call) else ""
    return ", ".join(part for part in (text, server) if part)


# -- rules -----------------------------------------------------------------------------------------


def _grouped(cells: Cells, rows: Iterable[Platform]) -> list[list[str]]:
    """A row per set of cells, with the platforms that share it, in the order of the table."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        groups.setdefault(cells(row.rules), []).append(_code(row.name))
    return [[", ".join(names), *said] for said, names in groups.items()]


_NUMBERS = {
    Numbers.REFUSED: "refused",
    Numbers.DIGITS: "whole, not negative",
    Numbers.SAFE: "finite, whole ones up to 2^53-1",
    Numbers.FINITE: "finite",
    Numbers.ANY: "any, also NaN",
}


def _rule(rule: ValueRule) -> str:
    parts = [f"numbers: {_NUMBERS[rule.numbers]}"]
    parts += ["blank: refused"] if not rule.blank else []
    parts += ["longer: taken"] if rule.units_max is None else []
    return "; ".join(parts)


def _values() -> str:
    def cells(rules: Rules) -> tuple[str, ...]:
        return _rule(rules.identity), _rule(rules.reset), _rule(rules.bound)

    head = ("platforms", "identify, login, openid, unionid", "reset_anonymous_identity")
    note = "Under ID-Mapping 2, login takes any text and any finite number, which stays a number.\n"
    rows = _grouped(cells, DEVICES)
    table = _table("Ids, and what becomes of numbers", (*head, "bind, unbind"), rows)
    return f"{table}\n{note}"


def _reserved(rule: KeyRule) -> str:
    names = ", ".join(map(_code, sorted(rule.reserved)))
    return names + (f"; over {KEY_UNITS_MAX} units unchecked" if rule.long_unchecked else "")


def _keys() -> str:
    def cells(rules: Rules) -> tuple[str, ...]:
        return tuple(map(_reserved, (rules.login_key, rules.bind_key, rules.unbind_key)))

    words = ", ".join(map(_code, sorted(DEVICES[0].rules.bind_key.words)))
    head = ("platforms", "login_with_key", "bind, besides the key of the login", "unbind")
    note = (
        f"No key, whatever the case: {words}, nor what begins with `user_group` or `user_tag`. "
        "The web takes `device_id`.\n"
    )
    rows = _grouped(cells, (row for row in DEVICES if row.id_mapping == 3))
    return _table("Keys that are refused", head, rows) + "\n" + note


def _behaviour() -> str:
    yes = {True: "yes", False: "no"}

    def cells(rules: Rules) -> tuple[str, ...]:
        return (
            "for good" if rules.identify_persists else "until the next start",
            yes[rules.logout_renews],
            "at the first page view" if rules.cookie else "at the first start",
            "each later than the last" if rules.rising_time else "as the clock says, in order",
        )

    head = ("platforms", "identify lasts", "logout(renew=True) gives a new anonymous id")
    columns = (*head, "`$first_visit_time` is sent", "times")
    return _table("Behaviour", columns, _grouped(cells, DEVICES))


_REASONS = {
    RefusalCode.BAD_TYPE: "an id or key that is neither text nor a number",
    RefusalCode.BAD_KEY: "no name of a key",
    RefusalCode.RESERVED_KEY: "a key that the SDK keeps for itself",
    RefusalCode.BAD_NUMBER: "a number that is no id on this platform",
    RefusalCode.EMPTY: "an empty id",
    RefusalCode.BLANK: "an id of blanks",
    RefusalCode.TOO_LONG: "an id that is too long",
    RefusalCode.LOGIN_KEY: "bind of the key that somebody is logged in by",
    RefusalCode.SAME_LOGIN: "login of who is logged in already",
    RefusalCode.ANONYMOUS_ID: "login with the anonymous id",
    RefusalCode.LOGGED_IN: "reset_anonymous_identity while somebody is logged in",
}


def _refusals() -> str:
    rows = [(_code(code), reason, _told(code)) for code, reason in _REASONS.items()]
    return _table("Refusals", ("code", "when", "how a strict tracker tells"), rows)


def _told(code: RefusalCode) -> str:
    if code in NEVER_RIGHT:
        return "raises `WrongType`" if code is RefusalCode.BAD_TYPE else "raises `InputError`"
    return "returns False; debug log" if code in NO_CHANGE else "returns False; warning"
