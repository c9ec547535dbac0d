"""Draw the values of a context: those that rules mention, their neighbours, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Final

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lowered import Rule
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import to_python

_USUAL: Final[dict[str, tuple[Any, ...]]] = {
    "bool": (True, False), "int": (0, 1, 100), "decimal": ("0", "9.99"), "string": ("", "other"),
    "path": ("/", "/other"), "ip": ("192.0.2.1", "2001:db8::1"), "duration": ("0s", "1d"),
    "months": ("0mo", "1y"), "datetime": ("2020-02-29T00:00:00Z", "2099-01-01T00:00:00Z"),
}  # fmt: skip
"""Values of each type that are tried whatever rules mention."""

_STEPS: Final[dict[str, tuple[Any, ...]]] = {
    "int": (-1, 0, 1),
    "datetime": (timedelta(microseconds=-1), timedelta(0), timedelta(microseconds=1)),
}
"""What leads from a value to its neighbours."""

_ABSENT_OF_TEN: Final = 3


class DrawnValues(Struct):
    """Draws values; *mentioned* are the constants of rules by type, *ids* gives some of an entity type."""

    random: Random
    mentioned: dict[Type, list[Any]]
    ids: Callable[[str], Sequence[str]]

    def record(self, attributes: Iterable[Attribute]) -> dict[str, Any]:
        """Return values of *attributes*, without some of the optional ones."""
        return {
            one.name: self.value(one.type)
            for one in attributes
            if not one.optional or self.random.randrange(10) >= _ABSENT_OF_TEN
        }

    def value(self, type_: Type) -> Any:
        """Return a value, as a request has it in Python."""
        random = self.random
        match type_:
            case EnumType() | LevelsType() | TaxonomyType():
                return random.choice(type_.members)
            case EntityRefType(name):
                some = [*self.ids(name), "nobody"]
                return {"type": name, "id": random.choice(some)}
            case SetType(element):
                made = [self.value(element) for _ in range(random.choice((0, 1, 1, 2, 3)))]
                whole = self.mentioned.get(type_, ())
                if whole and random.random() < 0.5:  # noqa: PLR2004 - one time of two
                    made += random.choice(whole)
                return [one for at, one in enumerate(made) if one not in made[:at]]
            case RecordType(attributes):
                return self.record(attributes)
            case Primitive(name):
                known = self.mentioned.get(type_)
                if known and random.randrange(3):
                    return (
                        random.choice(known) + random.choice(_STEPS[name])
                        if name in _STEPS
                        else random.choice(known)
                    )
                return random.choice(_USUAL[name])
            case _:
                raise TypeError(type_)


def mentioned_in(rules: Iterable[Rule]) -> dict[Type, list[Any]]:
    """Return the constants that *rules* mention, by type, as Python values; elements of sets, too."""
    found: dict[Type, dict[object, None]] = {}

    def add(type_: Type, value: Any) -> None:
        found.setdefault(type_, {})[value] = None
        if isinstance(type_, SetType):
            for element in value:
                add(type_.element, element)

    for rule in rules:
        for condition in rule.conditions:
            for part in ir.walk(condition):
                if isinstance(part, ir.Const):
                    add(part.type, part.value)
    return {type_: [to_python(type_, value) for value in values] for type_, values in found.items()}
