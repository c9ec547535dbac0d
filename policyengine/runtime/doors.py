"""Let requests in that are plainly valid: parts built before, or dicts of plain values.

A door is for one target. It is opened when a request for it came in through the thorough way
(`model.request`), if there is nothing to follow from one entity to another, no ancestors to ask
for, and no way in which subject and resource could contradict. Whoever does not fit through, for
whatever reason, takes the thorough way and is told what is wrong there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeAlias

from attrs import define

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity, entity_class
from policyengine.model.limits import Limits
from policyengine.model.plans import Plan
from policyengine.model.records import Record, record_class
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT
from policyengine.runtime.program import Compiled

Read: TypeAlias = Callable[[Any], Any]
"""Returns the entity or the record that a dict says; None, or it fails, if that is not plain."""


@define(eq=False, slots=False)
class Door:
    """What is asked at one door.

    *subject*, *resource*, *context*: the classes of the parts; *nothing*: the context where none is
    given, None if there must be one; *timed*: whether time plays any part; *decide*: the generated
    function of *compiled*, which is itself asked about parts that were built before.
    *make_readers* makes what reads each of the parts from a dict. (Not slotted: attrs gives a
    slotted class with a cached property a `__getattr__`, and then every attribute is slow to read.)
    """

    subject: type[Entity]
    resource: type[Entity]
    context: type[Record]
    nothing: Record | None
    timed: bool
    decide: Callable[..., Decision]
    compiled: Compiled
    make_readers: Callable[[], tuple[Read, Read, Read]]

    @cached_property
    def readers(self) -> tuple[Read, Read, Read]:
        """What reads the subject, the resource and the context."""
        return self.make_readers()

    def let_in(self, subject: Any, resource: Any, context: Any) -> tuple[Any, Any, Any]:
        """Return the parts of a request for this target as `decide` takes them.

        Raises whatever comes of it if they are not plain.
        """
        read_subject, read_resource, read_context = self.readers
        if type(subject) is not self.subject:
            subject = read_subject(subject)
        if type(resource) is not self.resource:
            resource = read_resource(resource)
        if context is None:
            context = self.nothing
        elif type(context) is not self.context:
            context = read_context(context)
        if subject.plain_ and resource.plain_ and context.plain_:
            return subject, resource, context
        raise TypeError


def make_door(
    schema: Schema,
    compiled: Compiled,
    plan: Plan,
    make_readers: Callable[[], tuple[Read, Read, Read]],
    limits: Limits,
) -> Door | None:
    """Return the door for a target; None if its requests must be looked at more closely."""
    _, subject, resource = compiled.target
    of_entities = max(_depth(schema.entities[name]) for name in (subject, resource))
    too_deep = _AROUND + max(of_entities, _depth(plan.context_type)) > limits.document_depth
    if not (plan.alone and plan.apart) or compiled.looks_up or too_deep:
        return None
    return Door(
        entity_class(schema.entities[subject]),
        entity_class(schema.entities[resource]),
        record_class(plan.context_type),
        _nothing(plan.context_type),
        compiled.timed,
        compiled.decide,
        compiled,
        make_readers,
    )


_AROUND: Final = 2
"""Levels of a request around the properties of an entity or the context."""


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


def _nothing(type_: RecordType) -> Record | None:
    """Return the context with nothing in it, if it lacks nothing."""
    if not all(attribute.optional for attribute in type_.attributes):
        return None
    return record_class(type_)(*(ABSENT for _ in type_.attributes), complete_=True, plain_=True)
