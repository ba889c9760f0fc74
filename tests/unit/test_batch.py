"""The batch resolver's numbers: hashing, numbering and ordering of texts agree with Python's."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idweave.batch.ahead import ahead
from idweave.batch.hashing import Numbering, Secrets, hashed
from idweave.batch.mapping import columns_of, guessed, parse_map
from idweave.batch.ordering import by_text
from idweave.batch.rows import times_of
from idweave.core.errors import InputError
from idweave.core.policy_file import preset
from idweave.core.record import TIME_MAX_MS, time_ms_of

SENSORS = preset("sensors")
texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))


@given(texts, st.integers(0, 5))
def test_equal_texts_get_one_number_and_others_another(some: list[str], skipped: int) -> None:
    array = pa.array([*["left out"] * skipped, *some, *some], pa.string())[skipped:]
    numbers, fresh = Numbering().of(*hashed(array, Secrets(1)))
    pairs = set(zip(array.to_pylist(), numbers.tolist(), strict=True))
    assert len(pairs) == len(set(some)) == len(fresh)
    assert numbers[fresh].tolist() == list(range(len(fresh)))


@given(st.lists(texts, max_size=4))
def test_a_text_keeps_its_number_when_more_come(parts: list[list[str]]) -> None:
    numbering, known = Numbering(), dict[str, int]()
    for part in parts:
        numbers, _ = numbering.of(*hashed(pa.array(part, pa.string()), Secrets(2)))
        for text, number in zip(part, numbers.tolist(), strict=True):
            assert known.setdefault(text, number) == number


@given(texts)
def test_texts_are_ordered_by_code_point(some: list[str]) -> None:
    places = by_text(pa.array(some, pa.string())).tolist()
    assert sorted(places) == list(range(len(some)))
    assert [some[place] for place in places] == sorted(some)


@pytest.mark.parametrize(
    "number",
    [0, 1, 999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000, TIME_MAX_MS, -1],
)
def test_a_number_in_a_column_is_the_time_that_it_is_in_a_record(number: int) -> None:
    expected = time_ms_of(number)
    (found,) = times_of(pa.chunked_array([[number]])).tolist()
    assert found == (-1 if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-15 06:13:20.123456+08:00", 1_700_000_000_123),
        ("2023-11-14T22:13:20", 1_700_000_000_000),
        ("1700000000", 1_700_000_000_000),
        ("tomorrow", -1),
        ("", -1),
    ],
)
def test_a_time_in_text_is_digits_or_iso_8601(text: str, expected: int) -> None:
    assert times_of(pa.chunked_array([[text]])).tolist() == [expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("$identity_mobile", "$identity_mobile"),
        ("login_id", "$identity_login_id"),
        ("User ID", "$identity_login_id"),
        ("mp_wx1_openid", "$identity_mp_wx1_openid"),
        ("Timestamp", "time"),
        ("amount", None),
    ],
)
def test_a_column_is_guessed_from_its_name(name: str, expected: str | None) -> None:
    assert guessed(name, SENSORS) == expected


def test_what_people_say_goes_before_what_is_guessed() -> None:
    told = parse_map(["seen=time", "phone=-", "who=$identity_login_id"])
    columns = columns_of(["time", "seen", "phone", "who"], told, SENSORS, "a.csv")
    assert (columns.roles, columns.keys) == ({"time": "seen"}, {"who": "$identity_login_id"})


@pytest.mark.parametrize("word", ["phone", "=time", "phone="])
def test_a_mapping_that_maps_nothing_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="maps no column"):
        parse_map([word])


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_made_ahead_comes_in_order_and_so_does_what_goes_wrong(count: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise InputError("damaged", fix="Mend it.")

    made = ahead(items(), count)
    assert [next(made) for _ in range(5)] == list(range(5))
    with pytest.raises(InputError, match="damaged"):
        next(made)
