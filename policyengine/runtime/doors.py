"""Let requests in that are plainly valid: parts built before, or dicts of plain values.

A door is for one target. It is opened when a request for it came in through the thorough way
(`model.request`), if there is nothing to follow from one entity to another, no ancestors to ask
for, and no way in which subject and resource could contradict. Whoever does not fit through, for
whatever reason, takes another way: `model.plain` if nothing is amiss, else the thorough way, and is
told there what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from attrs import define

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity, entity_class
from policyengine.model.plans import Plan
from policyengine.model.types import Schema
from policyengine.runtime import clock
from policyengine.runtime.program import Compiled


@define(eq=False, slots=False)
class Door:
    """What is asked at one door.

    *subject*, *resource*: the classes of the parts; *timed*: whether time plays any part; *decide*:
    the generated function of *compiled*, which is itself asked about parts that were built before.
    *make_reading* makes a function that reads the parts from dicts, and decides. (Not slotted: attrs
    gives a slotted class with a cached property a `__getattr__`, and then every attribute is slow to
    read.)
    """

    subject: type[Entity]
    resource: type[Entity]
    timed: bool
    decide: Callable[..., Decision]
    compiled: Compiled
    make_reading: Callable[[], Callable[..., Decision | None]]

    @cached_property
    def read(self) -> Callable[..., Decision | None]:
        """Decides about dicts, at some moment; None, or it fails, if they are not plain."""
        return self.make_reading()

    def let_in(
        self, subject: object, resource: object, context: object, moment: int | None
    ) -> Decision | None:
        """Decide about dicts, now or at *moment*; None, or it fails, if they are not plain."""
        given = {} if context is None else context
        if moment is None:
            moment = clock.now() if self.timed else 0
        return self.read(subject, resource, given, moment)


def make_door(
    schema: Schema,
    compiled: Compiled,
    plan: Plan,
    make_reading: Callable[[], Callable[..., Decision | None]],
) -> Door | None:
    """Return the door for a target; None if its requests must be looked at more closely."""
    _, subject, resource = compiled.target
    if not (plan.alone and plan.apart) or compiled.looks_up:
        return None
    return Door(
        entity_class(schema.entities[subject]),
        entity_class(schema.entities[resource]),
        compiled.timed,
        compiled.decide,
        compiled,
        make_reading,
    )
