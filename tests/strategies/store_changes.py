"""Make stores by changes of others, and hold that they are those that are made of their entities at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any
from unittest import mock

from policyengine import EntityStore, PolicyEngine

Json = Any
_ROOM = "policyengine.intake.stored_entities"


def by_changes(
    engine: PolicyEngine, entities: Sequence[Json], rng: Random, unknown: str = "refuse"
) -> EntityStore:
    """Return a store of *entities* that came of changes of another, in which they were mixed up."""
    goal = engine.store(entities, unknown)
    if not len(goal):
        return goal
    whole = {(one["type"], one["id"]): one for one in entities}
    before = {key: _mixed_up(one, whole, rng) for key, one in whole.items() if rng.random() < 0.8}
    for one in before.values():
        if "parents" in one:
            one["parents"] = [p for p in one["parents"] if (p["type"], p["id"]) in before]
    more = [
        {**one, "id": one["id"] + "~"}
        for one in rng.sample(list(before.values()), min(2, len(before)))
    ]
    with mock.patch.multiple(_ROOM, _FEW=rng.choice((0, 64)), _TIMES_ROOT=rng.choice((1, 4))):
        store = engine.store([*before.values(), *more], unknown)
        if rng.random() < 0.5:
            ask_indexes(store)
        waiting = [*whole]
        rng.shuffle(waiting)
        while waiting:
            put = {key: whole[key] for key in waiting[: rng.randint(1, 4)]}
            for key in list(put):
                _with_parents(key, whole, put)
            waiting = [key for key in waiting if key not in put]
            gone = [(one["type"], one["id"]) for one in more if rng.random() < 0.5]
            more = [one for one in more if (one["type"], one["id"]) not in gone]
            store = store.with_changes(put.values(), gone)
        store = store.with_changes(
            remove=[rng.choice((one, (one["type"], one["id"]))) for one in more]
        )
    assert_same(store, goal)
    return store


def _mixed_up(one: Json, whole: dict[Any, Json], rng: Random) -> Json:
    made = copy.deepcopy(one)
    other = rng.choice([two for two in whole.values() if two["type"] == one["type"]])
    if "properties" in one and "properties" in other and rng.random() < 0.6:
        made["properties"] = copy.deepcopy(other["properties"])
    if one.get("parents") and rng.random() < 0.5:
        made["parents"] = one["parents"][1:]
    return made


def _with_parents(key: Any, whole: dict[Any, Json], put: dict[Any, Json]) -> None:
    for parent in whole[key].get("parents", ()):
        above = parent["type"], parent["id"]
        if above not in put:
            put[above] = whole[above]
            _with_parents(above, whole, put)


def assert_same(one: EntityStore, other: EntityStore) -> None:
    """Hold that two stores have the same entities, of which the same is known, found by the same indexes."""
    assert len(one) == len(other) == len(set(one))
    assert set(one) == set(other)
    assert one.by_key.bare == other.by_key.bare
    for key in other:
        mine, its = one[key], other[key]
        assert mine == its
        assert type(mine) is type(its)
        for name in ("line", "parents_", "carried_", "complete_", "plain_", "described_"):
            assert getattr(mine, name) == getattr(its, name), (name, mine)
    assert ask_indexes(one) == ask_indexes(other)


def ask_indexes(store: EntityStore) -> Json:
    """Return all that the indexes of a store say."""
    said: dict[Any, Any] = {}
    for type_ in sorted({key[0] for key in store}):
        ordered = store.index.ordered(type_)
        assert [*ordered.numbers] == [one.id for one in ordered.entities]
        said[type_] = ordered.entities, ordered.places, dict(ordered.numbers)
        keys = [*sorted(store), None, ("no", "such")]
        for by in (store.index.by_ancestor(type_), store.index.by_parent(type_)):
            said[type_, len(said)] = [sorted(by.get(key, ())) for key in keys]
        for attribute in store[next(k for k in store if k[0] == type_)].entity_type.attributes:
            by = store.index.by_value(type_, (attribute.name,))
            said[type_, attribute.name] = [sorted(by.get(value, ())) for value in _values(store)]
    return said


def _values(store: EntityStore) -> Iterable[object]:
    return [True, False, 0, 1, "a", "b", *sorted({key[1] for key in store})]
