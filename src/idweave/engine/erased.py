"""Erasures as answers: what is asked, what goes, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idweave.core.identity import Identity

from .operated import DifferenceAnswer, IdentityText


@dataclass(frozen=True, slots=True)
class Erasing:
    """What an operator wants erased: ``user`` (its canonical_id) with all that is its own, and
    ``identities`` by themselves. ``forever``: what is younger than the erasure is refused, too."""

    author: str
    reason: str
    user: str | None = None
    identities: tuple[Identity, ...] = ()
    forever: bool = False


@dataclass(frozen=True, slots=True)
class ErasureAnswer:
    """What was erased or, with ``dry_run``, would be: then nothing was written.

    ``identities`` and ``names`` are shown this once and kept nowhere. ``shared``: identities that
    the user had and that stay, as others hold or held them. ``counts``: ``events`` that go,
    ``events_of_others`` among them, ``events_stripped`` that stay without an erased identity,
    ``identities``, ``names``, ``rejections``, ``operator_facts``, and ``mentions``: events of
    others and policies of the past that stay and have a value somewhere in their texts.
    ``is_scrubbed``: no byte is left on the disk; else the next start of a writer sees to it.
    """

    project: str
    dry_run: bool
    erasure_id: str
    erased_at_ms: int
    identities: tuple[IdentityText, ...]
    shared: tuple[IdentityText, ...]
    names: tuple[str, ...]
    counts: Mapping[str, int]
    changes: DifferenceAnswer
    is_scrubbed: bool
