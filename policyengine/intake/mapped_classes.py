"""Say how objects of registered classes are read, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from keyword import iskeyword
from numbers import Integral
from typing import Any, Final, TypeAlias
from uuid import UUID

from msgspec import Struct

from policyengine.intake.foreign import Refused, failed
from policyengine.model.request_messages import class_name
from policyengine.model.types import EntityRefType, EntityType, SetType, Type


class Ref(Struct, frozen=True):
    """What gives the id of an entity that is referred to, or several: `owner=Ref("owner_id")`.

    *of*: the name of an attribute of the object, or a function of the object. *type*: the type of the entity, which
    parents need if they may be of several.
    """

    of: str | Callable[[Any], object]
    type: str | None = None


AttributeSource: TypeAlias = "str | Ref | Callable[[Any], object] | None"
"""What gives an attribute of an entity: an attribute of the object, a `Ref`, a function of the object; None for
nothing, so that it is never given."""

BUILT_IN: Final = frozenset(
    [dict, str, bytes, int, float, bool, list, tuple, set, frozenset, type(None), object]
)


class Mapped(Struct, frozen=True, eq=False):
    """How objects of one class say what an entity of *type* is."""

    type: EntityType
    name: str
    id: AttributeSource
    parents: AttributeSource
    attributes: Mapping[str, AttributeSource]

    def read(self, given: object, source: AttributeSource) -> object:
        """Return what *source* gives of an object; `Refused` if that fails."""
        of = source.of if isinstance(source, Ref) else source
        try:
            if callable(of):
                return of(given)
            assert of is not None
            return getattr(given, of)
        except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
            what = (
                f"`{of}` of `{self.name}`"
                if isinstance(of, str)
                else f"what `{self.name}` is read by"
            )
            return Refused(
                "PE505", f"{what} cannot be read: that raised `{class_name(type(problem))}`"
            )

    def id_of(self, given: object) -> object:
        """Return the id of an object, as a string if it is one or a number."""
        try:
            return id_text(self.read(given, self.id))
        except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
            return failed(problem)


def is_made(source: AttributeSource) -> bool:
    """Whether what a source gives is made for who asks."""
    return callable(source.of if isinstance(source, Ref) else source)


class NoClass:
    """The class of no value."""


def is_a_name(text: object) -> bool:
    """Whether a text can stand after a dot in a program."""
    return isinstance(text, str) and text.isidentifier() and not iskeyword(text)


def elements(raw: Any) -> Any:
    """Return a collection of Python's own, or derived from one; raises for others, which need a closer look."""
    if not isinstance(raw, list | tuple | set | frozenset):
        raise TypeError
    return raw


def texts(raw: Any) -> object:
    """Return the names in a set, of which some may be of an `Enum`."""
    return raw if _STRING.issuperset(map(type, elements(raw))) else [*map(scalar, raw)]


_STRING: Final = frozenset([str])


def id_text(raw: object) -> object:
    """Return an id as a string, if it is a string, a whole number or a UUID."""
    raw = scalar(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        return int.__repr__(raw)  # a derived class may say something else
    if raw is None:
        return Refused("PE505", "the id is None: an object that was not saved has none yet")
    return raw


def scalar(raw: object) -> object:
    """Return a value as a value of Python's own: of an `Enum` its value, of a `UUID` its text."""
    made = type(raw)
    if issubclass(made, Enum):
        return scalar(raw.value)  # type: ignore[attr-defined]  # as any member has
    if issubclass(made, UUID):
        return UUID.__str__(raw)  # a derived class may say something else
    if made.__module__ == "numpy":
        if issubclass(made, Integral):
            return int(raw)  # type: ignore[call-overload]  # as any `Integral` can
        if made.__name__ in ("bool", "bool_"):
            return bool(raw)
    return raw


def not_a_set(raw: object) -> Refused:
    """Return the mark of what is no collection."""
    return Refused("PE505", f"expected a set, got a `{class_name(type(raw))}`")


def has_fields(class_: type) -> bool:
    """Whether objects of a class say by themselves which fields they have."""
    names = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "__struct_fields__")
    return any(hasattr(class_, name) for name in names) or (
        issubclass(class_, tuple) and hasattr(class_, "_fields")
    )


def referred(type_: Type) -> tuple[str, ...]:
    """Return the entity types that a value, or the elements of a set, refer to."""
    match type_:
        case EntityRefType(name):
            return (name,)
        case SetType(element):
            return referred(element)
        case _:
            return ()
