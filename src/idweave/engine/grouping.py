"""Groups of one project: which facts can matter to each other, and what a batch of them changes.

Facts that share an identity form a group (RESOLUTION.md §7). An uncontested group is one user, in
whatever order its facts come; a contested one keeps its :class:`History`. All decisions of the
law are made in ``core``; here is only the book-keeping of what to ask it, and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idweave.core.graph import User
from idweave.core.history import History
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import SETS_CACHED_MAX, Merge, Policy
from idweave.ports import Change, Changes, GroupRow, IdentityRow, SetKey, SetRow, Store

from .naming import Naming
from .publishing import publish
from .reading import all_names
from .sets import links, set_key

CACHED_IDENTITIES_MAX = 1_000_000
"""Identities kept in memory for one project, about 300 bytes each; past it the cache starts over
from the store, which always knows everything."""

CACHED_STEPS_MAX = 1_000_000
"""Steps of contested groups kept in memory for one project, about 1 KB each with their undo; the
histories used longest ago are forgotten first and read again from the store when needed."""


_LOGIN, _UNBIND = Kind.LOGIN, Kind.UNBIND  # looked up once: slow in Python 3.11


class Ids:
    """The next number of each kind; the engine gives them all, so that a commit only writes."""

    def __init__(self, store: Store) -> None:
        marks = store.high_marks()
        self.payload, self.identity, self.set = marks.payload, marks.identity, marks.set
        self.group, self.rejection = marks.group, marks.rejection

    def next(self, kind: str) -> int:
        """The next id of ``payload``, ``identity``, ``set``, ``group`` or ``rejection``."""
        number: int = getattr(self, kind) + 1
        setattr(self, kind, number)
        return number


class Group:
    """A group in memory. After a union ``into`` leads to the one that took it in."""

    __slots__ = (
        "contested",
        "founder",
        "founder_set",
        "fresh",
        "group_id",
        "into",
        "size",
        "work",
    )

    def __init__(self, row: GroupRow, *, fresh: bool) -> None:
        self.group_id = row.group_id
        self.contested = row.contested
        self.size = row.size
        self.founder = row.founder
        self.founder_set = row.founder_set
        self.fresh = fresh  # not in the store yet
        self.into: Group | None = None
        self.work: Work | None = None  # what this batch brought, while it is on its way

    def root(self) -> Group:
        """The group that this one is part of now."""
        group = self
        while group.into is not None:
            group = group.into
        return group

    def row(self) -> GroupRow:
        """The group as the store keeps it."""
        return GroupRow(self.group_id, self.contested, self.size, self.founder, self.founder_set)


class KnownIdentity:
    """An identity in memory: its number and its group."""

    __slots__ = ("group", "identity_id")

    def __init__(self, identity_id: int, group: Group) -> None:
        self.identity_id = identity_id
        self.group = group


class KnownSet:
    """An identity set in memory: its number, its group (None: it links nothing) and the latest
    time it was seen at, so that most records are known to be new without a look at the store."""

    __slots__ = ("group", "newest_ms", "set_id")

    def __init__(self, set_id: int, group: Group | None, newest_ms: int) -> None:
        self.set_id = set_id
        self.group = group
        self.newest_ms = newest_ms


class Work:
    """What one batch brought to one group, until it is published."""

    __slots__ = ("facts", "grown", "new", "parts", "ties")

    def __init__(self) -> None:
        self.facts: list[tuple[int, Fact]] = []
        self.parts: list[GroupRow] = []  # what it was made of, as the store has it
        self.new: list[tuple[int, Identity]] = []  # identities first seen in this batch
        self.ties: dict[int | User, int] = {}  # new identity, or a part's user → set it came by
        self.grown = False

    def take(self, other: Work) -> None:
        """Add what was brought to a group that is now part of this one."""
        self.facts += other.facts
        self.parts += other.parts
        self.new += other.new
        self.ties |= other.ties
        self.grown = True


class Grouping:
    """The groups of one project: a bounded memory in front of the store. Not thread-safe."""

    def __init__(self, project: str, policy: Policy, store: Store, ids: Ids) -> None:
        self.project = project
        self.policy = policy
        self.store = store
        self.ids = ids
        self.naming = Naming(project, store)
        self.sets: dict[SetKey, KnownSet] = {}
        self.identities: dict[Identity, KnownIdentity] = {}
        self.groups: dict[int, Group] = {}
        self.histories: dict[int, History] = {}
        self.withdrawn: frozenset[str] = frozenset()
        """Events that operators took out of the log: they are kept, and link nothing."""
        self.kept: dict[SetKey | Identity, int] = {}
        """Numbers that sets and identities had before they were told again."""
        self.is_retelling = False
        """Whether what the store holds is told again, so that who tells compares the whole."""
        self._keys: dict[tuple[Identity, ...], SetKey] = {}
        self._touched: list[Group] = []
        self._absorbed: list[Group] = []

    def forget(self) -> None:
        """Drop all that is remembered: after a failed commit, or when it has grown too large."""
        for memory in (self.sets, self.identities, self.groups, self.histories, self._keys):
            memory.clear()
        self._touched.clear()
        self._absorbed.clear()

    # -- knowing --------------------------------------------------------------------------------

    def key_of(self, fact: Fact) -> SetKey:
        """The identity set that a fact is seen under."""
        if fact.kind is _UNBIND or fact.kind is _LOGIN:
            return set_key(fact, self.policy)
        key = self._keys.get(fact.identities)
        if key is None:
            if len(self._keys) >= SETS_CACHED_MAX:
                self._keys.clear()
            key = self._keys[fact.identities] = SetKey(self.policy.effective(fact.identities))
        return key

    def prefetch(self, keys: Iterable[SetKey]) -> None:
        """Read what the store knows of these sets and of their identities, in a few questions."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self.sets]
        if not unknown:
            return
        known = self.store.find_sets(self.project, unknown)
        wanted = dict.fromkeys(
            identity
            for key in unknown
            if key not in known
            for identity in links(key)
            if identity not in self.identities
        )
        rows = self.store.find_identities(self.project, list(wanted)) if wanted else {}
        self._know(known, rows)

    def _know(self, sets: dict[SetKey, SetRow], rows: dict[Identity, IdentityRow]) -> None:
        numbers = {row.group_id for row in rows.values()}
        numbers |= {row.group_id for row in sets.values() if row.group_id is not None}
        missing = [number for number in numbers if number not in self.groups]
        for number, row in self.store.find_groups(missing).items() if missing else ():
            self.groups[number] = Group(row, fresh=False)
        for identity, found in rows.items():
            group = self.groups[found.group_id]
            self.identities[identity] = KnownIdentity(found.identity_id, group)
        for key, seen in sets.items():
            of = None if seen.group_id is None else self.groups[seen.group_id]
            self.sets[key] = KnownSet(seen.set_id, of, seen.newest_ms)

    # -- adding ---------------------------------------------------------------------------------

    def known_set(self, key: SetKey, changes: Changes) -> KnownSet:
        """The set of a key that was prefetched; a new one is written down and grouped."""
        known = self.sets.get(key)
        if known is None:
            known = self.sets[key] = self._new_set(key, changes)
        return known

    def _new_set(self, key: SetKey, changes: Changes) -> KnownSet:
        set_id = self.kept.get(key) or self.ids.next("set")
        members = links(key)
        if not members:
            changes.new_sets.append((self.project, set_id, key, ()))
            return KnownSet(set_id, None, -1)
        group = self._unite(members, set_id, changes)
        ids = tuple(self.identities[identity].identity_id for identity in members)
        changes.new_sets.append((self.project, set_id, key, ids))
        work = self._work_of(group)
        work.grown = True
        if self._contests(key, group):
            group.contested = True
        return KnownSet(set_id, group, -1)

    def _contests(self, key: SetKey, group: Group) -> bool:
        """Whether this set alone makes its group one where the order of facts matters."""
        if self.policy.merge is not Merge.ANY and len(key.identities) > 1:
            return True
        for one, other in self.policy.apart:
            self._find([one, other])
            both = [self.identities.get(one), self.identities.get(other)]
            if all(known is not None and known.group.root() is group for known in both):
                return True
        return False

    def _find(self, identities: Iterable[Identity]) -> None:
        unknown = [identity for identity in identities if identity not in self.identities]
        if unknown:
            self._know({}, self.store.find_identities(self.project, unknown))

    def _unite(self, members: Sequence[Identity], set_id: int, changes: Changes) -> Group:
        """The one group of these identities of a set, made or united as needed."""
        known = [self.identities[member] for member in members if member in self.identities]
        groups = {item.group.root().group_id: item.group.root() for item in known}
        if groups:
            ordered = sorted(groups.values(), key=lambda group: (-group.size, group.group_id))
            root = ordered[0]
            for smaller in ordered[1:]:
                self._take_in(root, smaller, changes)
            if len(ordered) > 1:
                parts = self._work_of(root).parts
                for founder in (part.founder for part in parts if part.founder is not None):
                    self._work_of(root).ties.setdefault(founder, set_id)
        else:
            root = Group(GroupRow(self.ids.next("group"), False, 0, None, 0), fresh=True)
            self.groups[root.group_id] = root
        work = self._work_of(root)
        for member in members:
            if member not in self.identities:
                number = self.kept.get(member) or self.ids.next("identity")
                self.identities[member] = KnownIdentity(number, root)
                work.new.append((number, member))
                work.ties[number] = set_id
                root.size += 1
        return root

    def _take_in(self, root: Group, smaller: Group, changes: Changes) -> None:
        self._work_of(root).take(self._work_of(smaller))
        smaller.work = None
        root.size += smaller.size
        root.contested |= smaller.contested
        smaller.into = root
        self._absorbed.append(smaller)
        changes.joined_groups.append((smaller.group_id, root.group_id))

    def _work_of(self, group: Group) -> Work:
        work = group.work
        if work is None:
            work = group.work = Work()
            self._touched.append(group)
            if not group.fresh:
                work.parts.append(group.row())
        return work

    def identity_ids(self, identities: Iterable[Identity]) -> dict[Identity, int]:
        """The numbers of identities that facts of this project carried."""
        wanted = set(identities)
        self._find(wanted)
        return {identity: self.identities[identity].identity_id for identity in wanted}

    def add(self, known: KnownSet, fact: Fact) -> None:
        """Note a fact of a set; :meth:`flush` says what all of them change."""
        group = known.group
        if group is None:
            return
        if group.into is not None:
            group = known.group = group.root()
        work = group.work or self._work_of(group)
        work.facts.append((known.set_id, fact))
        if fact.kind < _LOGIN:
            group.contested = True

    # -- publishing -----------------------------------------------------------------------------

    def flush(self, changes: Changes) -> list[Change]:
        """Resolve what the batch brought, add to ``changes`` what the store has to write, and say
        what that changes of who is who."""
        work = [(group, group.work) for group in self._touched if group.work is not None]
        plain = [(group, brought) for group, brought in work if self._is_plain(group, brought)]
        contested = [(group, brought) for group, brought in work if group.contested]
        resolved = [(group, brought, self._resolve(group, brought)) for group, brought in contested]
        told = publish(self, plain, resolved, changes)
        for group, brought in work:
            if brought.grown or group.fresh or brought.parts[0] != group.row():
                changes.groups.append((self.project, group.row()))
            group.fresh = False
            group.work = None
        for absorbed in self._absorbed:
            self.groups.pop(absorbed.group_id, None)
        self._touched.clear()
        self._absorbed.clear()
        return told

    def _is_plain(self, group: Group, brought: Work) -> bool:
        """Whether a group is uncontested still, and the batch changes anything of its one user."""
        if group.contested:
            return False
        if brought.grown:
            group.contested = not self._fits(brought)
            return not group.contested
        founder = group.founder
        return founder is None or any(
            fact.time_ms <= founder.time_ms and fact.order < founder for _, fact in brought.facts
        )

    def _fits(self, brought: Work) -> bool:
        """Whether all identities of an uncontested group fit one user."""
        counts: dict[str, int] = {}
        members = [identity for _, identity in brought.new]
        for part in brought.parts:
            members += [row.identity for row in self.store.members(part.group_id)]
        for member in members:
            counts[member.key] = counts.get(member.key, 0) + 1
        rules = ((self.policy.rule(key), count) for key, count in counts.items())
        return all(rule is not None and count <= rule.values_max for rule, count in rules)

    def _resolve(self, group: Group, brought: Work) -> History:
        """The history of a contested group, with everything that this batch brought in it."""
        shown = [user for part in brought.parts for user in self._shown(part)]
        histories = sorted(
            (self._history(part) for part in brought.parts),
            key=lambda history: len(history.steps),
            reverse=True,
        )
        history = histories[0] if histories else History(self.policy)
        for smaller in histories[1:]:
            history.absorb(smaller)
        history.extend(brought.facts)
        history.graph.touched.users.update(shown)
        group.founder, group.founder_set = None, 0
        for part in brought.parts:
            self.histories.pop(part.group_id, None)
        self.histories[group.group_id] = history
        return history

    def _shown(self, part: GroupRow) -> list[User]:
        """The users that names of a part that was uncontested until now were given to. They all
        lead to its one user; that may no longer be so."""
        if part.founder is None:
            return []
        with self.store.reader() as reader:
            name = self.naming.of([part.founder])[part.founder]
            names = all_names(reader, self.project, name)
            rows = (reader.user(self.project, one) for one in names)
            return [row.founder for row in rows if row is not None]

    def _history(self, part: GroupRow) -> History:
        """A group's history: remembered, or read from the store. What the store already shows of
        a contested group need not be written again."""
        history = self.histories.pop(part.group_id, None)
        if history is None:
            history = History(self.policy)
            history.extend((set_id, fact) for set_id, _, fact in self.store.facts(part.group_id))
            if part.contested:
                history.graph.take_touched()
                history.take_applied()
        return history

    def trim(self) -> None:
        """Keep the memory within its bounds. Called between batches."""
        if len(self.identities) > CACHED_IDENTITIES_MAX:
            self.forget()
        steps = sum(len(history.steps) for history in self.histories.values())
        for number in list(self.histories)[:-1]:  # the one used last may be large by itself
            if steps <= CACHED_STEPS_MAX:
                break
            steps -= len(self.histories.pop(number).steps)
