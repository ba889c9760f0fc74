"""A mirror of who is who, kept by the change feed alone: what the documentation says to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from idweave.core.identity import Identity
from idweave.ports import Change, ChangeKind, FeedRow


@dataclass
class Mirror:
    """Who holds each identity, which users there are, and where older names lead."""

    owner: dict[Identity, int] = field(default_factory=dict)
    users: set[int] = field(default_factory=set)
    redirects: dict[int, int] = field(default_factory=dict)
    cursor: int = 0

    def follow(self, rows: Iterable[FeedRow]) -> None:
        """Apply rows that go on where the last ones ended."""
        for row in rows:
            assert row.seq == self.cursor + 1, "the feed has a hole"
            self.cursor = row.seq
            self.apply(row.change)

    def apply(self, one: Change) -> None:
        """Apply one change."""
        match one.kind:
            case ChangeKind.CREATED | ChangeKind.SPLIT:
                assert one.user not in self.users
                self.users.add(one.user)
                self.redirects.pop(one.user, None)
            case ChangeKind.JOINED:
                if one.identity is not None:
                    assert self.owner.get(one.identity) == one.other
                    self.owner[one.identity] = one.user
            case ChangeKind.LEFT:
                if one.identity is not None:
                    assert self.owner.pop(one.identity) == one.user
            case ChangeKind.MERGED | ChangeKind.RENAMED:
                assert one.other is not None
                self._leads(one.other, one.user, renamed=one.kind is ChangeKind.RENAMED)
            case ChangeKind.GONE | ChangeKind.ERASED:
                self.users.discard(one.user)
                self.redirects.pop(one.user, None)
                self.owner = {key: name for key, name in self.owner.items() if name != one.user}

    def _leads(self, old: int, new: int, *, renamed: bool) -> None:
        if renamed:
            assert new not in self.users
            self.users.add(new)
            self.redirects.pop(new, None)
        self.users.discard(old)
        self.redirects[old] = new
        held = [identity for identity, name in self.owner.items() if name == old]
        self.owner |= dict.fromkeys(held, new)

    def lead(self, name: int) -> int:
        """Where a name leads."""
        while name in self.redirects:
            name = self.redirects[name]
        return name
