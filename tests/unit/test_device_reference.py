"""What the documentation shows of devices is what the tables and trackers say and do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from idweave.core.device import PLATFORMS, platforms_with
from idweave.core.device.platforms import SDK_ONLY
from idweave.core.device.reference import platform_rows, render_reference
from idweave.core.device.values import RefusalCode
from idweave.core.errors import InputError, UnsupportedCall
from idweave.sdk import CallConsumer, ServerTracker, Tracker
from idweave.sdk.words import FORMS, play

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "platforms.md"
REWRITE = (
    'python -c "import pathlib, idweave.core.device.reference as r; '
    "pathlib.Path('docs/reference/platforms.md').write_text(r.render_reference(), 'utf-8')\""
)
TUTORIAL = (DOCS / "tutorial" / "track-a-visitor.md").read_text("utf-8")
HOW_TO = (DOCS / "how-to" / "coming-from-sensors-sdk.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)


def test_the_reference_page_is_current() -> None:
    current = PAGE.read_text("utf-8") == render_reference()
    assert current, f"{PAGE.name} is not what the tables say: run {REWRITE}"


def test_the_page_names_every_platform_call_and_refusal() -> None:
    page = render_reference()
    names = [*PLATFORMS, *RefusalCode, *set().union(*(r.calls for r in PLATFORMS.values()))]
    assert [name for name in names if f"`{name}`" not in page and name not in SDK_ONLY] == []


def test_every_call_of_the_table_is_a_method_and_every_method_that_asks_is_in_it() -> None:
    tracker_calls = {c for r in PLATFORMS.values() if r.name != "python" for c in r.calls}
    assert [c for c in sorted(tracker_calls - SDK_ONLY) if not hasattr(Tracker, c)] == []
    assert [c for c in sorted(PLATFORMS["python"].calls) if not hasattr(ServerTracker, c)] == []


@pytest.mark.parametrize("call", sorted(FORMS))
def test_a_platform_refuses_exactly_the_calls_its_row_lacks(call: str) -> None:
    form = FORMS[call]
    names = (*form.required, *form.optional)
    words = [call, *("$identity_mobile" if name == "key" else "x" for name in names)]
    for row in PLATFORMS.values():
        if row.name == "python":
            continue
        tracker = Tracker(row.name, CallConsumer(lambda record: None))
        if call in row.calls:
            play(tracker, words)
            continue
        with pytest.raises(UnsupportedCall) as caught:
            play(tracker, words)
        assert set(caught.value.platforms) == set(platforms_with(call)) - {"python"}


def test_rows_are_text_for_a_screen_or_json() -> None:
    rows = platform_rows()
    assert [row["platform"] for row in rows] == list(PLATFORMS)
    assert all(isinstance(cell, str) for row in rows for cell in row.values())


# -- words -----------------------------------------------------------------------------------------


def test_words_make_a_call_with_typed_properties() -> None:
    sent: list[Any] = []
    tracker = Tracker("web", CallConsumer(sent.append))
    words = ["track", "Buy", "price=3.5", "vip=true", 'tags=["a","b"]', "name=a=b", "empty="]
    play(tracker, words)
    props = {k: v for k, v in sent[-1]["properties"].items() if not k.startswith("$")}
    assert props == {"price": 3.5, "vip": True, "tags": ["a", "b"], "name": "a=b", "empty": ""}
    assert play(tracker, ["bind", "$identity_mobile", "138"]) is True
    assert play(tracker, ["get-identities"])["$identity_mobile"] == "138"
    assert play(tracker, ["identify"]) is True


@pytest.mark.parametrize(
    "words",
    [[], ["dance"], ["login"], ["bind", "k"], ["login", "A", "B"], ["track", "Buy", "x"]],
)
def test_words_that_make_no_call_are_told_what_does(words: list[str]) -> None:
    tracker = Tracker("web", CallConsumer(lambda record: None))
    with pytest.raises(InputError) as caught:
        play(tracker, words)
    assert caught.value.fix


# -- pages -----------------------------------------------------------------------------------------


def test_the_tutorials_events_are_what_its_calls_send() -> None:
    """Every call of the page is made in turn; the fields shown after it are in what it sent."""
    sent: list[dict[str, Any]] = []
    scope: dict[str, Any] = {"consumer": CallConsumer(lambda record: sent.append(dict(record)))}
    shown = 0
    for kind, code in re.findall(r"```(python|json)\n(.*?)```", TUTORIAL, re.DOTALL):
        if kind == "python":
            sent.clear()
            exec(compile(code, "track-a-visitor.md", "exec"), scope)
            continue
        assert sent, f"nothing was sent before: {code}"
        expected = json.loads(code)
        assert {name: sent[-1].get(name) for name in expected} == expected
        shown += 1
    assert shown >= 10


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_the_how_to_runs_as_printed(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "coming-from-sensors-sdk.md", "exec"), {})


def test_the_how_to_has_code() -> None:
    assert len(BLOCKS) >= 4
