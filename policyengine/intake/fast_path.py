"""Let requests in that are plainly valid: parts built before, or dicts of plain values.

A door is for one target. It is opened when a request for it came in through the thorough way
(`model.request`), if there is nothing to follow from one entity to another, and no way in which
subject and resource could contradict. Where ancestors are asked for, they must be known. Whoever does not fit through, for
whatever reason, takes another way: `model.plain` if nothing is amiss, else the thorough way, and is
told there what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from policyengine.intake.access_plan import Plan
from policyengine.intake.fast_reader import type_of
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.needs import RequestNeeds
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.compiled_target import Compiled


class Door(Struct, eq=False):
    """What is asked at one door.

    *subject*, *resource*: the classes of the parts; *decide*: what is asked about parts that were
    built before, by the rules in *compiled*; *needs*: what these read. *read* takes the parts as dicts, and
    decides, too, some or all of them; it is made when the first come.
    """

    subject: type[Entity]
    resource: type[Entity]
    decide: Function
    compiled: Compiled
    needs: RequestNeeds
    read: Function | None = None


def make_door(compiled: Compiled, plan: Plan) -> Door | None:
    """Return the door for a target; None if its requests must be looked at more closely."""
    if not (plan.alone and plan.apart):
        return None
    subject, resource, _ = compiled.classes
    return Door(subject, resource, at_door(compiled, plan.needs), compiled, plan.needs)


def at_door(compiled: Compiled, needs: RequestNeeds) -> Function:
    """Return what looks at the parts of a request itself, and decides; None if they are not plain.

    Generated functions do that, but for those that ask what an entity lies within.
    """
    if not compiled.looks_up:
        return compiled.decide
    decide, (of_subject, of_resource, of_context) = compiled.decide, compiled.classes
    above_subject, above_resource = needs.subject.line, needs.resource.line

    def guarded(subject: Any, resource: Any, context: Any, moment: int = 0) -> Decision | None:
        if (
            type(subject) is of_subject
            and type(resource) is of_resource
            and type(context) is of_context
            and subject.plain_
            and resource.plain_
            and context.plain_
            and not (above_subject and subject.line is None)
            and not (above_resource and resource.line is None)
        ):
            found: Decision = decide(subject, resource, context, moment or clock.now())
            return found
        return None

    return guarded


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
