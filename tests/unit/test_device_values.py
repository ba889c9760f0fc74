"""What is an id and what is a key, build by build."""

from __future__ import annotations

import math

import pytest

from idweave.core.device.platforms import PLATFORMS
from idweave.core.device.values import (
    ABSENT,
    Refusal,
    RefusalCode,
    check_key,
    check_value,
    number_text,
    units,
)

WECHAT, WEB, JD = (PLATFORMS[name].rules for name in ("wechat", "web", "jd"))
LOOSE = PLATFORMS["wechat-mini-extrem"].rules


def said(result: str | Refusal) -> str | RefusalCode:
    return result.code if isinstance(result, Refusal) else result


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (123.456, "123.456"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (10**21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456789012345680000.0, "123456789012345680000"),
        (2**53 + 1, "9007199254740993"),  # a Python integer keeps every digit
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (10**400, "Infinity"),
    ],
)
def test_a_number_becomes_the_text_javascript_prints(number: float, text: str) -> None:
    assert number_text(number) == text


def test_lengths_count_utf16_units() -> None:
    assert units("a中😀") == 4


@pytest.mark.parametrize(
    ("value", "wechat", "web"),
    [
        ("A", "A", "A"),
        (" A ", " A ", " A "),
        (" ", " ", RefusalCode.BLANK),
        ("", RefusalCode.EMPTY, RefusalCode.EMPTY),
        (0, "0", "0"),
        (-1, RefusalCode.BAD_NUMBER, "-1"),
        (1.5, RefusalCode.BAD_NUMBER, "1.5"),
        (10**21, RefusalCode.BAD_NUMBER, "1e+21"),
        (math.nan, RefusalCode.BAD_NUMBER, "NaN"),
        (10**400, RefusalCode.BAD_NUMBER, "Infinity"),
        (None, RefusalCode.BAD_TYPE, RefusalCode.BAD_TYPE),
        (ABSENT, RefusalCode.BAD_TYPE, RefusalCode.BAD_TYPE),
        (True, RefusalCode.BAD_TYPE, RefusalCode.BAD_TYPE),
        (["A"], RefusalCode.BAD_TYPE, RefusalCode.BAD_TYPE),
        (b"A", RefusalCode.BAD_TYPE, RefusalCode.BAD_TYPE),
        ("a" * 255, "a" * 255, "a" * 255),
        ("a" * 256, RefusalCode.TOO_LONG, "a" * 256),
        ("😀" * 128, RefusalCode.TOO_LONG, "😀" * 128),
    ],
)
def test_the_id_of_a_login_is_what_its_build_takes(
    value: object, wechat: str | RefusalCode, web: str | RefusalCode
) -> None:
    assert said(check_value(value, WECHAT.identity)) == wechat
    assert said(check_value(value, WEB.identity)) == web


@pytest.mark.parametrize(
    ("value", "wechat", "web"),
    [
        (-1, "-1", RefusalCode.BAD_TYPE),
        (1e-7, "1e-7", RefusalCode.BAD_TYPE),
        (2**53 - 1, "9007199254740991", RefusalCode.BAD_TYPE),
        (2**53, RefusalCode.BAD_NUMBER, RefusalCode.BAD_TYPE),
        (-(2**53), RefusalCode.BAD_NUMBER, RefusalCode.BAD_TYPE),
        (math.inf, RefusalCode.BAD_NUMBER, RefusalCode.BAD_TYPE),
        (-(10**400), RefusalCode.BAD_NUMBER, RefusalCode.BAD_TYPE),
    ],
)
def test_a_bound_number_is_text_on_mini_programs_and_nothing_on_the_web(
    value: object, wechat: str | RefusalCode, web: str | RefusalCode
) -> None:
    assert said(check_value(value, WECHAT.bound)) == wechat
    assert said(check_value(value, WEB.bound)) == web


def test_the_smallest_builds_take_any_text_and_number() -> None:
    values = ("a" * 300, " ", -1, 1.5)
    assert [said(check_value(v, LOOSE.identity)) for v in values] == ["a" * 300, " ", "-1", "1.5"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("$identity_mobile", None),
        ("_x1", None),
        ("users1", None),
        ("k" * 100, None),
        ("$Identity_Login_Id", None),
        ("", RefusalCode.BAD_KEY),
        ("1a", RefusalCode.BAD_KEY),
        ("a b", RefusalCode.BAD_KEY),
        ("a-b", RefusalCode.BAD_KEY),
        ("中文", RefusalCode.BAD_KEY),
        ("ключ", RefusalCode.BAD_KEY),
        ("a٣", RefusalCode.BAD_KEY),  # a digit, but not one of ASCII's
        ("mobile\n", RefusalCode.BAD_KEY),
        ("User_Id", RefusalCode.BAD_KEY),
        ("DEVICE_ID", RefusalCode.BAD_KEY),
        ("user_tag_x", RefusalCode.BAD_KEY),
        ("USER_GROUP", RefusalCode.BAD_KEY),
        ("k" * 101, RefusalCode.BAD_KEY),
        ("$identity_login_id", RefusalCode.RESERVED_KEY),
        ("$mp_id", RefusalCode.RESERVED_KEY),
        (5, RefusalCode.BAD_TYPE),
        (None, RefusalCode.BAD_TYPE),
    ],
)
def test_a_key_to_bind_on_wechat(key: object, code: RefusalCode | None) -> None:
    expected = key if code is None else code
    assert said(check_key(key, WECHAT.bind_key)) == expected


@pytest.mark.parametrize("key", ["-" * 101, "k" * 101, "中" * 101])
def test_login_lets_any_key_over_100_units_pass(key: str) -> None:
    assert check_key(key, WECHAT.login_key) == key
    assert check_key(key, WEB.bind_key) == key


def test_the_web_lets_device_id_be_a_key() -> None:
    assert check_key("device_id", WEB.bind_key) == "device_id"


def test_a_number_is_a_key_of_the_web_by_its_text() -> None:
    assert said(check_key(5, WEB.login_key)) == RefusalCode.BAD_KEY
    assert check_key(math.nan, WEB.login_key) == "NaN"


def test_each_refusal_says_why_and_what_to_do() -> None:
    values: list[object] = ["", " ", "a" * 256, None, -1, []]
    rules = (WECHAT.identity, WEB.identity)
    refusals = [check_value(value, rule) for value in values for rule in rules]
    refusals += [check_key(key, WECHAT.bind_key) for key in (None, "1", "$mp_id")]
    for refusal in refusals:
        if isinstance(refusal, Refusal):
            assert refusal.reason.endswith(".")
            assert refusal.fix
