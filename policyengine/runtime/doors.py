"""Let requests in that are plainly valid: built parts that carry all that the rules read.

A door is for one action and two classes of entities. It is opened when a request for them came in
through the thorough way (`model.request`), if there is nothing to follow from one entity to
another, and no way in which subject and resource could contradict. Whoever does not fit through,
for whatever reason, takes the thorough way and is told what is wrong there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import frozen

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity
from policyengine.model.records import Record, record_class
from policyengine.model.request import Request, Validator
from policyengine.model.types import RecordType
from policyengine.model.values import ABSENT
from policyengine.runtime.program import Program

DoorKey: TypeAlias = tuple[str, type[Any], type[Any]]
"""The action, and the classes of subject and resource."""


@frozen(eq=False)
class Door:
    """What is asked at one door.

    *subject*, *resource*: the classes of entities. *context*: the class of contexts; *nothing*: the context where none is given, None if there must
    be one; *timed*: whether the time plays any part; *decide*: the generated function.
    """

    subject: type[Entity]
    resource: type[Entity]
    context: type[Record]
    nothing: Record | None
    timed: bool
    decide: Callable[..., Decision]


def make_door(program: Program, validator: Validator, request: Request) -> Door | None:
    """Return the door for requests like this one, which is valid; None if there can be none."""
    target = request.action, request.subject.type, request.resource.type
    plan = validator.plan(target)
    looks_up = plan.needs.subject.line or plan.needs.resource.line
    if not (plan.alone and plan.apart) or looks_up:
        return None
    compiled = program.compiled(target)
    return Door(
        type(request.subject),
        type(request.resource),
        record_class(plan.context_type),
        _nothing(plan.context_type),
        compiled.timed,
        compiled.decide,
    )


def _nothing(type_: RecordType) -> Record | None:
    """Return the context with nothing in it, if it lacks nothing."""
    if not all(attribute.optional for attribute in type_.attributes):
        return None
    return record_class(type_)(*(ABSENT for _ in type_.attributes), complete_=True, plain_=True)
