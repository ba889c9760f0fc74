"""Policy files: what they mean, and every mistake named by line, field and fix."""

from __future__ import annotations

import pytest

from idweave.core.errors import PolicyError
from idweave.core.policy import Merge, WhenTaken
from idweave.core.policy_file import PRESETS, parse_policy, policy_from, preset

GOOD = """
name = "shop"  # a comment
extends = "sensors"
merge = "explicit"
apart = [
  [["a", "1"], ["b", "1"]],
]

[[keys]]
key = "card"
rank = 5

[[ keys ]]  # [[keys]] with blanks is one too
'key' = "$identity_mobile"
when_taken = "move"
"""

MISTAKES = [
    ('[[keys]]\nkey = "a"\n\n[[keys]]\nkey = "b"\nrank = -1', 6, "rank", "0 or more"),
    ('[[keys]]\nkey = "a"\nvalues_max = 0', 3, "values_max", "1 or more"),
    ('[[keys]]\nkey = "a"\nvalues_max = true', 3, "values_max", "1 or more"),
    ('[[keys]]\nkey = "a"\nwhen_full = "rejct"', 3, "when_full", "Did you mean reject"),
    ('[[keys]]\nkey = "a"\nvalues_max = 2\nimplied_max = 3', 4, "implied_max", "lower this"),
    ('[[keys]]\nkey = "a"\nenabled = "yes"', 3, "enabled", "true or false"),
    ('[[keys]]\nkey = "a"\nblocked = ["0", 1]', 3, "blocked", '"null"'),
    ('[[keys]]\nkey = "1a"', 2, "key", "not a digit first"),
    ("[[keys]]\nrank = 1", 1, "key", 'Add `key = "…"`'),
    ('[[keys]]\nkey = "a"\nparent = "b"', 3, "parent", "Declare it"),
    (
        '[[keys]]\nkey = "a"\nparent = "b"\n[[keys]]\nkey = "b"\nparent = "a"',
        3,
        "parent",
        "ancestor",
    ),
    ('[[keys]]\nkey = "a"\n[[keys]]\nkey = "a"', 4, "key", "Keep one"),
    ('merge = "all"', 1, "merge", "any, explicit, never"),
    ('\nextend = "sensors"', 2, "extend", "Did you mean extends"),
    ('name = "a"\nextends = "sensor"', 2, "extends", "Did you mean sensors"),
    ("name = 3", 1, "name", "quotes"),
    ('keys = ["a"]', 1, "keys", "[[keys]]"),
    ('apart = [["a", "b"]]', 1, "apart", '[["key", "value"], ["key", "value"]]'),
    ("merge = ", 1, "", "policy show sensors"),
]


@pytest.mark.parametrize(("text", "line", "field", "fix"), MISTAKES)
def test_a_mistake_names_file_line_field_and_fix(
    text: str, line: int, field: str, fix: str
) -> None:
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, file="p.toml")
    error = raised.value
    assert (error.file, error.line, error.field) == ("p.toml", line, field)
    assert fix in error.fix
    assert str(error).startswith(f"p.toml:{line}: {field}")


def test_a_file_that_extends_a_preset_adds_keys_and_replaces_those_it_names() -> None:
    found = parse_policy(GOOD)
    assert (found.name, found.merge) == ("shop", Merge.EXPLICIT)
    assert len(found.keys) == len(preset("sensors").keys) + 1
    mobile, card = found.rule("$identity_mobile"), found.rule("card")
    assert mobile is not None
    assert card is not None
    assert (mobile.when_taken, card.rank) == (WhenTaken.MOVE, 5)


def test_a_list_over_several_lines_is_no_header_of_a_table() -> None:
    with pytest.raises(PolicyError) as raised:
        parse_policy(GOOD.replace("rank = 5", "rank = -5"))
    assert (raised.value.field, raised.value.line) == ("rank", 11)


def test_a_preset_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(PolicyError, match="Did you mean sensors") as raised:
        preset("sensor")
    assert raised.value.code == "POLICY_INVALID"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_sound_file_of_its_own_name(name: str) -> None:
    assert preset(name).name == name


def test_plain_data_is_checked_as_a_file_is() -> None:
    with pytest.raises(PolicyError, match="policy: rnk: There is no such field"):
        policy_from({"keys": [{"key": "a", "rnk": 1}]})
