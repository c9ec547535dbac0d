"""Find entities of a store by the values that they have.

The index of an attribute, or of the ancestors, of one type is made when it is first asked for, in one pass
over the entities of that type, and kept with the store. So an index has no more entries than the store has
values, and there are no more of them than the schema has attributes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TypeAlias

from msgspec import Struct

from policyengine.model.entities import Entity, Key
from policyengine.model.immutable import Immutable
from policyengine.model.records import Record
from policyengine.model.values import ABSENT, slot

Names: TypeAlias = tuple[str, ...]
"""The names that lead from an entity to a value: of an attribute, and of parts of the record that it holds."""

PLACE_SIZE = 16
"""The bytes of a place in the order of entities."""


class Ordered(Struct, frozen=True, eq=False):
    """Entities of one type in the order of their *places*; *numbers*: by id, where each of them is."""

    entities: tuple[Entity, ...]
    places: tuple[bytes, ...]
    numbers: Mapping[str, int]

    def after(self, place: bytes) -> int:
        """Return the number of the first entity after *place*."""
        return bisect_right(self.places, place)


class StoreIndex(Immutable):
    """The index of the entities of a store. It is not copied or pickled with them, but made again."""

    __slots__ = ("_by_type", "_entities", "_ids", "_ordered")

    def __init__(self, entities: Mapping[Key, Entity]) -> None:
        self._entities = entities
        self._by_type: dict[str, tuple[Entity, ...]] = {}
        self._ordered: dict[str, Ordered] = {}
        self._ids: dict[tuple[str, Names | None], Mapping[object, list[str]]] = {}

    def __reduce_ex__(self, protocol: object) -> tuple[type[StoreIndex], tuple[object, ...]]:
        return StoreIndex, (self._entities,)

    def ordered(self, type_: str) -> Ordered:
        """Return all entities of a type in an order that is always the same, and says nothing of them.

        That of their ids would have ids in what says how far a search came, also of entities that the
        caller may not know of.
        """
        found = self._ordered.get(type_)
        if found is None:
            placed = sorted((_place(entity.id), entity) for entity in self._of_type(type_))
            entities = tuple(entity for _, entity in placed)
            numbers = {entity.id: number for number, entity in enumerate(entities)}
            made = Ordered(entities, tuple(place for place, _ in placed), numbers)
            found = self._ordered.setdefault(type_, made)
        return found

    def by_value(self, type_: str, names: Names) -> Mapping[object, list[str]]:
        """Return the ids of entities of a type by a value that they have at *names*, or in a set there."""
        return self._by(type_, names, lambda entity: _values(entity, names))

    def by_ancestor(self, type_: str) -> Mapping[object, list[str]]:
        """Return the ids of entities of a type by the keys of themselves and of their ancestors.

        Those of which the ancestors are not known are at None.
        """
        return self._by(type_, None, lambda entity: entity.line or (None,))

    def _by(
        self, type_: str, names: Names | None, values: Callable[[Entity], Iterable[object]]
    ) -> Mapping[object, list[str]]:
        found = self._ids.get((type_, names))
        if found is None:
            made: dict[object, list[str]] = {}
            for entity in self._of_type(type_):
                for value in values(entity):
                    made.setdefault(value, []).append(entity.id)
            found = self._ids.setdefault((type_, names), made)
        return found

    def _of_type(self, type_: str) -> tuple[Entity, ...]:
        found = self._by_type.get(type_)
        if found is None:
            made = tuple(entity for key, entity in self._entities.items() if key[0] == type_)
            found = self._by_type.setdefault(type_, made)
        return found


def _place(id_: str) -> bytes:
    return blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=PLACE_SIZE).digest()


def _values(entity: Entity, names: Names) -> Iterator[object]:
    """Give the value at *names*; of each set on the way, that of each element. Records are not looked up."""
    values: list[object] = [entity]
    for name in names:
        values = [found for one in values for found in _elements(getattr(one, slot(name)))]
    return (value for value in values if not isinstance(value, Record))


def _elements(value: object) -> Iterable[object]:
    if isinstance(value, frozenset):
        return value
    return () if value is ABSENT else (value,)
