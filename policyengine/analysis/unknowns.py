"""Stand for values that a search has not chosen: an unknown number, text, set, record or entity.

What the rules ask of an unknown is answered by the search (`constrained_request.py`), once and for all: what
was answered before settles it or, where both answers are possible, each is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeAlias

from attrs import Factory, define, frozen

from policyengine.model.types import Attribute, RecordType, Schema, Type
from policyengine.model.values import slot

_SLOT = slot("")

Place: TypeAlias = tuple[Hashable, ...]
"""Where a value is in a request: an attribute of an entity by its id, a part of the context."""


class Answers(Protocol):
    """The search that answers what is asked of unknowns."""

    schema: Schema

    def number(self, place: Place) -> UnknownNumber:
        """Return the number at *place*."""

    def at_most(self, number: int | UnknownNumber, most: int) -> bool:
        """Whether *number* is *most* or less."""

    def attribute(self, part: Attribute, place: Place) -> object:
        """Return a part of an entity or a record, which may be absent if it is optional."""

    def ancestors(self, of: tuple[str, str], type_: str) -> UnknownSet:
        """Return the entities of a type within which one lies, itself among them."""

    def contains(self, one: UnknownSet, element: object) -> bool:
        """Whether *element* is in a set."""


@frozen(eq=False)
class UnknownNumber:
    """A sum of numbers that are not chosen, each times a whole number, and a *constant*."""

    state: Answers
    parts: Mapping[Place, int]
    constant: int = 0

    def plus(self, other: int | UnknownNumber, times: int = 1) -> int | UnknownNumber:
        """Return the sum of this and so many times the other."""
        if not isinstance(other, UnknownNumber):
            return UnknownNumber(self.state, self.parts, self.constant + times * other)
        parts = dict(self.parts)
        for place, of in other.parts.items():
            parts[place] = parts.get(place, 0) + times * of
        left = {place: of for place, of in parts.items() if of}
        constant = self.constant + times * other.constant
        return UnknownNumber(self.state, left, constant) if left else constant

    @property
    def key(self) -> Place:
        """What it is: the same for two that are always equal."""
        return "sum", frozenset(self.parts.items()), self.constant

    def __add__(self, other: int | UnknownNumber) -> int | UnknownNumber:
        return self.plus(other)

    __radd__ = __add__

    def __sub__(self, other: int | UnknownNumber) -> int | UnknownNumber:
        return self.plus(other, -1)

    def __rsub__(self, other: int) -> int | UnknownNumber:
        return (-self).plus(other)

    def __neg__(self) -> UnknownNumber:
        return self._scaled(-1)

    def _scaled(self, by: int) -> UnknownNumber:
        parts = {place: by * of for place, of in self.parts.items()}
        return UnknownNumber(self.state, parts, by * self.constant)

    def __mul__(self, other: int | UnknownNumber) -> int | UnknownNumber:
        if isinstance(other, UnknownNumber):
            return self.state.number(("product", frozenset({self.key, other.key})))
        return self._scaled(other) if other else 0

    __rmul__ = __mul__

    def __lt__(self, other: int | UnknownNumber) -> bool:
        return self.state.at_most(self.plus(other, -1), -1)

    def __le__(self, other: int | UnknownNumber) -> bool:
        return self.state.at_most(self.plus(other, -1), 0)

    def __gt__(self, other: int | UnknownNumber) -> bool:
        return not self <= other

    def __ge__(self, other: int | UnknownNumber) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, int | UnknownNumber)
        return self <= other and self >= other

    __hash__ = None  # type: ignore[assignment]  # it is equal to what it turns out to be


@frozen(eq=False)
class UnknownText:
    """A text, path or address that is not chosen; *made*: how it is made of the one at *place*."""

    place: Place
    type: Type
    made: tuple[str, ...] = ()

    @property
    def key(self) -> Place:
        """What it is: the same for two that are always equal."""
        return (*self.made, self.place)


Predicate: TypeAlias = Callable[[Any], bool]


@define(eq=False)
class UnknownSet:
    """A set of which some elements are known, and some things that none is.

    *of*: the entity whose ancestors of a type it has. *none*: what holds of no element, and the choices
    on which that depends.
    """

    place: Place
    element: Type
    of: tuple[str, str] | None = None
    members: dict[Hashable, Any] = Factory(dict)
    none: list[tuple[Predicate, frozenset[int]]] = Factory(list)
    witnesses: int = 0


@frozen(eq=False)
class UnknownRecord:
    """A record whose parts are found one by one."""

    state: Answers
    type: RecordType
    place: Place

    def __getattr__(self, name: str) -> object:
        part = self.type.by_name[name.removeprefix(_SLOT)]
        return self.state.attribute(part, self.place)


@frozen(eq=False)
class UnknownEntity:
    """An entity of which only the type and the id are known."""

    state: Answers
    type: str
    id: str

    @property
    def line(self) -> UnknownLine:
        return UnknownLine(self.state, (self.type, self.id))

    def __getattr__(self, name: str) -> object:
        part = self.state.schema.entities[self.type].by_name[name.removeprefix(_SLOT)]
        return self.state.attribute(part, ("entity", self.type, self.id))


@frozen(eq=False)
class UnknownLine:
    """An entity and its ancestors."""

    state: Answers
    of: tuple[str, str]

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.state.contains(self.state.ancestors(self.of, key[0]), key[1])


@frozen
class ListedSet:
    """A set that a rule writes out, with values that are not chosen among its elements."""

    items: tuple[Any, ...]


def is_unknown(value: object) -> bool:
    """Whether *value* is not chosen."""
    return isinstance(value, UnknownNumber | UnknownText | UnknownSet | UnknownRecord | ListedSet)


def key_of(value: Any) -> Hashable:
    """Return what a value is, so that the same is asked of the same once only."""
    match value:
        case UnknownNumber() | UnknownText():
            return value.key
        case UnknownSet() | UnknownRecord():
            return value.place
        case ListedSet(items):
            return ("listed", *map(key_of, items))
    constant: Hashable = value
    return constant
