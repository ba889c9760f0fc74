"""Prometheus' text format (0.0.4): what projects received, and how the server is doing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from idweave.engine.answers import Stats

from ..meters import SECONDS, Meters

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PER_PROJECT = (
    ("idweave_records_received_total", "counter", "Records that came in.", "received"),
    ("idweave_records_accepted_total", "counter", "Records that were accepted.", "accepted"),
    ("idweave_records_duplicate_total", "counter", "Repeats of accepted records.", "duplicates"),
    ("idweave_crc_mismatches_total", "counter", "Requests with a wrong crc.", "crc_mismatches"),
    ("idweave_users", "gauge", "Users there are now.", "users"),
    ("idweave_identities", "gauge", "Identities ever seen.", "identities"),
)
"""Name, kind, help, and the field of :class:`~idweave.engine.answers.Stats`."""


def exposition(stats: Sequence[Stats], meters: Meters, *, is_ready: bool) -> str:
    """The whole page."""
    lines = [*_projects(stats), *_server(meters, is_ready=is_ready)]
    return "\n".join(lines) + "\n"


def _projects(stats: Sequence[Stats]) -> Iterator[str]:
    for name, kind, text, field in _PER_PROJECT:
        samples = ((f'{{project="{_label(one.project)}"}}', getattr(one, field)) for one in stats)
        yield from _family(name, kind, text, samples)
    text = "Records that are kept as rejections; a retry takes them out again."
    rejected = (
        (f'{{project="{_label(one.project)}",code="{_label(code)}"}}', count)
        for one in stats
        for code, count in one.rejections_by_code.items()
    )
    yield from _family("idweave_records_rejected", "gauge", text, rejected)
    size = max((one.store_bytes for one in stats), default=0)
    yield from _family("idweave_store_bytes", "gauge", "Room the store takes.", [("", size)])


def _server(meters: Meters, *, is_ready: bool) -> Iterator[str]:
    answered = ((f'{{status="{code}"}}', n) for code, n in sorted(meters.answered.items()))
    text = "Answers of the collector by HTTP status."
    yield from _family("idweave_collector_answers_total", "counter", text, answered)
    text = "Requests that wait for their commit."
    yield from _family("idweave_queue_requests", "gauge", text, [("", meters.queued)])
    text = "Bytes of large bodies that arrive or are decoded."
    yield from _family("idweave_body_bytes", "gauge", text, [("", meters.body_bytes)])
    text = "Clients that follow the change feed."
    yield from _family("idweave_change_streams", "gauge", text, [("", meters.streams)])
    text = "Commits that the store refused."
    failed = [("", meters.commits_failed)]
    yield from _family("idweave_commits_failed_total", "counter", text, failed)
    text = "1 when the last commit succeeded."
    yield from _family("idweave_ready", "gauge", text, [("", int(is_ready))])
    text = "Time to decide and commit a batch."
    yield from _family("idweave_commit_seconds", "histogram", text, _buckets(meters))


def _buckets(meters: Meters) -> Iterator[tuple[str, float]]:
    counts, total = list(meters.commit_seconds.counts), 0
    for end, count in zip((*map(repr, SECONDS), "+Inf"), counts, strict=True):
        total += count
        yield f'_bucket{{le="{end}"}}', total
    yield "_sum", round(meters.commit_seconds.total_s, 6)
    yield "_count", total


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for suffix, value in samples:
        yield f"{name}{suffix} {value}"


def _label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
