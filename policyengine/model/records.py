"""Make a class for each record type, so that reading an attribute is as fast as Python can.

The classes are msgspec structs: slotted, immutable, and made in a tenth of the time that other
classes take. They compare and hash by value, and there is one for each type. A record that was
built for a whole request (a context) also knows whether anything is lacking, and the entities that
were handed in as references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec import defstruct

from policyengine.model.class_registry import ClassRegistry
from policyengine.model.sealed import Sealed, sealing, values_of
from policyengine.model.shown import shown_value
from policyengine.model.types import RecordType, holds_private
from policyengine.model.values import ABSENT, content_of, slot, to_python

if TYPE_CHECKING:
    from policyengine.model.entities import Closed, Entity

__all__ = ["Record", "record_class", "slot"]


class Record(Sealed, frozen=True, eq=False, gc=False, kw_only=True):
    """A record of some `RecordType`; the canonical value of `a` is the attribute `v_a`.

    For Python programs `record["a"]` is the value as `model.values.to_python` gives it. What
    requests are validated by ends in `_`: the entities carried along, whether nothing is lacking,
    and whether it is *plain*: nothing is, and none are; and the checks that it has passed (`Entity`).
    """

    record_type: ClassVar[RecordType]
    content_: ClassVar[Callable[[Any], object]]
    passed_: Collection[int] = ()

    if TYPE_CHECKING:
        carried_: tuple[Entity, ...] | Closed
        complete_: bool
        plain_: bool

        def __init__(self, *values: object, **rest: object) -> None: ...

    __iter__ = None  # it is no mapping, like an entity

    def __getitem__(self, name: str) -> object:
        attribute = self.record_type.by_name.get(name)
        value = ABSENT if attribute is None else getattr(self, slot(name))
        if attribute is None or value is ABSENT:
            raise KeyError(name)
        return to_python(attribute.type, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        content = type(self).content_
        return content(self) == content(other)

    def __ne__(self, other: object) -> bool:  # a struct's own does not ask `__eq__`
        return not self == other

    def __hash__(self) -> int:
        return hash(type(self).content_(self))

    def __reduce__(self) -> tuple[Callable[..., Record], tuple[object, ...]]:
        return _again, (self.record_type, *values_of(self))

    def __repr__(self) -> str:
        return shown_value(self.record_type, self)


def record_class(type_: RecordType) -> type[Record]:
    """Return the class of records of *type_*, the same one as long as it is in use.

    It takes the canonical values in the order of the type's attributes, `ABSENT` for what is not
    there.
    """
    return _classes(type_)


def _again(type_: RecordType, *values: object) -> Record:
    """Make a record that was pickled."""
    return record_class(type_)(*values)


def _make(type_: RecordType) -> type[Record]:
    slots = [slot(attribute.name) for attribute in type_.attributes]
    fields: list[Any] = [(name, object) for name in slots]
    fields += [("carried_", object, ()), ("complete_", bool, False), ("plain_", bool, False)]
    names = {"record_type": type_, "content_": content_of(slots)}
    names |= sealing(private=holds_private(type_))
    made: Any = defstruct(
        "Record", fields, bases=(Record,), namespace=names, frozen=True, eq=False, gc=False
    )
    return made  # type: ignore[no-any-return]  # a subclass of `Record`, by its bases


_classes: Final = ClassRegistry(_make)
