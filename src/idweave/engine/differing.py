"""A difference of two graphs, with names."""

from __future__ import annotations

from collections.abc import Callable

from idweave.core.difference import Difference
from idweave.core.graph import User

from .operated import (
    DifferenceAnswer,
    MergedUsers,
    MovedIdentity,
    RenamedUser,
    SplitUser,
)

LISTED_MAX = 1000
"""Rows of each list of a difference: what a person looks at; the counts are whole."""

WORDS = {
    "made": ("user made", "users made"),
    "gone": ("user gone", "users gone"),
    "merged": ("merge", "merges"),
    "split": ("split", "splits"),
    "renamed": ("user renamed", "users renamed"),
    "moved": ("identity moved", "identities moved"),
}
"""How each count is said, for one and for more."""


def difference_of(found: Difference, name: Callable[[User], str]) -> DifferenceAnswer:
    """A difference as an answer; ``name`` gives the name of a user of either graph."""
    counts = {word: len(getattr(found, word)) for word in WORDS}
    return DifferenceAnswer(
        _says(found, counts),
        counts,
        tuple(map(name, found.made[:LISTED_MAX])),
        tuple(map(name, found.gone[:LISTED_MAX])),
        tuple(MergedUsers(name(now), _names(name, of)) for now, of in found.merged[:LISTED_MAX]),
        tuple(SplitUser(name(user), _names(name, into)) for user, into in found.split[:LISTED_MAX]),
        tuple(RenamedUser(name(was), name(now)) for was, now in found.renamed[:LISTED_MAX]),
        tuple(
            MovedIdentity(
                *moved.identity,
                None if moved.before is None else name(moved.before),
                None if moved.after is None else name(moved.after),
            )
            for moved in found.moved[:LISTED_MAX]
        ),
        dict(found.refusals or {}),
    )


def _names(name: Callable[[User], str], users: tuple[User, ...]) -> tuple[str, ...]:
    return tuple(map(name, users))


def _says(found: Difference, counts: dict[str, int]) -> str:
    said = [f"{count} {WORDS[word][count != 1]}" for word, count in counts.items() if count]
    said += [
        f"{abs(more)} {'more' if more > 0 else 'fewer'} refused: {reason}"
        for reason, more in (found.refusals or {}).items()
    ]
    return ", ".join(said) + "." if said else "Nothing changes."
