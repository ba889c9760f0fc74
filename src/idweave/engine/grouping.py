"""Groups of one project: which facts can matter to each other, and what a batch of them changes.

Facts that share an identity form a group (RESOLUTION.md §7). An uncontested group is one user, in
whatever order its facts come; a contested one keeps its :class:`History`. All decisions of the
law are made in ``core``; here is only the book-keeping of what to ask it, and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from idweave.core.history import History
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import SETS_CACHED_MAX, Merge, Policy
from idweave.ports import Change, Changes, GroupRow, IdentityRow, SetKey, SetRow, Store

from .known import Group, Histories, Ids, KnownIdentity, KnownSet, Work
from .naming import Naming
from .publishing import publish
from .sets import links, set_key

CACHED_IDENTITIES_MAX = 1_000_000
"""Identities kept in memory for one project, below 1 KB each with their sets and groups; past it
the cache starts over from the store, which always knows everything."""

_LOGIN, _UNBIND = Kind.LOGIN, Kind.UNBIND  # looked up once: slow in Python 3.11


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
        self.histories = Histories()
        self.withdrawn: frozenset[str] = frozenset()
        """Events that operators took out of the log: they are kept, and link nothing."""
        self.kept: dict[SetKey | Identity, int] = {}
        """Numbers that sets and identities had before they were told again."""
        self.is_retelling = False
        """Whether what the store holds is told again, so that who tells compares the whole."""
        self._keys: dict[tuple[Identity, ...], SetKey] = {}
        self._touched: list[Group] = []
        self._absorbed: list[Group] = []
        self._ties: list[tuple[Identity, ...]] = []  # sets that tie after all
        self._loosened: list[tuple[Group, tuple[Identity, ...]]] = []  # not in the store yet

    def forget(self) -> None:
        """Drop all that is remembered: after a failed commit, or when it has grown too large."""
        for memory in (self.sets, self.identities, self.groups, self._keys):
            memory.clear()
        self.histories.clear()
        self._end_batch()

    def _end_batch(self) -> None:
        for brought in (self._touched, self._absorbed, self._ties, self._loosened):
            brought.clear()

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
        self._know_groups(numbers)
        for identity, found in rows.items():
            group = self.groups[found.group_id]
            known = KnownIdentity(found.identity_id, group, found.crowded_ms)
            self.identities[identity] = known
        for key, seen in sets.items():
            of = None if seen.group_id is None else self.groups[seen.group_id]
            self.sets[key] = KnownSet(seen.set_id, of, seen.newest_ms, seen.loose_after_ms)

    def _know_groups(self, numbers: Iterable[int]) -> None:
        missing = [number for number in numbers if number not in self.groups]
        for number, row in self.store.find_groups(missing).items() if missing else ():
            self.groups[number] = Group(row, fresh=False)

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
        crowded = self._crowded_beside_others(key)
        tying = [member for member in members if member not in crowded]
        group = self._unite(tying, set_id, changes)
        ids = tuple(self.identities[identity].identity_id for identity in members)
        changes.new_sets.append((self.project, set_id, key, ids))
        self._work_of(group).grown = True
        if self._contests(key, group):
            group.contested = True
        known = KnownSet(set_id, group, -1)
        loose = self._outside(group, crowded)
        if loose:
            self._loosen(known, group, loose)
            link = self.identities[tying[0]].identity_id
            changes.loose_sets.append((set_id, link, known.loose_after_ms or 0))
        return known

    def _crowded_beside_others(self, key: SetKey) -> tuple[Identity, ...]:
        """The identities of a set that are crowded, where others of it are not. The set of an
        unbind that names another identity is tied to all of them."""
        if key.named is not None and key.named not in key.identities:
            return ()
        known = ((identity, self.identities.get(identity)) for identity in key.identities)
        crowded = [one for one, state in known if state and state.crowded_ms is not None]
        return tuple(crowded) if len(crowded) < len(key.identities) else ()

    def _outside(self, group: Group, identities: Iterable[Identity]) -> tuple[Identity, ...]:
        wanted = tuple(identities)
        self._find(wanted)
        return tuple(one for one in wanted if self.identities[one].group.root() is not group)

    def _loosen(self, known: KnownSet, group: Group, loose: tuple[Identity, ...]) -> None:
        """A set is in its group alone: what is crowded of it does not tie it to other groups, as
        long as its facts are later than that, and neither unbind nor release."""
        marks = (self.identities[identity].crowded_ms for identity in loose)
        known.loose_after_ms = max(mark for mark in marks if mark is not None)
        group.contested = True
        self._work_of(group).loose.append((known.set_id, loose))
        self._loosened.append((group, loose))

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
        if known:
            root = self._one_of([item.group for item in known], changes, set_id)
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

    def _one_of(self, groups: Iterable[Group], changes: Changes, set_id: int = 0) -> Group:
        """The one group that these are from now on: the largest takes the others in."""
        roots = {group.root().group_id: group.root() for group in groups}
        root, *others = sorted(roots.values(), key=lambda group: (-group.size, group.group_id))
        for smaller in others:
            self._take_in(root, smaller, changes)
        if others:
            self._work_of(root).tie(set_id)
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
                work.unread.append(group.row())
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
        loose_after_ms = known.loose_after_ms
        if loose_after_ms is not None and (fact.kind < _LOGIN or fact.time_ms <= loose_after_ms):
            self._ties.append(links(self.key_of(fact)))

    # -- publishing -----------------------------------------------------------------------------

    def flush(self, changes: Changes) -> list[Change]:
        """Resolve what the batch brought, add to ``changes`` what the store has to write, and say
        what that changes of who is who."""
        for members in self._ties:
            self._find(members)
            self._unite(members, 0, changes)
        told = self.settle(self._touched, changes)
        for absorbed in self._absorbed:
            self.groups.pop(absorbed.group_id, None)
        self._end_batch()
        return told

    def touched(self) -> list[Group]:
        """The groups that the batch brought something to."""
        return [group for group in self._touched if group.work is not None]

    def settle(self, groups: Sequence[Group], changes: Changes) -> list[Change]:
        """As :meth:`flush`, for some of these groups; nothing of them may be loose."""
        work = [(group, group.work) for group in groups if group.work is not None]
        plain = [(group, brought) for group, brought in work if self._is_plain(group, brought)]
        self._settle([group for group, _ in work if group.contested], changes)
        work = [(group, group.work) for group in groups if group.work is not None]
        resolved = [
            (group, brought, brought.histories[0]) for group, brought in work if group.contested
        ]
        told = publish(self, plain, resolved, changes)
        for group, brought in work:
            if brought.grown or group.fresh or brought.parts[0] != group.row():
                changes.groups.append((self.project, group.row()))
            group.fresh = False
            group.work = None
        return told

    def _settle(self, waiting: list[Group], changes: Changes) -> None:
        """Resolve contested groups, and unite what turns out not to be loose, until all holds."""
        for group in waiting:
            if group.into is None and group.work is not None:
                history = self._resolve(group, group.work)
                untrue = [*self._moved(group.work, history), *self._overcrowded(history)]
                for since_ms, others in untrue:
                    root = self._one_of([group, *others], changes)
                    self._work_of(root).apply_again(since_ms)
                    waiting.append(root)

    def _moved(self, brought: Work, history: History) -> Iterator[tuple[int, list[Group]]]:
        """Identities that became crowded later than was thought, or not at all: since when it was
        thought, and the groups of the sets that relied on it."""
        touched = sorted(history.graph.touched.identities)
        self._find(touched)
        for identity in touched:
            known, crowded = self.identities[identity], history.graph.crowded.get(identity)
            before, now = known.crowded_ms, None if crowded is None else crowded.time_ms
            known.crowded_ms = now
            if before is not None and (now is None or now > before):
                yield before, self._relying(identity, known.identity_id, brought.parts)

    def _relying(self, identity: Identity, number: int, parts: Iterable[GroupRow]) -> list[Group]:
        """The groups of sets that an identity of these parts is in without tying them to it."""
        with self.store.reader() as reader:
            ties = [tie for part in parts for tie in reader.loose_groups(part.group_id)]
        numbers = [group_id for identity_id, group_id in ties if identity_id == number]
        self._know_groups(numbers)
        stored = [self.groups[group_id] for group_id in numbers]
        return stored + [group for group, loose in self._loosened if identity in loose]

    def _overcrowded(self, history: History) -> Iterator[tuple[int, list[Group]]]:
        """Facts of which all is crowded: their time, and the groups of what did not tie them."""
        for done in history.overcrowded():
            loose = history.loose[done.set_id]
            self._find(loose)
            yield done.order.time_ms, [self.identities[one].group for one in loose]

    def _is_plain(self, group: Group, brought: Work) -> bool:
        """Whether a group is uncontested still, and the batch changes anything of its one user."""
        if group.contested:
            return False
        if brought.grown:
            group.contested = not self.fits(brought)
            return not group.contested
        founder = group.founder
        return founder is None or any(
            fact.time_ms <= founder.time_ms and fact.order < founder for _, fact in brought.facts
        )

    def fits(self, brought: Work) -> bool:
        """Whether all identities of an uncontested group fit one user."""
        members = [identity for _, identity in brought.new]
        for part in brought.parts:
            members += [row.identity for row in self.store.members(part.group_id)]
        return self.policy.fit_one_user(members)

    def _resolve(self, group: Group, brought: Work) -> History:
        """The history of a contested group, with everything that this batch brought in it."""
        plain = [part.founder for part in brought.unread if part.founder is not None]
        shown = [user for founder in plain for user in self.naming.led_to(founder)]
        read = [*brought.histories, *map(self._history, brought.unread)]
        histories = sorted(read, key=lambda history: len(history.steps), reverse=True)
        for one in histories:
            given = one.loosened()
            one.tie(given.difference(self._outside(group, given)))
        history = histories[0] if histories else History(self.policy)
        for smaller in histories[1:]:
            history.absorb(smaller)
        for set_id, loose in brought.loose:
            history.loosen(set_id, self._outside(group, loose))
        if brought.again_ms is not None:
            history.again(brought.again_ms)
        history.extend(brought.facts)
        brought.arrived += [fact.order for _, fact in brought.facts]
        history.graph.touched.users.update(shown)
        group.founder, group.founder_set = None, 0
        for part in brought.parts:
            self.histories.take(part.group_id)
        self.histories.keep(group.group_id, history)
        brought.histories, brought.again_ms = [history], None
        for done in (brought.unread, brought.facts, brought.loose):
            done.clear()
        return history

    def _history(self, part: GroupRow) -> History:
        """A group's history: remembered, or read from the store. What the store already shows of
        a contested group need not be written again."""
        history = self.histories.take(part.group_id)
        if history is None:
            history = History(self.policy)
            members = {row.identity for row in self.store.members(part.group_id)}
            facts = list(self.store.facts(part.group_id))
            for set_id, key in {set_id: key for set_id, key, _ in facts}.items():
                if not members.issuperset(links(key)):
                    history.loosen(set_id, set(links(key)) - members)
            history.extend((set_id, fact) for set_id, _, fact in facts)
            if part.contested:
                history.graph.take_touched()
                history.take_applied()
        return history

    def trim(self) -> None:
        """Keep the memory within its bounds. Called between batches."""
        if len(self.identities) > CACHED_IDENTITIES_MAX:
            self.forget()
        self.histories.trim()
