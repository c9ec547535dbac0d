"""Hold that no short policy text takes long, whatever it says: to check, to load, to decide, to explain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from policyengine import InvalidPolicy, PolicyEngine
from policyengine.model.types import (
    EntityRefType,
    EntityType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    Type,
)
from tests.seconds import seconds
from tests.strategies.costly import FAMILIES, costly_sets
from tests.whole import share, some

SECONDS = 6
"""Of CPU time, for ten thousand characters: five times what the slowest takes, since machines differ."""

MOST_SAID = 1_000_000
"""Characters of all that is wrong with a set, with the lines that it is about."""

_VALUES = {
    "bool": True, "int": 3, "decimal": "1", "string": "aab" * 30_000, "duration": "1d",
    "datetime": "2026-01-01", "ip": "10.0.0.1",
    "path": "/a" * 255 + "/b",
}  # fmt: skip
_MANY: dict[str, list[object]] = {
    "string": [f"x{n}" for n in range(1000)], "int": list(range(1000)),
    "path": [f"/{n}" + "/a" * 255 for n in range(1000)],
    "ip": [f"10.0.{n // 200}.{n % 200}" for n in range(1000)],
}  # fmt: skip


def value(type_: Type) -> object:
    """Return a value that is as large as a request may bring."""
    match type_:
        case Primitive(name):
            return _VALUES[name]
        case SetType(Primitive(name)) if name in _MANY:
            return _MANY[name]
        case SetType():
            return []
        case RecordType(attributes):
            return {a.name: value(a.type) for a in attributes if not a.optional}
        case EntityRefType(name):
            return {"type": name, "id": "x"}
        case LevelsType(members=members):
            return members[0]
        case _:
            return next(iter(type_.members))


def entity(type_: EntityType) -> dict[str, Any]:
    properties = {a.name: value(a.type) for a in type_.attributes}
    return {"type": type_.name, "id": "x", "properties": properties, "parents": []}


def use(text: str) -> None:
    """Load a set, decide once by it, read the reason, and ask what is left where nothing is known."""
    try:
        engine = PolicyEngine.from_text(text)
    except InvalidPolicy as refusal:
        if len(str(refusal)) > MOST_SAID:
            raise
        return
    schema = engine.schema
    for action in list(schema.actions.values())[:1]:
        subject, resource = (
            schema.entities[names[0]] for names in (action.subjects, action.resources)
        )
        others = [entity(type_) for name, type_ in schema.entities.items() if name == "User"]
        decision = engine.decide(
            entity(subject), action.name, entity(resource), value(action.context),
            entities=[other for other in others if other["type"] != subject.name],
        )  # fmt: skip
        assert isinstance(decision.reason, str)
        left = engine.partial(
            action=action.name, subject_type=subject.name, resource_type=resource.name
        )
        assert left.to_dict()["condition"] == left.text


@pytest.mark.parametrize("level", some([10, 4], 2))
@pytest.mark.parametrize("family", some([*FAMILIES], 5))
def test_no_family_is_costly(family: str, level: int):
    text, highest = (FAMILIES[family](10_000, one) for one in (level, 10))
    assert len(text) <= 10_000
    if level < 10 and text == highest:
        return  # of this family all levels are the same text, which is tried once
    assert seconds(lambda: use(text)) < SECONDS


@given(costly_sets())
@settings(max_examples=share(40, 10), deadline=None)
def test_no_mixture_is_costly(text: str):
    assert len(text) <= 11_000
    assert seconds(lambda: use(text)) < SECONDS
