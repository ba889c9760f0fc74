"""People who are to be forgotten: from identities of the graph to the ids of the state file."""

from __future__ import annotations

from collections.abc import Iterable

from idweave.core.identity import Identity

from .config import UnionIdSettings
from .state import Database, Forgetting, Person
from .state.forgetting import Known, openid, union_id


def ids_of(identities: Iterable[Identity], settings: UnionIdSettings) -> list[Known]:
    """What identities are here: a key may be that of several apps or Open Platform accounts."""
    found: list[Known] = []
    for key, value in identities:
        found += [openid(app.appid, value) for app in settings.apps if app.openid_key == key]
        found += [union_id(one.name, value) for one in settings.open_platforms if one.key == key]
    return found


def person_of(
    identities: Iterable[Identity], settings: UnionIdSettings, database: Database
) -> Person:
    """Everybody whom these identities are of, with all ids that are tied to them."""
    return Forgetting(database).person(ids_of(identities, settings))


def forget(person: Person, database: Database) -> bool:
    """Take a person out of the state file for good: no sync and no login brings it back. False
    where bytes may be left in the file until it is opened next."""
    return Forgetting(database).forget(person)
