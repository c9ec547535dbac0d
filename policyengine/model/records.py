"""Make a class for each record type, so that reading an attribute is as fast as Python can.

The classes are slotted and immutable, compare and hash by value, and are made once for each type.
A record that was built for a whole request (a context) also knows whether anything is lacking, and
the entities that were handed in where references stand.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from policyengine.model.types import RecordType
from policyengine.model.values import ABSENT, slot, text_of, to_python

if TYPE_CHECKING:
    from policyengine.model.entity_classes import Entity

__all__ = ["PLAIN", "Record", "record_class", "slot"]

PLAIN: Any = attrs.Factory(lambda self: self.complete_ and not self.carried_, takes_self=True)
"""Whether a record or an entity lacks nothing and carries nothing along."""


class Record:
    """A record of some `RecordType`; the canonical value of `a` is the attribute `v_a`.

    For Python programs `record["a"]` is the value as `model.values.to_python` gives it.
    """

    __slots__ = ()
    record_type: ClassVar[RecordType]

    if TYPE_CHECKING:
        carried_: tuple[Entity, ...]
        complete_: bool
        plain_: bool

        def __init__(self, *values: object, **rest: object) -> None: ...

    def __getitem__(self, name: str) -> object:
        attribute = self.record_type.by_name.get(name)
        value = ABSENT if attribute is None else getattr(self, slot(name))
        if attribute is None or value is ABSENT:
            raise KeyError(name)
        return to_python(attribute.type, value)

    def __repr__(self) -> str:
        return text_of(self.record_type, self)


_classes: dict[RecordType, type[Record]] = {}
_making = Lock()


def record_class(type_: RecordType) -> type[Record]:
    """Return the class of records of *type_*, always the same one.

    It takes the canonical values in the order of the type's attributes, `ABSENT` for what is not
    there.
    """
    made = _classes.get(type_)
    if made is None:
        with _making:  # two threads that meet here must get one class: equality is by class
            made = _classes.get(type_)
            if made is None:
                made = _classes[type_] = _make(type_)
    return made


def _make(type_: RecordType) -> type[Record]:
    fields: dict[str, Any] = {slot(a.name): attrs.field() for a in type_.attributes}
    fields["carried_"] = attrs.field(default=(), eq=False)
    fields["complete_"] = attrs.field(default=False, eq=False)
    fields["plain_"] = attrs.field(init=False, eq=False, default=PLAIN)
    made: type[Record] = attrs.make_class(
        "Record", fields, bases=(Record,), frozen=True, slots=True, eq=True, repr=False
    )
    made.record_type = type_
    return made
