"""Importing: whatever stands in a file, every line becomes something, and how it is cut and grouped
changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from hypothesis import example, given
from hypothesis import strategies as st

from idweave.batch.files.blocks import decoded_of
from idweave.batch.files.content import Content
from idweave.batch.files.lines import Line, Lines
from idweave.batch.files.slabs import Slabs
from idweave.core.policy_file import preset
from idweave.core.record import Project
from idweave.core.rejection import Rejection
from idweave.engine.engine import Engine
from idweave.stores import open_store
from idweave.wire import encode_data_list
from tests.command import T0, record

PROJECTS = {"default": Project("default", preset("sensors"))}

records = st.builds(
    lambda nth, key, value: json.dumps(record(nth, {key: value})).encode(),
    st.integers(0, 5),
    st.sampled_from(["mobile", "login_id", "nonsense"]),
    st.text(max_size=3).filter(lambda text: "\x00" not in text),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
requests = st.dictionaries(
    st.sampled_from(["body_base64", "query", "data", "data_list", "type", "method"]), values
)
lines = (
    records
    | st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"").strip())
    | values.map(lambda value: json.dumps(value).encode())
    | requests.map(lambda value: json.dumps(value).encode())
    | st.just(encode_data_list([record(9, {"mobile": "1"})]))
).filter(bool)


def items(block: Sequence[bytes]) -> Counter[str]:
    """What the lines of a block are, each as text."""
    numbered = [Line(text, number) for number, text in enumerate(block, 1)]
    found: Counter[str] = Counter()
    for decoded in decoded_of(numbered, "default"):
        if decoded.rejection is not None:
            found[decoded.rejection.code.value] += 1
        for one in decoded.records:
            found[one.code.value if isinstance(one, Rejection) else json.dumps(one)] += 1
    return found


@given(st.lists(lines, min_size=1, max_size=8))
@example([b'{"type":"track"}', b'{"a":1},{"b":2}', b"[]", b"{}"])
@example([b'{"a":' * 150 + b"1" + b"}" * 150])
@example([b"\x00", rb'{"query": null, "data": "\u0000"}'])
def test_a_line_means_the_same_alone_and_in_any_block(block: list[bytes]) -> None:
    alone = sum((items([line]) for line in block), Counter())
    assert items(block) == alone


@given(st.lists(lines, min_size=1, max_size=8))
def test_whatever_the_lines_are_they_are_counted_and_kept(block: list[bytes]) -> None:
    store = open_store("memory:")
    try:
        engine = Engine(store, PROJECTS, clock=lambda: T0)
        numbered = [Line(text, number) for number, text in enumerate(block, 1)]
        found = [one for one in decoded_of(numbered, "default") if not one.empty]
        receipts = engine.accept([engine.parse(one, T0, live=False) for one in found])
        for one in receipts:
            assert one.received == one.accepted + one.rejected + one.duplicates
        engine.rejections()
        assert list(engine.replay(open_store("memory:")).export("default")) == list(
            engine.export("default")
        )
    finally:
        store.close()


class Pieces(Content):
    """A content that comes in given pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self.flaw = None

    def pieces(self) -> Iterator[bytes]:
        yield from self._pieces


@given(st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\x00", b"\n"))))
def test_lines_and_their_place_do_not_depend_on_how_a_file_is_read(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = Lines(Pieces(pieces))
    offset = 0
    for number, text in enumerate(expected, 1):
        line = next(found)
        offset = min(offset + len(text) + 1, len(whole))
        shown = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
        assert line == Line(shown.strip(), number)
        assert found.offset == offset
        assert found.digest() == blake2b(whole[:offset], digest_size=16).hexdigest()
    assert next(found, None) is None


@given(
    st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\x00", b"\n"))),
    st.integers(1, 20),
)
@example([b"\xef\xbb\xbfa\n\n", b"bb"], 1)
def test_slabs_hold_the_lines_and_know_their_place_whatever_their_size(
    pieces: list[bytes], size: int
) -> None:
    lines = [line for line in Lines(Pieces(pieces)) if line.text]
    found, given = Slabs(Pieces(pieces), size), list[Line]()
    for slab in found:
        given += slab.lines()
        whole = b"".join(pieces)[: found.offset]
        assert found.digest() == blake2b(whole, digest_size=16).hexdigest()
        assert given == lines[: len(given)]
    assert given == lines
    assert found.offset == sum(map(len, pieces))


def test_slabs_keep_the_beginning_of_a_line_that_is_too_long() -> None:
    mib = b"x" * (1 << 20)
    pieces = [b"a\nb\ny", *[mib] * 17, b"z\nc\n", b"d", *[mib] * 17]
    lines = list(Lines(Pieces(pieces)))
    found = Slabs(Pieces(pieces))
    assert [line for slab in found for line in slab.lines()] == lines
    assert [line.is_whole for line in lines] == [True, True, False, True, False]
    assert found.offset == sum(map(len, pieces))
