"""Plan what must be looked at in requests for one action and two types, so that it is done once.

A request of built parts needs little looking: the parts were validated when they were built, so only
what the rules read beyond them must be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import frozen

from policyengine.model.entity_classes import Entity, Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT, slot

Target: TypeAlias = tuple[str, str, str]
"""(action, subject type, resource type): what needs are told for."""


@frozen
class Plan:
    """What is worked out once for an action and two types.

    *alone*: whether what is needed is in the subject, the resource and the context themselves
    (their lines, too, if they are known), so that nothing must be followed. *apart*: whether subject
    and resource cannot tell of one another, since neither type can lie in the other, nor is it the
    same. *steps*: what must be followed from each of the three, None if it leads through sets or
    ancestors.
    """

    needs: RequestNeeds
    context_type: RecordType
    alone: bool
    apart: bool
    steps: tuple[tuple[_Step, ...], tuple[_Step, ...], tuple[_Step, ...]] | None


@frozen
class _Step:
    """An attribute that is followed: to the entity type *to*, or (None) into a record."""

    slot: str
    to: str | None
    then: tuple[_Step, ...]


class _NotPlainError(Exception):
    """What is needed leads through sets or ancestors."""


def _steps(schema: Schema, type_: EntityType | RecordType, needs: Needs) -> tuple[_Step, ...]:
    """Return what must be followed from a value of *type_*; raises `_NotPlainError`."""
    if needs.line:
        raise _NotPlainError
    steps: list[_Step] = []
    for name, part in needs.attributes.items():
        attribute = type_.by_name.get(name)
        match attribute and attribute.type:
            case EntityRefType(entity) if part:
                steps.append(
                    _Step(slot(name), entity, _steps(schema, schema.entities[entity], part))
                )
            case RecordType() as record:
                then = _steps(schema, record, part)
                if then:
                    steps.append(_Step(slot(name), None, then))
            case SetType() if part.elements:
                raise _NotPlainError
    return tuple(steps)


def reached(owner: object, steps: tuple[_Step, ...], known: Mapping[Key, Entity]) -> bool:
    """Whether every entity that the steps lead to is known."""
    for step in steps:
        value = getattr(owner, step.slot)
        if value is ABSENT:  # an optional one: nothing that is built lacks another
            continue
        if step.to is not None:
            value = known.get((step.to, value))
            if value is None:
                return False
        if step.then and not reached(value, step.then, known):
            return False
    return True


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
    try:
        of_subject, of_resource, of_context = (_steps(schema, root, part) for root, part in roots)
    except _NotPlainError:
        return Plan(needs, context, alone, apart, None)
    return Plan(needs, context, alone, apart, (of_subject, of_resource, of_context))


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
