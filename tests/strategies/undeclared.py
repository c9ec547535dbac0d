"""State the law of undeclared members: dropping one changes nothing but what it itself would have said, or is a deny.

Members are put in at every level of generated requests, and ones that are declared are misspelt. Wherever a request
is then decided, it is as without the member; and, if the member could be a slip for one that rules read, as with the
slip put right.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from policyengine import InvalidRequest, PolicyEngine
from policyengine.model.limits import Limits
from tests.strategies.entry_points import Seen, entry_points, seen
from tests.strategies.laws import Case

Json = Any

_PARTS = ("subject", "action", "resource", "context", "entities")
_REFUSED = ("refused", "denied")
_ODD = ("zzzzzzzzz", "properties_", "Id", "is_id", "note", "owner", "a", "x" * 300, "\u200bid")


def dropping_changes_nothing_or_denies(case: Case) -> int:
    """Ask spoilt requests of every entry point of an engine that drops; return how many were decided."""
    rng = Random(case.seed)
    given = {name: case.given[name] for name in _PARTS}
    strict = case.loaded.engine
    drop = PolicyEngine(
        case.loaded.program, strict._checked, limits=Limits().taking("drop"), store=None
    )
    decided = 0
    clock = SimpleNamespace(time_ns=lambda: case.given["now"] * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        right = _asked(strict, given)
        for spoilt, bare, is_slip in _spoilt(strict, given, rng, 5):
            expected = [_asked(strict, bare)] + [right] * is_slip
            for _ in range(2):
                for name, ask in entry_points(drop, spoilt):
                    decided += _holds(seen(ask), expected, name, spoilt)
                decided += _holds(_by_store(drop, spoilt), expected, "store", spoilt)
    return decided


def _holds(found: Seen, expected: list[Seen], name: str, asked: Json) -> bool:
    if found[0] in _REFUSED:
        return False
    assert all(one == found for one in expected), (name, found, expected, asked)
    return True


def _asked(engine: PolicyEngine, given: dict[str, Json]) -> Seen:
    subject, action, resource, context, entities = (given[name] for name in _PARTS)
    return seen(lambda: engine.decide(subject, action, resource, context, entities=entities))


def _by_store(engine: PolicyEngine, given: dict[str, Json]) -> Seen:
    """Ask with all entities in a store."""
    try:
        store = engine.store(given["entities"])
        store = store.with_changes(put=given["entities"][:1])
    except InvalidRequest:
        return ("refused",)
    return _asked(engine.with_store(store), {**given, "entities": None})


def _spoilt(
    strict: PolicyEngine, given: dict[str, Json], rng: Random, count: int
) -> Iterator[tuple[dict[str, Json], dict[str, Json], bool]]:
    """Give the request with a member put in or misspelt, the same without it, and whether it is a slip."""
    places = [path for name in _PARTS for path in _owners(given[name], [name])]
    members = [(path, name) for path in places for name in _at(given, path)]
    rng.shuffle(members)
    without = [_without(given, path, name) for path, name in members]
    right = _asked(strict, given)
    counts = [_asked(strict, bare)[:1] not in (right[:1], ("refused",)) for bare in without]
    most = sorted(
        range(len(members)), key=lambda number: not counts[number]
    )  # that may open something
    for number in most[:count]:
        (path, name), bare, made = members[number], without[number], copy.deepcopy(given)
        owner, slip = _at(made, path), _slip(name, rng)
        above = _at(made, path[:-1]) if path[-1] == "properties" and rng.random() < 0.3 else owner
        if rng.random() < 0.2:
            owner["zzzzzzz"] = {slip: owner.pop(name)}
            yield made, bare, True
        elif slip not in above:
            above[slip if above is owner else name] = owner.pop(name)
            yield made, bare, True
    for path in rng.sample(places, min(count, len(places))):
        name, made = rng.choice(_ODD), copy.deepcopy(given)
        if name not in _at(made, path):
            _at(made, path)[name] = rng.choice((1, None, 1.5, "x", [], {"a": 1}, True))
            yield made, given, False


def _without(given: dict[str, Json], path: list[Any], name: str) -> dict[str, Json]:
    made = copy.deepcopy(given)
    del _at(made, path)[name]
    return made


def _owners(value: Json, path: list[Any]) -> Iterator[list[Any]]:
    """Give the path of every object in a part of a request."""
    if isinstance(value, dict):
        yield path
    steps = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for step in steps:
        yield from _owners(value[step], [*path, step])


def _at(made: Json, path: list[Any]) -> Any:
    for step in path:
        made = made[step]
    return made


def _slip(name: str, rng: Random) -> str:
    place = rng.randrange(len(name) + 1)
    match rng.randrange(8):
        case 0:
            return name.upper()
        case 1:
            return name[:place] + rng.choice("_- .") + name[place:]
        case 2:
            return rng.choice(("is_", "has_", "is", "Has")) + name
        case 3:
            return name[:place] + name[place + 1 :] + "s"
        case 4:
            return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]
        case 5:
            return name[:place] + rng.choice("aeiouxyz") + name[place:]
        case 6:
            return rng.choice(("claims.", "https://claims.example/", "profile:")) + name
        case _:
            return name + "es"
