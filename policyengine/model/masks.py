"""Name the masks, by which a field is shown in part, and order them by how much they show.

The masks of a type form a chain, from the one that shows least to the one that shows most, and the field
itself is above all of them. How a field is shown is spelled as policies write it: `born as year`, or `born`
for the field itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.model.types import EntityRefType, EntityType, Primitive, RecordType, Type

Shown: TypeAlias = Mapping[str, str | None]
"""How each field is shown, by name: its mask, None for the field itself."""

PRESENT: Final = "present"
PSEUDONYM: Final = "pseudonym"
_DATES: Final = ("year", "month", "day")
_DIGITS: Final = ("digits(0)", "digits(1)", "digits(2)", "digits(3)")

_DETAIL: Final[Mapping[str | None, int]] = {
    PRESENT: 0, PSEUDONYM: 1, None: 9,
    **{mask: number for chain in (_DATES, _DIGITS) for number, mask in enumerate(chain, 1)},
}  # fmt: skip

ID: Final = "id"


class MaskedField(Struct, frozen=True):
    """A field of which a decision shows a part: how, and the type that it has."""

    name: str
    mask: str
    type: Type


def masks_of(type_: Type) -> tuple[str, ...]:
    """Return the masks that a field of *type_* takes; a record takes those that all its parts take."""
    match type_:
        case Primitive("datetime"):
            return PRESENT, *_DATES
        case Primitive("decimal"):
            return PRESENT, *_DIGITS
        case Primitive("string") | EntityRefType():
            return PRESENT, PSEUDONYM
        case RecordType((first, *others)):
            taken = [masks_of(part.type) for part in others]
            return tuple(m for m in masks_of(first.type) if all(m in masks for masks in taken))
        case _:
            return (PRESENT,)


def field_type(entity: EntityType, name: str) -> Type | None:
    """Return the type of a field, None if there is none; the id is the reference to the entity."""
    if name == ID:
        return EntityRefType(entity.name)
    attribute = entity.by_name.get(name)
    return None if attribute is None else attribute.type


def detail(mask: str | None) -> int:
    """Return how much a mask shows, as a number that compares those of one chain; None is the field itself."""
    return _DETAIL[mask]


def next_mask(mask: str) -> str | None:
    """Return the mask that shows a little more, if it is the same for all types."""
    for chain in (_DATES, _DIGITS):
        if mask in chain[:-1]:
            return chain[chain.index(mask) + 1]
    return None


def spelled(name: str, mask: str | None) -> str:
    """Return the text of a field that is shown so."""
    return name if mask is None else f"{name} as {mask}"


def field_and_mask(spelling: str) -> tuple[str, str | None]:
    """Return the name of the field, and how it is shown."""
    name, as_, mask = spelling.partition(" as ")
    return name, mask if as_ else None


def shows(shown: Shown, spelling: str) -> bool:
    """Whether a field is shown as it was asked for, or in more detail."""
    name, mask = field_and_mask(spelling)
    return name in shown and detail(shown[name]) >= detail(mask)
