"""Let requests in that are plainly valid: parts built before, or dicts of plain values.

A door is for one target. It is opened when a request for it came in through the thorough way
(`model.request`), if there is nothing to follow from one entity to another, no ancestors to ask
for, and no way in which subject and resource could contradict. Whoever does not fit through, for
whatever reason, takes another way: `model.plain` if nothing is amiss, else the thorough way, and is
told there what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity, entity_class
from policyengine.model.plain import type_of
from policyengine.model.plans import Plan
from policyengine.model.types import Schema
from policyengine.runtime.compiled import Compiled
from policyengine.runtime.rules import Function


class Door(Struct, eq=False):
    """What is asked at one door.

    *subject*, *resource*: the classes of the parts; *decide*: the generated function of *compiled*,
    which is itself asked about parts that were built before. *read* takes the parts as dicts, and
    decides, too, some or all of them; it is made when the first come.
    """

    subject: type[Entity]
    resource: type[Entity]
    decide: Function
    compiled: Compiled
    read: Function | None = None


def make_door(schema: Schema, compiled: Compiled, plan: Plan) -> Door | None:
    """Return the door for a target; None if its requests must be looked at more closely."""
    _, subject, resource = compiled.target
    if not (plan.alone and plan.apart) or compiled.looks_up:
        return None
    return Door(
        entity_class(schema.entities[subject]),
        entity_class(schema.entities[resource]),
        compiled.decide,
        compiled,
    )


def way_of_entities(doors: Iterable[Door]) -> Function:
    """Return what decides about requests of built parts that one of *doors* is for."""
    functions = {(door.subject, door.resource): door.decide for door in doors}
    if len(functions) == 1:
        return next(iter(functions.values()))

    def way(subject: Any, resource: Any, context: Any, now: int = 0) -> Decision | None:
        found: Decision | None = functions[type(subject), type(resource)](
            subject, resource, context, now
        )
        return found

    return way


def way_of_dicts(doors: Iterable[Door]) -> Function:
    """Return what decides about requests in which there are dicts, if one of *doors* reads them."""
    functions = {(door.subject.type, door.resource.type): door.read for door in doors if door.read}
    if len(functions) == 1:
        return next(iter(functions.values()))

    def way(subject: Any, resource: Any, context: Any, now: int = 0) -> Decision | None:
        found: Decision | None = functions[type_of(subject), type_of(resource)](
            subject, resource, context, now
        )
        return found

    return way
