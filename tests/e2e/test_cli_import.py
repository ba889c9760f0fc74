"""Files come in: every form of line, every compression, damage, repeats, and a stop in between."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from idweave.batch.files.lines import HEAD_BYTES, LINE_BYTES_MAX
from idweave.wire import encode_data_list
from tests.command import Ran, idweave, record
from tests.golden.vectors import HERE

COUNTS = ("received", "accepted", "rejected", "duplicates")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the store is made in its folder data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(count: int, start: int = 0) -> list[bytes]:
    """Lines of records, one user for ten of them."""
    return [
        json.dumps(record(nth, {"mp_id": f"device-{nth // 10}"})).encode()
        for nth in range(start, start + count)
    ]


def write(name: str, lines: list[bytes]) -> bytes:
    content = b"".join(line + b"\n" for line in lines)
    Path(name).write_bytes(content)
    return content


def imported(*words: str) -> Ran:
    return idweave("import", *words, "--json")


def counts(ran: Ran) -> tuple[int, ...]:
    total = ran.json["total"]
    assert total["received"] == total["accepted"] + total["rejected"] + total["duplicates"]
    return tuple(total[name] for name in COUNTS)


# -- forms -----------------------------------------------------------------------------------------


def test_records_one_a_line_come_in_and_can_be_asked_for() -> None:
    write("a.jsonl", rows(1000))
    ran = imported("a.jsonl")
    assert (ran.code, counts(ran)) == (0, (1000, 1000, 0, 0))
    found = idweave("lookup", "mp_id", "device-7", "--json").json
    assert found["user"]["canonical_id"] == found["canonical_id"]


def test_a_repeated_import_finds_only_duplicates() -> None:
    write("a.jsonl", rows(1000))
    imported("a.jsonl")
    ran = imported("a.jsonl")
    assert (ran.code, counts(ran)) == (0, (1000, 0, 0, 1000))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "two.gz", "two.zst", "odd.txt"])
def test_compression_is_told_by_the_bytes_and_files_may_hold_several_streams(name: str) -> None:
    parts = [b"".join(line + b"\n" for line in rows(300, start)) for start in (0, 300)]
    pack = zstandard.compress if name.endswith("zst") else gzip.compress
    whole = pack(b"".join(parts))
    two = b"".join(map(pack, parts)) + (b"\0" * 100 if name == "two.gz" else b"")
    Path(name).write_bytes(two if name.startswith("two") else whole)
    assert counts(imported(name)) == (600, 600, 0, 0)


def test_standard_input_and_pipes_are_files_too() -> None:
    content = write("a.jsonl", rows(50))
    words = [sys.executable, "-m", "idweave", "import", "-", "--json"]
    ran = subprocess.run(words, input=gzip.compress(content), capture_output=True, check=False)
    assert json.loads(ran.stdout)["total"]["accepted"] == 50


def test_recorded_requests_of_sdks_come_in_as_over_http() -> None:
    ran = imported(str(HERE / "raw_requests.jsonl"))
    total = ran.json["total"]
    assert ran.code == 5
    assert total["rejected_by_code"]["UNSUPPORTED_ENCRYPTION"] == 8
    assert total["accepted"] > 80
    assert ran.json["files"][0]["lines"] == 81


SAME = [record(1, {"mp_id": "a"}), record(2, {"mp_id": "a"})]
BODY = encode_data_list(SAME)
FORMS: dict[str, list[Any]] = {
    "records": SAME,
    "a list of them": [SAME],
    "a saved request": [{"body_base64": base64.b64encode(BODY).decode(), "query": ""}],
    "a saved query": [{"body_base64": None, "query": BODY.decode()}],
    "a form body": [BODY],
    "a JSON body": [{"data_list": BODY.decode().partition("data_list=")[2]}],
    "a mixture": [SAME[0], {"body_base64": "", "query": BODY.decode()}, SAME[1]],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_line_may_be(form: str) -> None:
    write(
        "a.jsonl",
        [row if isinstance(row, bytes) else json.dumps(row).encode() for row in FORMS[form]],
    )
    ran = imported("a.jsonl")
    assert ran.code == 0
    assert ran.json["total"]["accepted"] == 2


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_nothing() -> None:
    lines = rows(3)
    Path("a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines))
    assert counts(imported("a.jsonl")) == (3, 3, 0, 0)


def test_requests_without_data_are_told_and_not_counted() -> None:
    write("a.jsonl", [b'{"method":"OPTIONS","body_base64":"","query":""}', *rows(1)])
    ran = imported("a.jsonl")
    assert (ran.code, counts(ran)) == (0, (1, 1, 0, 0))
    assert ran.json["total"]["empty_requests"] == 1


def test_old_events_come_in_and_no_token_is_asked_for() -> None:
    Path("idweave.toml").write_text('[projects.default]\ntoken = "t"\n', "utf-8")
    write("a.jsonl", [json.dumps(record(1, {"mp_id": "a"}, time=1_000_000_000_000)).encode()])
    assert counts(imported("a.jsonl")) == (1, 1, 0, 0)


def test_records_are_of_the_project_that_is_named_where_they_name_none() -> None:
    Path("idweave.toml").write_text("[projects.shop]\n[projects.web]\n", "utf-8")
    other = json.dumps(record(1, {"mp_id": "a"}, project="web")).encode()
    write("a.jsonl", [*rows(2), other])
    imported("a.jsonl", "--project", "shop")
    found = {one["project"]: one["accepted"] for one in idweave("stats", "--json").json}
    assert found == {"shop": 2, "web": 1}


# -- what cannot be used ---------------------------------------------------------------------------

BROKEN = [
    (b'{"type": "track"', "INVALID_JSON", "Line 2 is not JSON"),
    (b"[1]", "INVALID_JSON", "object"),
    (b"7", "INVALID_JSON", "object"),
    (b"[" * 300 + b"]" * 300, "TOO_DEEP", "deep"),
    (b"\xff\xfe\x00", "INVALID_JSON", "Line 2"),
    (b'{"body_base64": "?", "query": ""}', "INVALID_JSON", "not base64"),
    (b'{"body_base64": 3}', "INVALID_JSON", "no text"),
    (b'{"type": "track", "event": "E"}', "INVALID_FIELD", "missing"),
    (b'{"identities": {"$identity_x": "1"}}', "INVALID_FIELD", "missing"),
]


@pytest.mark.parametrize(("line", "code", "reason"), BROKEN)
def test_a_line_that_cannot_be_used_is_kept_with_its_reason(
    line: bytes, code: str, reason: str
) -> None:
    write("a.jsonl", [*rows(1), line, *rows(1, 1)])
    ran = imported("a.jsonl")
    assert (ran.code, counts(ran)) == (5, (3, 2, 1, 0))
    assert ran.json["total"]["rejected_by_code"] == {code: 1}
    (kept,) = idweave("rejections", "list", "--json").json["rejections"]
    assert reason in kept["reason"]


def test_a_line_longer_than_the_bound_is_kept_by_its_beginning_and_the_next_one_comes_in() -> None:
    with Path("a.jsonl").open("wb") as file:
        file.write(b'{"type":"track","long":"')
        file.writelines(b"x" * (LINE_BYTES_MAX // 16) for _ in range(17))
        file.write(b'"}\n' + rows(1)[0] + b"\n")
    ran = imported("a.jsonl")
    assert counts(ran) == (2, 1, 1, 0)
    assert ran.json["total"]["rejected_by_code"] == {"INVALID_JSON": 1}


@pytest.mark.parametrize(("pack", "word"), [(gzip.compress, "gzip"), (zstandard.compress, "zstd")])
def test_a_cut_file_is_named_by_byte_and_what_came_before_is_in(pack: Any, word: str) -> None:
    noisy = [json.dumps(record(n, {"mp_id": os.urandom(16).hex()})).encode() for n in range(3000)]
    whole = pack(b"".join(line + b"\n" for line in noisy))
    cut = len(whole) * 2 // 3
    Path("a").write_bytes(whole[:cut])
    ran = imported("a")
    assert ran.code == 1
    assert f"its {word} stream goes on after byte {cut}" in ran.err
    received = counts(ran)[0]
    assert 0 < received == counts(ran)[1] < 3000
    Path("a").write_bytes(whole)
    again = imported("a")
    assert counts(again) == (3000 - received, 3000 - received, 0, 0)
    assert again.json["total"]["skipped_lines"] == received


def test_a_damaged_file_is_named_and_what_came_before_is_in() -> None:
    noisy = [json.dumps(record(n, {"mp_id": os.urandom(16).hex()})).encode() for n in range(3000)]
    whole = bytearray(gzip.compress(b"".join(line + b"\n" for line in noisy)))
    whole[-6] ^= 0xFF  # in the check sum
    Path("a.gz").write_bytes(bytes(whole))
    ran = imported("a.gz")
    assert ran.code == 1
    assert "a.gz is damaged after byte" in ran.err
    assert counts(ran)[1] > 2000


def test_several_files_are_counted_one_by_one_and_together() -> None:
    write("a.jsonl", rows(10))
    write("b.jsonl", rows(20))
    ran = imported("a.jsonl", "b.jsonl")
    assert counts(ran) == (30, 20, 0, 10)
    shown = idweave("import", "a.jsonl", "b.jsonl")
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        "file",
        "a.jsonl",
        "b.jsonl",
        "total",
    ]


def test_a_missing_file_stops_before_anything_is_read() -> None:
    write("a.jsonl", rows(1))
    ran = imported("a.jsonl", "none.jsonl")
    assert ran.code == 2
    assert "none.jsonl cannot be read" in ran.err
    assert not Path("data").exists()


# -- stopping and going on -------------------------------------------------------------------------


def begun() -> None:
    """A store that holds something, so that imports add to it."""
    write("begun.jsonl", rows(1, 99_999))
    imported("begun.jsonl")


def test_a_stopped_import_says_so_and_the_same_command_goes_on() -> None:
    begun()
    write("a.jsonl", rows(60_000))
    command = [sys.executable, "-m", "idweave", "import", "a.jsonl", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_records()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    stopped = json.loads(out)
    assert process.returncode == 130, err
    assert stopped["stopped"]
    done = stopped["total"]["accepted"]
    assert 0 < done < 60_000
    ran = imported("a.jsonl")
    assert counts(ran) == (60_000 - done, 60_000 - done, 0, 0)
    assert ran.json["total"]["skipped_lines"] == done


def wait_for_records() -> None:
    """Until the import of another process has committed something."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ran = idweave("stats", "--json")
        if ran.code == 0 and any(one["accepted"] > 1 for one in ran.json):
            return
        time.sleep(0.05)
    raise AssertionError("nothing was imported in 30 s")


