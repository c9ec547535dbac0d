"""Make objects of what requests say as dicts, and hold that they are read the same way."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum
from random import Random
from types import SimpleNamespace
from typing import Any

from policyengine import PolicyEngine, Ref
from policyengine.model.limits import Limits
from policyengine.model.types import EntityRefType, RecordType, SetType
from tests.strategies.laws import Case

Json = Any
Agree = Callable[[PolicyEngine, dict[str, Json]], None]


class Raising:
    """Descriptor of an attribute that fails when it is read."""

    def __get__(self, *_: object) -> None:
        raise RuntimeError("the session is gone")


def objects_of(case: Case, rng: Random) -> tuple[PolicyEngine, dict[str, Json]]:
    """Return an engine with registered classes, and the request of *case* about objects of them.

    A reference is the object, or its id; where it is the id, that object is among the entities that are given.
    """
    engine = PolicyEngine(case.loaded.program, case.loaded.engine._checked, limits=Limits())
    raws = {(one["type"], one["id"]): one for one in case.given["entities"]}
    for part in (case.given["subject"], case.given["resource"]):
        raws[part["type"], part["id"]] = part
    types = engine.schema.entities
    by_id = {
        (name, a.name)
        for name, t in types.items()
        for a in t.attributes
        if _refers(a.type) and rng.random() < 0.3
    }
    classes = {name: type(name, (SimpleNamespace,), {}) for name in types}
    for name, class_ in classes.items():
        refs = {a: Ref(f"{a}_id") for of, a in by_id if of == name}
        engine.register(
            class_, name, id="pk", parents="above" if types[name].parents else None, **refs
        )
    made = {key: classes[key[0]](pk=key[1]) for key in raws}
    for (type_, id_), raw in raws.items():
        one, attributes = made[type_, id_], types[type_].attributes
        for attribute in attributes:
            value = raw.get("properties", {}).get(attribute.name)
            if (type_, attribute.name) in by_id:
                setattr(one, f"{attribute.name}_id", _ids(value))
            elif attribute.name in raw.get("properties", {}) or attribute.optional:
                setattr(one, attribute.name, _objects(attribute.type, value, made, rng))
        if "parents" in raw and types[type_].parents:
            one.above = [made.get((p["type"], p["id"]), p) for p in raw["parents"]]
    given = {name: case.given[name] for name in ("subject", "action", "resource", "context")}
    for part in ("subject", "resource"):
        given[part] = made[given[part]["type"], given[part]["id"]]
    rest = [
        one for one in made.values() if one is not given["subject"] and one is not given["resource"]
    ]
    context = engine.schema.actions[given["action"]].context.attributes
    stay = by_id or context or any(_in_record(a.type) for t in types.values() for a in t.attributes)
    return engine, {**given, "entities": rest if stay or rng.random() < 0.5 else None}


def _refers(type_: Any) -> bool:
    return isinstance(type_, EntityRefType) or (
        isinstance(type_, SetType) and _refers(type_.element)
    )


def _in_record(type_: Any) -> bool:
    """Whether a value of that type may have references in it that stay references."""
    return isinstance(type_, RecordType) or (
        isinstance(type_, SetType)
        and not isinstance(type_.element, EntityRefType)
        and _in_record(type_.element)
    )


def _ids(value: Json) -> Json:
    if isinstance(value, list):
        return [_ids(one) for one in value]
    return value["id"] if isinstance(value, dict) else value


def _objects(type_: Any, value: Json, made: dict[Any, Any], rng: Random) -> Json:
    """Return a value as a program may have it: objects for references, tuples for arrays, members of an `Enum`."""
    match type_, value:
        case EntityRefType(name), dict():
            return made.get((name, value["id"]), value)
        case SetType(element), list():
            each = [_objects(element, one, made, rng) for one in value]
            return rng.choice((list, tuple, lambda some: dict(enumerate(some)).values()))(each)
        case _, str() if (
            type(value) is str and rng.random() < 0.2 and not isinstance(type_, SetType)
        ):
            return Enum("Some", {"MEMBER": value}).MEMBER
        case _:
            return value


def spoilt_objects(
    engine: PolicyEngine, asked: dict[str, Json], rng: Random
) -> tuple[str, bool, dict[str, Json]] | None:
    """Return the request with an attribute that rules read spoilt, where, and whether it is surely refused.

    None if they read none.
    """
    target = asked["action"], type(asked["subject"]).__name__, type(asked["resource"]).__name__
    part = rng.choice(("subject", "resource"))
    needs = getattr(engine._program.needs(target), part)
    type_ = engine.schema.entities[target[1 if part == "subject" else 2]]
    names = [
        a.name
        for a in type_.attributes
        if a.name in needs.attributes and a.name in vars(asked[part])
    ]
    if not names or asked["subject"] is asked["resource"]:
        return None
    name = rng.choice(names)
    class_ = type(asked[part])
    derived = type(class_.__name__, (class_,), {}) if rng.random() < 0.5 else class_
    one = derived(**vars(asked[part]))
    delattr(one, name)
    refused = True
    match rng.choice(("missing", "raising", "odd", "any")):
        case "raising" if derived is not class_:
            setattr(derived, name, Raising())
        case "odd":
            setattr(one, name, rng.choice((object(), 1.5, uuid, lambda: True, iter(()))))
        case "any":
            refused = False
            setattr(one, name, rng.choice(_VALUES))
    return f"{part}.properties.{name}", refused, {**asked, part: one}


class _Text(str):
    __slots__ = ()


class _Number(int):
    pass


_VALUES: list[Any] = [
    None, True, 0, 10**30, "", "x", "2026-01-01", [], (), {}, {"type": "User", "id": "x1"}, ["x", "x"],
    {"x"}, frozenset(), [None], Enum("E", {"A": 1}).A, Enum("E", {"A": "red"}).A, uuid.UUID(int=1), b"x", [[]],
    _Text("x"), _Number(3), [_Text("x")], {"x": 1}.keys(), range(3), {"city": 1}, SimpleNamespace(pk="x1"),
]  # fmt: skip
