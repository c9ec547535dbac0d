"""Describe the part of a request that rules may read, and that must therefore be given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from policyengine.model.types import (
    EntityRefType,
    EntityType,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    Type,
)


class Needs(Struct, frozen=True):
    """The parts of one value that may be read.

    *attributes*: of a record or an entity, by name (`id` is not listed: it is always there);
    *elements*: of each element of a set; *line*: whether the ancestors of an entity are read; *above*:
    of each of those that are of a type that rules ask for (`ancestors`), by the type, and then the line
    is read as well. An entity of which an attribute or the line is needed must itself be given.
    """

    attributes: Mapping[str, Needs] = field(default_factory=dict)
    elements: Needs | None = None
    line: bool = False
    above: Mapping[str, Needs] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.attributes or self.elements or self.line)

    def paths(self, root: str) -> Iterator[str]:
        """Yield every path below *root* that may be read."""
        if self.line:
            yield f"{root} and its ancestors"
        for name, part in self.attributes.items():
            yield f"{root}.{name}"
            yield from part.paths(f"{root}.{name}")
        if self.elements is not None:
            yield from self.elements.paths(f"{root}[]")
        for type_, part in self.above.items():
            yield from part.paths(f"ancestors({root}, {type_})[]")

    def asks_line(self) -> bool:
        """Whether the ancestors of an entity are read, of the value or of what it leads to."""
        return self.line or any(part.asks_line() for part in self._inner())

    def asks_above(self) -> bool:
        """Whether ancestors are asked for by their type, of the value or of what it leads to."""
        return bool(self.above) or any(part.asks_above() for part in self._inner())

    def _inner(self) -> tuple[Needs, ...]:
        """Return the needs of what the value leads to."""
        elements = () if self.elements is None else (self.elements,)
        return (*self.attributes.values(), *elements, *self.above.values())

    def __or__(self, other: Needs) -> Needs:
        if not self:
            return other
        if not other:
            return self
        attributes = _merged(self.attributes, other.attributes)
        elements = (
            self.elements | other.elements
            if self.elements is not None and other.elements is not None
            else self.elements
            if other.elements is None
            else other.elements
        )
        above = _merged(self.above, other.above)
        return Needs(attributes, elements, self.line or other.line, above)


def _merged(one: Mapping[str, Needs], other: Mapping[str, Needs]) -> Mapping[str, Needs]:
    merged = dict(one)
    for name, needs in other.items():
        merged[name] = merged[name] | needs if name in merged else needs
    return merged


NOTHING = Needs()


def whole_of(type_: Type) -> Needs:
    """Return what is needed of a value that is read as a whole, without what it refers to."""
    match type_:
        case RecordType(attributes):
            return Needs({part.name: whole_of(part.type) for part in attributes})
        case SetType(element):
            return Needs(elements=whole_of(element))
        case _:
            return NOTHING


class RequestNeeds(Struct, frozen=True):
    """The parts of a request's subject, resource and context that may be read."""

    subject: Needs = NOTHING
    resource: Needs = NOTHING
    context: Needs = NOTHING

    @property
    def parts(self) -> tuple[Needs, Needs, Needs]:
        """The needs of the subject, the resource and the context."""
        return self.subject, self.resource, self.context

    def __or__(self, other: RequestNeeds) -> RequestNeeds:
        return RequestNeeds(
            self.subject | other.subject,
            self.resource | other.resource,
            self.context | other.context,
        )


def read_of_each(
    schema: Schema, target: TargetKey, needs: RequestNeeds
) -> Iterator[tuple[EntityType | RecordType, Needs]]:
    """Give the types of the entities and records that *needs* lead to, each time with what is read of it there."""
    action, subject, resource = target
    waiting: list[tuple[Type | EntityType, Needs]] = [
        (schema.entities[subject], needs.subject),
        (schema.entities[resource], needs.resource),
        (schema.actions[action].context, needs.context),
    ]
    while waiting:
        type_, part = waiting.pop()
        match type_:
            case EntityRefType(name):
                waiting.append((schema.entities[name], part))
            case SetType(element):
                waiting.append((element, part.elements or NOTHING))
            case EntityType() | RecordType() if part:
                yield type_, part
                waiting += [(schema.entities[name], inner) for name, inner in part.above.items()]
                waiting += [
                    (type_.by_name[name].type, inner)
                    for name, inner in part.attributes.items()
                    if name in type_.by_name
                ]
            case _:
                pass