def test_a_killed_import_loses_nothing_and_the_next_one_completes_it() -> None:
    begun()
    write("a.jsonl", rows(60_000))
    command = [sys.executable, "-m", "idweave", "import", "a.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_records()
        process.kill()
    ran = imported("a.jsonl")
    assert ran.code == 0
    (found,) = idweave("stats", "--json").json
    assert found["accepted"] == 60_001


def test_a_file_that_changed_before_the_mark_is_read_from_its_start() -> None:
    content = write("a.jsonl", rows(100))
    cut = gzip.compress(content)[:-9]
    Path("a.gz").write_bytes(cut)
    assert imported("a.gz").code == 1
    changed = content.replace(b'"Buy"', b'"Bye"', 20)
    assert changed[:HEAD_BYTES] != content[:HEAD_BYTES]
    head = content[: content.index(b"\n", HEAD_BYTES) + 1]
    changed = head + content[len(head) :].replace(b'"Buy"', b'"Bye"', 1)
    Path("a.gz").write_bytes(gzip.compress(changed))
    ran = imported("a.gz")
    assert ran.json["total"]["skipped_lines"] == 0
    assert counts(ran) == (100, 1, 0, 99)


def test_again_reads_from_the_start() -> None:
    content = write("a.jsonl", rows(100))
    Path("a.gz").write_bytes(gzip.compress(content)[:-9])
    imported("a.gz")
    Path("a.gz").write_bytes(gzip.compress(content))
    assert imported("a.gz", "--again").json["total"]["skipped_lines"] == 0


def test_a_store_that_another_process_writes_to_is_left_alone() -> None:
    write("a.jsonl", rows(1))
    imported("a.jsonl")
    code = (
        "from idweave.stores import open_store; s = open_store('data/idweave.db');"
        "print('ready', flush=True); input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"ready"
        ran = imported("a.jsonl")
        busy = idweave("stats")
        other.communicate(b"\n")
    assert ran.code == 4
    assert f"in use by process {other.pid}" in ran.err
    assert busy.code == 0


def test_an_imported_log_replays_to_the_same_graph() -> None:
    write("a.jsonl", [*rows(500), b"broken"])
    imported("a.jsonl")
    ran = idweave("replay", "--verify", "--json")
    assert (ran.code, ran.json["same"]) == (0, True)
