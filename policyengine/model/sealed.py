"""Keep private values out of encoders that write any struct by its fields: msgspec, `asdict`, `rich`.

msgspec writes a struct by its fields, whatever hook it is given. A class that holds private values
therefore has one field that is never set: code that reads all fields of such an object gets an
`AttributeError`. Reading a single field takes no longer than before.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any, Final, Self, TypeVar

from msgspec import Struct


class Sealed(Struct, frozen=True, eq=False, gc=False, kw_only=True):
    """The base of classes that may hold private values; *never_encoded_* is unset where they do."""

    never_encoded_: object = None

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("shown", repr(self))]


seal: Final[Callable[[Any], None]] = Sealed.__dict__["never_encoded_"].__delete__
"""Unsets the field of an object that is never encoded: encoders that read all fields then fail."""


def sealing(*, private: bool) -> dict[str, Any]:
    """Return an addition to the namespace of a class, by whether it holds private values."""
    return {"__post_init__": seal} if private else {}


def values_of(holder: Sealed) -> list[object]:
    """Return the values that the class of *holder* makes another of, private ones as well."""
    return [getattr(holder, name) for name in type(holder).__match_args__]


Holder = TypeVar("Holder", bound=Sealed)


def altered(holder: Holder, **changes: object) -> Holder:
    """Return *holder* with other values, as `msgspec.structs.replace` does for classes without a seal."""
    names = type(holder).__match_args__
    values = dict(zip(names, map(getattr, repeat(holder), names), strict=True)) | changes
    return type(holder)(*values.values())
