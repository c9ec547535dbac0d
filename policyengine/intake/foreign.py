"""Take objects of foreign classes for what they hold, and not for what they say of themselves.

A class of somebody's may fail when it is asked, or lie: about its length, about what it equals. So
its methods run here alone, and what is read afterwards is of built-in classes, or refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from policyengine.model.entities import Entity
from policyengine.model.records import Record
from policyengine.model.request_messages import class_name, got


class Refused(Struct, frozen=True):
    """A part of a request that is no value here, such as NaN in JSON, and why."""

    code: str
    message: str


class Repeated(dict[str, object]):
    """An object in which names stand twice."""

    names: tuple[str, ...] = ()


class FoundEntities(list[Any]):
    """The entities of a request: those that its caller gives, and those that are *found* because something refers to them.

    By which of its values is not known, so the places of these count as private.
    """

    __slots__ = ("given",)

    def __init__(self, given: Sequence[Any], found: Iterable[Any]) -> None:
        super().__init__([*given, *found])
        self.given = len(given)


_PLAIN: Final = frozenset(
    [str, int, bool, float, type(None), list, tuple, set, frozenset, Refused, Repeated]
)

_OURS: Final = (Entity, Record)

_NAMES: Final = frozenset([str, int, bool, float, type(None), Refused])

_COPIES: Final[Mapping[type, Callable[[Any], object]]] = {
    str: str.__str__,
    int: int.__int__,
    list: lambda raw: [*list.__iter__(raw)],
    tuple: lambda raw: (*tuple.__iter__(raw),),
    set: lambda raw: [*set.__iter__(raw)],  # a set would ask its elements what they equal
    frozenset: lambda raw: [*frozenset.__iter__(raw)],
    dict: lambda raw: object_of(dict.items(raw)),
}


def plain(raw: object) -> Any:
    """Return *raw*, or its content in a built-in class; `Refused` if it fails, or is not what it says."""
    made = type(raw)
    try:
        if made in _PLAIN or (made is dict and _has_plain_names(raw)):
            return raw
        if issubclass(made, _OURS):
            return raw
        for base, copy in _COPIES.items():
            if issubclass(made, base):
                return copy(raw)
        if isinstance(raw, Mapping):
            return object_of((name, raw[name]) for name in raw)
        if isinstance(raw, ValuesView | AbstractSet):  # also of the keys, or pairs, of a dict
            return [*raw]
        if raw.__class__ is not made:
            return Refused(
                "PE505", f"this is a `{class_name(made)}` that says it is something else"
            )
    except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
        return failed(problem)
    return raw


def first_of(raw: Iterable[object], most: int | None = None) -> list[object] | Refused:
    """Return what there is to iterate, at most the first *most*."""
    try:
        return list(islice(raw, most))
    except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
        return failed(problem)


def as_list(raw: object, most: int | None = None) -> Any:
    """Return what there is to iterate as a list, at most *most* and one more; what is no collection, as it is."""
    if type(raw) is FoundEntities:
        return raw
    raw = plain(raw)
    if isinstance(raw, Iterable) and not isinstance(raw, str | bytes | dict):
        return first_of(raw, None if most is None else most + 1)
    return raw


def is_found(entities: Sequence[Any], at: int) -> bool:
    """Return whether that one of the entities of a request is there because something refers to it."""
    return type(entities) is FoundEntities and at >= entities.given


def failed(problem: Exception) -> Refused:
    """Return the mark of what cannot be read."""
    return Refused("PE505", f"it cannot be read: that raised `{class_name(type(problem))}`")


def object_of(pairs: Iterable[tuple[object, object]]) -> dict[Any, object]:
    """Return an object with these names, which may stand twice."""
    given = [(_name(name), value) for name, value in pairs]
    made = dict(given)
    if len(made) == len(given):
        return made
    repeated = Repeated(made)
    times = Counter(name for name, _ in given)
    repeated.names = tuple(
        name for name, count in times.items() if count > 1 and isinstance(name, str)
    )
    return repeated


def _name(raw: object) -> Any:
    """Return a name in an object, or the mark of what is none; it asks a foreign one nothing."""
    name = plain(raw)
    if type(name) in _NAMES:
        return name
    return Refused("PE505", f"expected a name as key, got {got(name, private=False)}")


def _has_plain_names(raw: Any) -> bool:
    return all(type(name) is str for name in raw)
