"""Plan what must be looked at in requests for one action and two types, so that it is done once.

A request of built parts needs little looking: the parts were validated when they were built, so only
what the rules read beyond them must be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from policyengine.model.entities import Entity, Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import Record, record_class
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT, slot

Target: TypeAlias = tuple[str, str, str]
"""(action, subject type, resource type): what needs are told for."""


class Plan(Struct, frozen=True):
    """What is worked out once for an action and two types.

    *context_class*: the class of contexts. *alone*: whether what is needed is in the subject, the
    resource and the context themselves (their lines, too, if they are known), so that nothing must
    be followed. *apart*: whether subject and resource cannot tell of one another, since neither type
    can lie in the other, nor is it the same. *steps*: what must be followed from each of the three; *others*: what is read of the
    entities that they lead to, by type.
    """

    needs: RequestNeeds
    context_type: RecordType
    context_class: type[Record]
    alone: bool
    apart: bool
    steps: tuple[Steps, Steps, Steps]
    others: Mapping[str, Needs]

    def lead(
        self,
        subject: Entity,
        resource: Entity,
        context: Record,
        find: Callable[[Key], Entity | None],
    ) -> bool:
        """Whether all that is needed is known: entities by *find*, and the lines of some.

        That none of the parts and of the entities lacks an attribute that is read, the caller has
        seen.
        """
        of_subject, of_resource, of_context = self.steps
        return (
            (subject.line is not None or not self.needs.subject.line)
            and (resource.line is not None or not self.needs.resource.line)
            and (not of_subject or _reached(subject, of_subject, find))
            and (not of_resource or _reached(resource, of_resource, find))
            and (not of_context or _reached(context, of_context, find))
        )

    def reached(
        self,
        subject: Entity,
        resource: Entity,
        context: Record,
        entities: Mapping[Key, Entity],
    ) -> Iterator[Entity]:
        """Give the entities that rules follow to in a request that is valid, some perhaps twice."""
        for part, steps in zip((subject, resource, context), self.steps, strict=True):
            yield from _followed(part, steps, entities)


class _Step(Struct, frozen=True):
    """An attribute that is followed: to the entity type *to*, or (None) into a record.

    *sets*: in how many sets of sets it lies; *line*: whether the ancestors of the entity are asked
    for.
    """

    slot: str
    to: str | None
    sets: int
    line: bool
    then: Steps


Steps: TypeAlias = tuple[_Step, ...]


def _steps(
    schema: Schema, type_: EntityType | RecordType, needs: Needs, others: dict[str, Needs]
) -> Steps:
    """Return what must be followed from a value of *type_*; notes in *others* to what."""
    steps: list[_Step] = []
    for name, part in needs.attributes.items():
        attribute = type_.by_name.get(name)
        found, sets, read = attribute and attribute.type, 0, part
        while isinstance(found, SetType):
            found, sets, read = found.element, sets + 1, read.elements or NOTHING
        if isinstance(found, EntityRefType) and read:
            others[found.name] = others.get(found.name, NOTHING) | read
            then = _steps(schema, schema.entities[found.name], read, others)
            steps.append(_Step(slot(name), found.name, sets, read.line, then))
        elif isinstance(found, RecordType):
            then = _steps(schema, found, read, others)
            if then:
                steps.append(_Step(slot(name), None, sets, line=False, then=then))
    return tuple(steps)


def _reached(owner: object, steps: Steps, find: Callable[[Key], Entity | None]) -> bool:
    """Whether every entity that the steps lead to is known."""
    for step in steps:
        value = getattr(owner, step.slot)
        if value is not ABSENT and not _steps_on(value, step, step.sets, find):
            return False
    return True


def _steps_on(value: Any, step: _Step, sets: int, find: Callable[[Key], Entity | None]) -> bool:
    """Whether every entity that a step leads to from *value*, in that many sets, is known."""
    if sets:
        return all(_steps_on(element, step, sets - 1, find) for element in value)
    if step.to is not None:
        value = find((step.to, value))
        if value is None or (step.line and value.line is None):
            return False
    return not step.then or _reached(value, step.then, find)


def _followed(owner: object, steps: Steps, entities: Mapping[Key, Entity]) -> Iterator[Entity]:
    """Give the entities that the steps lead to."""
    for step in steps:
        value = getattr(owner, step.slot)
        values = [] if value is ABSENT else [value]
        for _ in range(step.sets):
            values = [element for several in values for element in several]
        if step.to is not None:
            values = [entities[step.to, id_] for id_ in values]
            yield from values
        for found in values:
            yield from _followed(found, step.then, entities)


def _follows(type_: Type | EntityType, needs: Needs) -> bool:
    """Whether what is needed of a value leads beyond it, to another entity."""
    match type_:
        case EntityRefType():
            return bool(needs)
        case SetType(element):
            return _follows(element, needs.elements or NOTHING)
        case EntityType() | RecordType():
            parts = ((type_.by_name.get(name), part) for name, part in needs.attributes.items())
            return any(a is not None and _follows(a.type, part) for a, part in parts)
        case _:
            return False


def make_plan(schema: Schema, target: Target, needs: RequestNeeds) -> Plan:
    """Return the plan for *target*."""
    action, subject, resource = target
    context = schema.actions[action].context
    roots = (
        (schema.entities[subject], needs.subject),
        (schema.entities[resource], needs.resource),
        (context, needs.context),
    )
    alone = not any(_follows(root, part) for root, part in roots)
    apart = subject not in _above(schema, resource) and resource not in _above(schema, subject)
    others: dict[str, Needs] = {}
    of_subject, of_resource, of_context = (_steps(schema, t, n, others) for t, n in roots)
    steps = of_subject, of_resource, of_context
    return Plan(needs, context, record_class(context), alone, apart, steps, others)


def _above(schema: Schema, type_: str) -> set[str]:
    """Return the names of the entity types that one of *type_* may be, or lie in."""
    found: set[str] = set()
    waiting = [type_]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += schema.entities[name].parents
    return found


_AROUND: Final = 3
"""Levels of a request around the properties of an entity in `entities`."""
_PARENT: Final = 5
"""Levels of a request down to one of an entity's parents."""


def depth(schema: Schema) -> int:
    """Return how many levels of arrays and objects a request that fits *schema* has at most."""
    types: list[Type | EntityType] = [action.context for action in schema.actions.values()]
    types += schema.entities.values()
    return max(_PARENT, _AROUND + max(map(_depth, types), default=0))


def _depth(type_: Type | EntityType) -> int:
    """Return how many levels of arrays and objects a value of *type_* has as JSON."""
    match type_:
        case EntityType() | RecordType():
            return 1 + max((_depth(a.type) for a in type_.attributes), default=0)
        case SetType(element):
            return 1 + _depth(element)
        case EntityRefType():
            return 1
        case _:
            return 0
